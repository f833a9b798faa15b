"""What is in a frame from where hostile code runs, checked for type and size. What does not fit raises FrameError."""

from typing import Any

from pyflowd.worker_side.frames import FrameError
from pyflowd.worker_side.packages import is_name

Header = dict[str, Any]
LONGEST_TEXT = 100_000
WHOLE_MOST = 2**53  # beyond it not every reader of JSON tells two numbers apart
IMPORTS_MOST = 200
LONGEST_S = 1e9


def objects_in(header: Header, name: str) -> list[Header]:
    """A list of objects."""
    items = header.get(name)
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise FrameError(f"`{name}` is not a list of objects")
    return items


def texts_in(header: Header, name: str) -> list[str]:
    """A list of texts, each cut to the longest."""
    items = header.get(name)
    if type(items) is not list:
        raise FrameError(f"`{name}` is not a list")
    for item in items:  # no generator: that would take longer than the look at the usual one or two
        if type(item) is not str:
            raise FrameError(f"`{name}` is not a list of texts")
    return [item[:LONGEST_TEXT] for item in items]


def text_in(header: Header, name: str) -> str:
    """A text, cut to the longest."""
    text = header.get(name)
    if not isinstance(text, str):
        raise FrameError(f"`{name}` is not a text")
    return text[:LONGEST_TEXT]


def optional_text(text: Any) -> str | None:
    """The same, if it is one."""
    return text[:LONGEST_TEXT] if isinstance(text, str) else None


def whole_in(header: Header, name: str) -> int:
    """A whole number, not below 0."""
    return whole(header.get(name), name)


def whole(number: Any, name: str) -> int:
    """The same; name: what to call it."""
    if type(number) is not int or not 0 <= number < WHOLE_MOST:
        raise FrameError(f"`{name}` is not a whole number")
    return number


def number_in(header: Header, name: str) -> float:
    """A number that is one."""
    return number(header.get(name), name)


def number(value: Any, name: str) -> float:
    """The same; name: what to call it."""
    if not isinstance(value, int | float) or not -WHOLE_MOST < value < WHOLE_MOST:
        raise FrameError(f"`{name}` is not a number")
    return float(value)


def imports_in(header: Header, name: str = "imports") -> tuple[tuple[str, float], ...]:
    """(module, seconds) of modules that are said to have been imported; nothing is as good as none."""
    return tuple([_import(item) for item in _short_list(header, name)]) if name in header else ()


def refusals_in(header: Header, name: str) -> tuple[tuple[str, str], ...]:
    """(module, reason) of modules that are said not to have been imported."""
    found = []
    for item in _short_list(header, name):
        if type(item) is not list or len(item) != 2 or type(item[0]) is not str or type(item[1]) is not str:
            raise FrameError(f"`{name}` is not of pairs of texts")
        found.append((item[0][:LONGEST_TEXT], item[1][:LONGEST_TEXT]))
    return tuple(found)


def _short_list(header: Header, name: str) -> list[Any]:
    items = header.get(name, [])
    if type(items) is not list or len(items) > IMPORTS_MOST:
        raise FrameError(f"`{name}` is not a short list")
    return items


def _import(item: Any) -> tuple[str, float]:
    if type(item) is not list or len(item) != 2:
        raise FrameError("an import is not a name and a number")
    name, seconds = item
    if not is_name(name):
        raise FrameError("an import has no name that a module can have")
    if type(seconds) not in (int, float) or not 0 <= seconds <= LONGEST_S:
        raise FrameError("the time of an import is not a number of seconds")
    return name, float(seconds)
