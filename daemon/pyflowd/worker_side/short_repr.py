"""Short texts that show values, made without the code of their classes: that may raise, print, or never end.

What is of a well-known type is shown here, to a depth and a length. All else goes to `foreign`: see `portraits`, which
asks it in a process of its own. Refuses to build more text than it shows.
"""

from __future__ import annotations

from types import BuiltinFunctionType, FunctionType

from .masking import MASK, is_secret

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, Iterable, Iterator, Sequence

LONGEST = 200
DEEPEST = 4
ITEMS_MOST = 20
INTEGER_BITS = 600
CUT = "..."
_PLAIN = frozenset({type(None), bool, float, complex, type(Ellipsis), type(NotImplemented), range})
_BRACKETS: Dict[Any, Sequence[str]] = {list: "[]", tuple: "()", set: "{}", frozenset: ("frozenset({", "})")}
_name_of = type.__dict__["__name__"].__get__


def cut(text: str) -> str:
    """`text`, without its middle if it is too long."""
    if len(text) <= LONGEST:
        return text
    end = LONGEST // 4
    return text[: LONGEST - end - len(CUT)] + CUT + text[-end:]


def kind_of(value: object) -> str:
    """The name of a value's class, whatever its metaclass would say."""
    return str(_name_of(type(value)))[:100]


class ShortRepr:
    """Shows values; `foreign` is asked for the text of what is of no well-known type."""

    def __init__(self, foreign: Callable[[Any], str]) -> None:
        self._foreign = foreign

    def of(self, value: Any, depth: int = DEEPEST) -> str:
        """A text of at most LONGEST characters."""
        try:
            return cut(self._of(value, depth))
        except RuntimeError:  # another thread of the node changes it
            return "<%s that changes>" % kind_of(value)

    def _of(self, value: Any, depth: int) -> str:
        kind = type(value)
        if kind is str or kind is bytes:
            return _shown_text(value)
        if kind is int:
            bits = value.bit_length()
            return repr(value) if bits <= INTEGER_BITS else "<int of %d bits>" % bits
        if kind in _PLAIN:
            return repr(value)
        if kind is dict:
            return self._joined("{", self._pairs(value, depth), "}", depth)
        if kind in _BRACKETS:
            return self._sequence(value, depth)
        if kind is FunctionType or kind is BuiltinFunctionType:
            return "<function %s>" % value.__name__
        if kind is type:
            return "<class %s>" % value.__name__
        return self._foreign(value)

    def _sequence(self, value: Any, depth: int) -> str:
        kind = type(value)
        if not value and kind in (set, frozenset):
            return "%s()" % kind.__name__
        opening, closing = _BRACKETS[kind]
        if kind is tuple and len(value) == 1:
            closing = ",)"
        return self._joined(opening, (self._of(item, depth - 1) for item in value), closing, depth)

    def _pairs(self, value: dict[Any, Any], depth: int) -> Iterator[str]:
        for key, item in value.items():
            shown = repr(MASK) if is_secret(key) else self._of(item, depth - 1)
            yield "%s: %s" % (self._of(key, depth - 1), shown)

    def _joined(self, opening: str, items: Iterable[str], closing: str, depth: int) -> str:
        """As many items as are seen in the end, and what says that there are more."""
        parts: list[str] = []
        length = 0
        if depth <= 0:
            return opening + CUT + closing
        for item in items:
            if len(parts) >= ITEMS_MOST or length > LONGEST:
                parts.append(CUT)
                break
            parts.append(item)
            length += len(item) + 2
        return opening + ", ".join(parts) + closing


def _shown_text(value: Any) -> str:
    if len(value) <= LONGEST:
        return repr(value)
    kept = value[: LONGEST // 2] + value[-LONGEST // 4 :]
    return "%s (%d long)" % (repr(kept[: LONGEST // 2]) + CUT + repr(kept[LONGEST // 2 :]), len(value))
