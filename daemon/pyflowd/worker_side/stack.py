"""The frames of a failed node that lie in the code of nodes, with their variables: for an error's `frames`.

Only what the traceback text does not say: where in the node, and with which values. What looks like a secret by its
name is masked. Capped in number and size, the innermost frames first. Refuses to fail for what a node has in its
variables, and to run code of theirs in this process: see `short_repr`, `portraits`.
"""

from __future__ import annotations

import json
import linecache
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType

from .masking import MASK, is_secret, mask
from .node_module import FILENAME
from .portraits import paint
from .short_repr import LONGEST, ShortRepr, cut, kind_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any, Dict, Iterator, List

    Frame = Dict[str, Any]  # title, line, function, source, locals: {name: text}

OUTERMOST, INNERMOST = 5, 15  # so many of each are told
VARIABLES_MOST = 30
TEXT_MOST = 40_000  # of all variables, as JSON: what counts is the packet that carries them
_PREFIX, _SUFFIX = FILENAME.split("%s")
_TOOLS = (ModuleType, FunctionType, BuiltinFunctionType, MethodType)


def node_frames(error: BaseException) -> list[Frame]:
    """The frames of nodes' code in the traceback of `error`, the outermost first."""
    found = [(frame, line) for frame, line in _walk(error) if _title(frame) is not None]
    if len(found) > OUTERMOST + INNERMOST:
        found = found[:OUTERMOST] + found[-INNERMOST:]
    told = [_described(frame, line) for frame, line in found]
    painter = _Painter()
    for (frame, _), described in zip(reversed(found), reversed(told)):
        described["locals"] = painter.show(frame)
    painter.finish()
    return told


def _walk(error: BaseException) -> Iterator[tuple[FrameType, int]]:
    traceback = error.__traceback__
    while traceback is not None:
        yield traceback.tb_frame, traceback.tb_lineno or 0
        traceback = traceback.tb_next


def _title(frame: FrameType) -> str | None:
    name = frame.f_code.co_filename
    return name[len(_PREFIX) : -len(_SUFFIX)] if name.startswith(_PREFIX) and name.endswith(_SUFFIX) else None


def _described(frame: FrameType, line: int) -> Frame:
    return {
        "title": cut(_title(frame) or ""),
        "line": line,
        "function": cut(frame.f_code.co_name),
        "source": cut(linecache.getline(frame.f_code.co_filename, line).strip()),
    }


class _Painter:
    """Shows variables of one frame after the other; those that need code of their classes in the end, all at once."""

    def __init__(self) -> None:
        self._is_foreign = False
        self._repr = ShortRepr(self._meet)
        self._waiting: List[Any] = []  # (texts of the frame, name, value)
        self._left = TEXT_MOST

    def show(self, frame: FrameType) -> dict[str, str]:
        """The frame's variables by name, as texts."""
        texts: Dict[str, str] = {}
        for name, value in list(frame.f_locals.items()):
            if len(texts) == VARIABLES_MOST or self._left < 0:
                break
            if type(name) is str and not name.startswith(("__", ".")) and not _is_tool(value):
                self._show(texts, name[:LONGEST], value)
        return texts

    def finish(self) -> None:
        """Ask the classes of those that are not well known."""
        if not self._waiting:
            return
        painted = paint([value for _, _, value in self._waiting])
        for (texts, name, _), text in zip(self._waiting, painted):
            if text is not None and self._fits(text, texts[name]):
                texts[name] = text

    def _show(self, texts: dict[str, str], name: str, value: Any) -> None:
        self._is_foreign = False
        text = MASK if is_secret(name) else mask(self._repr.of(value))
        if self._fits(name + text):
            texts[name] = text
            if self._is_foreign:
                self._waiting.append((texts, name, value))

    def _meet(self, value: Any) -> str:
        self._is_foreign = True
        return "<%s>" % kind_of(value)

    def _fits(self, text: str, instead_of: str = "") -> bool:
        self._left -= len(json.dumps(text)) - len(json.dumps(instead_of))
        return self._left >= 0


def _is_tool(value: Any) -> bool:
    """Whether it is a module, a function or a class, which say nothing of what went wrong."""
    kind = type(value)
    return kind in _TOOLS or issubclass(kind, type)
