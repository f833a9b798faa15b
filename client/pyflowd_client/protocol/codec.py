"""Messages <-> bytes, as a client needs it; what only the daemon does is in `daemon_codec`.

It refuses whatever does not fit the types. Requests are read strictly: an unknown field may carry a wish (a permission,
a limit) that must not be ignored in silence. Replies and events are read leniently: a newer daemon may say more.
Values are decoded by the standard library, since orjson turns integers over 64 bits into floats.
"""

import json
import re
from collections.abc import Callable
from enum import Enum
from functools import partial
from types import NoneType, UnionType
from typing import Any, NamedTuple, TypeVar, Union, cast, get_args, get_origin

from pyflowd_client.protocol.events import EVENTS, Event
from pyflowd_client.protocol.ids import RunId
from pyflowd_client.protocol.json_text import writer
from pyflowd_client.protocol.message import Message
from pyflowd_client.protocol.replies import REPLIES, Reply
from pyflowd_client.protocol.requests import Request
from pyflowd_client.protocol.states import ChangeKind, NodeState, RunState

Reader = Callable[[Any, bool], Any]
Json = dict[str, Any]
M = TypeVar("M", bound=Message)

_PLAIN = frozenset({str, int, float, bool, dict, ChangeKind, NodeState, RunState})

_EVENTS_START = '{"events":[{'  # as our daemon writes it
_EVENTS_HEAD = re.compile(r'\s*\{\s*"events"\s*:\s*\[\s*')
_BETWEEN_EVENTS = re.compile(r"\s*,?\s*")


class ProtocolError(ValueError):
    """The other side sent something that is not in the protocol. `request_id` where one could be read."""

    def __init__(self, message: str, request_id: int | None = None) -> None:
        super().__init__(message)
        self.request_id = request_id


class FieldSchema(NamedTuple):
    """One field of a message class. plain: the type whose values are taken as they are, if there is one.

    members: by what is on the wire, if it is one of a few.
    """

    plain: type[Any] | None
    members: dict[Any, Any]
    read: Reader


class EventRecord(NamedTuple):
    """One event as it came: its place in its run, its JSON text, its fields.

    A newer daemon may send events this package does not know: they count, but `decode` has nothing for them.
    """

    run: RunId
    seq: int
    text: str
    wire: Json

    def decode(self) -> Event | None:
        """The typed event; ProtocolError when its fields do not fit."""
        kind = EVENTS.get(self.wire.get("event", ""))
        if kind is None:
            return None
        return from_wire(kind, {name: value for name, value in self.wire.items() if name != "event"}, strict=False)


_pieces = writer(item_separator=",", key_separator=":", ensure_ascii=False, allow_nan=False)
_SCHEMAS: dict[type[Any], dict[str, FieldSchema]] = {}


def encode_request(request_id: int, request: Request) -> bytes:
    """`{"request": name, "id": n, ...}`; what has its default is left out: an older daemon may not know it yet."""
    return "".join(_pieces({"request": request.NAME, "id": request_id, **_wishes(request)}, 0)).encode()


def _wishes(message: Message) -> Json:
    """The fields that differ from their defaults; None travels as null, since it can mean "no limit"."""
    wire = {}
    usual = message.DEFAULTS
    for name, value in message.__dict__.items():
        if name in usual:
            default = usual[name]
            if value is default or (default is not None and value == message.default(name)):
                continue
        wire[name] = _wishes(value) if isinstance(value, Message) else value
    return wire


def decode_from_daemon(data: bytes) -> tuple[int | None, Reply] | list[EventRecord]:
    """A reply with the id of its request, or the events of one message."""
    try:
        text = data.decode()
        if text.startswith(_EVENTS_START):
            return _cut_events(text, len(_EVENTS_START) - 1)
        head = _EVENTS_HEAD.match(text)
        if head is not None:
            return _cut_events(text, head.end())
        message = _object(json.loads(text))
    except (LookupError, ValueError, RecursionError, StopIteration) as error:
        raise ProtocolError(f"the daemon sent neither a reply nor events: {error}") from None
    kind = REPLIES.get(str(message.pop("reply", "")))
    if kind is None:
        raise ProtocolError("the daemon sent neither a reply nor events")
    return message.pop("id", None), from_wire(kind, message, strict=False)


def _cut_events(text: str, start: int) -> list[EventRecord]:
    """Each event keeps its own text: encoding its values again could change them."""
    records: list[EventRecord] = []
    while text[start] != "]":
        try:
            wire, end = _scan(text, start)
        except json.JSONDecodeError:
            raise
        except ValueError:  # an integer with more digits than int() reads
            wire, end = _PATIENT_DECODER.raw_decode(text, start)
        if type(wire) is not dict or type(wire.get("run")) is not str or type(wire.get("seq")) is not int:
            raise ProtocolError("an event needs `run` and `seq`")
        records.append(_record((wire["run"], wire["seq"], text[start:end], wire)))
        if text.startswith(",{", end):  # as our daemon writes it
            start = end + 1
        elif text[end] == "]":
            return records
        else:
            start = cast("re.Match[str]", _BETWEEN_EVENTS.match(text, end)).end()
    return records


def _long_integer(digits: str) -> int:
    from decimal import Decimal

    return int(Decimal(digits))


# Straight from C: `raw_decode`, and the constructor of a named tuple, are functions of Python around it.
_scan: Callable[[str, int], tuple[Any, int]] = json.JSONDecoder().scan_once  # type: ignore[attr-defined]
_record: Callable[[tuple[Any, ...]], EventRecord] = partial(tuple.__new__, EventRecord)
_PATIENT_DECODER = json.JSONDecoder(parse_int=_long_integer)


def to_wire(message: Message) -> Json:
    """A message's fields as JSON-able objects; None is left out."""
    return fill({}, message.__dict__)


def fill(wire: Json, fields: Json) -> Json:
    """Add fields that are not None, as JSON-able objects."""
    for name, value in fields.items():
        if value is not None:
            wire[name] = value if type(value) in _PLAIN else _value_to_wire(value)
    return wire


def _value_to_wire(value: Any) -> Any:
    if isinstance(value, Message):
        return to_wire(value)
    if type(value) is tuple:
        return [_value_to_wire(item) for item in value]
    return value


def from_wire(kind: type[M], wire: Json, *, strict: bool) -> M:
    """A message of `kind` from its fields; ProtocolError names the field that does not fit."""
    schema = _SCHEMAS.get(kind)
    if schema is None:
        schema = _SCHEMAS[kind] = _schema(kind)
    if strict and not wire.keys() <= schema.keys():
        raise ProtocolError(f"unknown field: {', '.join(sorted(wire.keys() - schema.keys()))}")
    arguments = {}
    for name, value in wire.items():
        entry = schema.get(name)
        if entry is None:
            continue
        kind_of_value = type(value)
        if kind_of_value is entry.plain:
            arguments[name] = value
        elif kind_of_value is str and value in entry.members:
            arguments[name] = entry.members[value]
        else:
            arguments[name] = _read(name, entry, value, strict)
    try:
        return kind(**arguments)
    except TypeError:
        raise ProtocolError(f"field `{min(kind.REQUIRED - arguments.keys())}` is missing") from None


def _read(name: str, entry: FieldSchema, value: Any, strict: bool) -> Any:
    try:
        return entry.read(value, strict)
    except ProtocolError as error:
        raise ProtocolError(f"field `{name}`: {error}") from None


def _schema(kind: type[Message]) -> dict[str, FieldSchema]:
    hints = kind.__annotations__
    return {
        name: FieldSchema(_plain_type(hints[name]), _members(hints[name]), _reader(hints[name])) for name in kind.FIELDS
    }


def _members(hint: Any) -> dict[Any, Any]:
    """The members of an annotated enum, by value."""
    bare = _bare(hint)
    is_enum = isinstance(bare, type) and issubclass(bare, Enum)
    return {member.value: member for member in bare} if is_enum else {}


def _plain_type(hint: Any) -> type[Any] | None:
    """What values of the annotated type are, when nothing else about them matters."""
    bare = _bare(hint)
    return bare if bare in (str, int, float, bool) else None


def _bare(hint: Any) -> Any:
    """An annotated type without the name that NewType gives it, and without None."""
    hint = getattr(hint, "__supertype__", hint)
    if get_origin(hint) in (Union, UnionType):
        return _bare(next(a for a in get_args(hint) if a is not NoneType))
    return hint


def _reader(hint: Any) -> Reader:
    """The function that checks, and where needed builds, a value of the annotated type."""
    if get_origin(hint) in (Union, UnionType):
        inner = _reader(_bare(hint))
        return lambda value, strict: None if value is None else inner(value, strict)
    hint = _bare(hint)
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return lambda value, strict: value
    if origin is tuple:
        return _tuple_reader(_reader(arguments[0]))
    if origin is dict:
        return _dict_reader(_reader(arguments[1]))
    if issubclass(hint, Message):
        message = cast("type[Message]", hint)
        return lambda value, strict: from_wire(message, _object(value), strict=strict)
    if issubclass(hint, Enum):
        return _enum_reader(hint)
    return _plain_reader(hint)


def _tuple_reader(read_item: Reader) -> Reader:
    def read(value: Any, strict: bool) -> Any:
        if type(value) is not list:
            raise ProtocolError("must be a list")
        return tuple(read_item(item, strict) for item in value)

    return read


def _dict_reader(read_item: Reader) -> Reader:
    def read(value: Any, strict: bool) -> Any:
        return {key: read_item(item, strict) for key, item in _object(value).items()}

    return read


def _enum_reader(kind: type[Enum]) -> Reader:
    members = {member.value: member for member in kind}

    def read(value: Any, strict: bool) -> Any:
        member = members.get(value) if type(value) is str else None
        if member is None:
            raise ProtocolError(f"must be one of: {', '.join(members)}")
        return member

    return read


def _plain_reader(kind: type[Any]) -> Reader:
    def read(value: Any, strict: bool) -> Any:
        if type(value) is kind:
            return value
        if kind is float and type(value) is int:
            return float(value)
        raise ProtocolError(f"must be {kind.__name__}, not {type(value).__name__}")

    return read


def _object(value: Any) -> Json:
    if type(value) is not dict:
        raise no_object(value)
    found: Json = value
    return found


def no_object(value: Any) -> ProtocolError:
    """It should have been one."""
    return ProtocolError(f"must be an object, not {type(value).__name__}")
