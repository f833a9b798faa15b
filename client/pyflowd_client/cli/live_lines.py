"""Changes of a live session as lines of JSON, for programs: `{"set_input": {...}, "id": "slider-17"}`.

A line becomes a request, or a `BadLine` that says what would have been right; it never ends the session.
"""

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from pyflowd_client.errors import GraphFileError, PyflowdError
from pyflowd_client.live_handle import LiveHandle
from pyflowd_client.protocol.errors import ErrorCode
from pyflowd_client.protocol.limits import MAX_REQUEST_BYTES
from pyflowd_client.protocol.requests import UpdateLive
from pyflowd_client.protocol.states import ChangeKind, LiveAction
from pyflowd_client.submission import read_graph

Fields = dict[str, Any]


class BadLine(Exception):  # noqa: N818 - it is what it is about
    """A line that is no change. `change` is its id, if it has one."""

    def __init__(self, code: ErrorCode, message: str, change: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.change = change


class Shape(NamedTuple):
    """What an action may have beside it: names and types; those of `required` must be there."""

    fields: dict[str, tuple[type, ...]]
    required: tuple[str, ...] = ()


_ANY = (object,)
_TEXT = (str,)
SHAPES: dict[str, Shape] = {
    "set_input": Shape({"node": _TEXT, "pin": _TEXT, "value": _ANY, "kind": _TEXT}, ("node", "pin")),
    "update_graph": Shape({"path": _TEXT, "document": _TEXT, "name": _TEXT}),
    "trigger": Shape({"node": _TEXT, "kind": _TEXT}, ("node",)),
    "every": Shape({"node": _TEXT, "seconds": (int, float, type(None))}, ("node",)),
    "pause": Shape({}),
    "resume": Shape({}),
    "reset": Shape({}),
    "run_all": Shape({}),
}


def request_of(live: LiveHandle, line: bytes) -> UpdateLive:
    """The change that a line asks for; BadLine."""
    wire = _read(line)
    change = _change(wire.pop("id", None))
    if len(wire) != 1:
        raise BadLine(ErrorCode.BAD_MESSAGE, f"a change is an object with one key: {', '.join(SHAPES)}", change)
    [(action, fields)] = wire.items()
    try:
        _check(action, fields)
        return _MAKERS.get(action, _simple)(live, action, fields, change)
    except GraphFileError as error:
        raise BadLine(ErrorCode.BAD_GRAPH, str(error), change) from None
    except (TypeError, ValueError, PyflowdError) as error:
        raise BadLine(ErrorCode.BAD_INPUT, str(error), change) from None


def _read(line: bytes) -> Fields:
    if len(line) > MAX_REQUEST_BYTES:
        raise BadLine(ErrorCode.BAD_INPUT, f"a line may have {MAX_REQUEST_BYTES} bytes")
    try:
        wire = json.loads(line)
    except json.JSONDecodeError as error:
        raise BadLine(ErrorCode.BAD_MESSAGE, f"not JSON: {error}") from None
    except (ValueError, RecursionError) as error:
        raise BadLine(ErrorCode.BAD_MESSAGE, f"cannot be read: {error}") from None
    if type(wire) is not dict:
        raise BadLine(ErrorCode.BAD_MESSAGE, "a change is an object")
    return wire


def _change(given: Any) -> str | None:
    if given is None or type(given) is str:
        return given
    if type(given) is int:
        return str(given)
    raise BadLine(ErrorCode.BAD_MESSAGE, "`id` must be a text or an integer")


def _check(action: str, fields: Any) -> None:
    shape = SHAPES.get(action)
    if shape is None:
        raise ValueError(f"unknown change `{action}`; known are: {', '.join(SHAPES)}")
    if type(fields) is not dict:
        raise ValueError(f"`{action}` has an object beside it")
    for name in fields:
        if name not in shape.fields:
            raise ValueError(f"unknown field `{name}` of `{action}`; known are: {', '.join(shape.fields) or 'none'}")
        is_of_type = isinstance(fields[name], shape.fields[name])
        if not is_of_type or (name != "value" and type(fields[name]) is bool):  # which is an int for Python
            raise ValueError(f"`{name}` of `{action}` has a value of another type")
    for name in shape.required:
        if name not in fields:
            raise ValueError(f"`{action}` needs `{name}`")


def _kind(fields: Fields) -> ChangeKind | None:
    given = fields.get("kind")
    if given is None:
        return None
    try:
        return ChangeKind(given)
    except ValueError:
        raise ValueError(f"`kind` must be one of: {', '.join(ChangeKind)}") from None


def _set_input(live: LiveHandle, action: str, fields: Fields, change: str | None) -> UpdateLive:
    if "value" not in fields:
        return live.unsetting(fields["node"], fields["pin"], _kind(fields), change)
    return live.setting(fields["node"], fields["pin"], fields["value"], _kind(fields), change)


def _update_graph(live: LiveHandle, action: str, fields: Fields, change: str | None) -> UpdateLive:
    if ("path" in fields) == ("document" in fields):
        raise ValueError("`update_graph` needs `path` or `document`, one of them")
    if "path" in fields:
        document, name = read_graph(fields["path"])
        return live.updating(document, fields.get("name", name), change)
    return live.updating(fields["document"], fields.get("name"), change)


def _trigger(live: LiveHandle, action: str, fields: Fields, change: str | None) -> UpdateLive:
    return live.triggering(fields["node"], _kind(fields), change)


def _every(live: LiveHandle, action: str, fields: Fields, change: str | None) -> UpdateLive:
    return live.timing(fields.get("seconds"), fields["node"], change)


def _simple(live: LiveHandle, action: str, fields: Fields, change: str | None) -> UpdateLive:
    return live.simple(LiveAction(action), change)


_MAKERS: dict[str, Callable[[LiveHandle, str, Fields, str | None], UpdateLive]] = {
    "set_input": _set_input,
    "update_graph": _update_graph,
    "trigger": _trigger,
    "every": _every,
}
