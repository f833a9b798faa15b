"""A node's code as a module of its own: registered under its own name while the call lasts, so that pickle,
dataclasses and inspect work, with its source known to tracebacks. It is not `__main__` and has no file.
"""

from __future__ import annotations

import sys
from _imp import _fix_co_filename  # type: ignore[attr-defined]
from linecache import cache
from marshal import loads
from types import ModuleType

from .failures import CallError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    Entry = Callable[..., Any]

_modules = sys.modules
_registered: list[tuple[str, str]] = []
FILENAME = "<node: %s>"  # what tracebacks call the code of a node, by its title


def node_entry(function: Entry) -> Entry:
    """Mark the function that the graph calls."""
    return function


class SourceLoader:
    """The loader of a node's module, as far as PEP 302 asks for its source."""

    __slots__ = ("_source",)

    def __init__(self, source: str) -> None:
        self._source = source

    def get_source(self, name: str) -> str:
        """The source text."""
        return self._source


def load(title: str, compiled: bytes, source: str, progress: Any) -> tuple[Entry, list[str]]:
    """Execute the body of a node's module. (Its entry function, the positional-only ones of the entry's parameters)."""
    try:
        entry_name, positional_names, code = loads(compiled)
    except (EOFError, ValueError, TypeError) as error:
        raise CallError("environment", "the node was compiled for another interpreter: %s" % error) from None
    filename = FILENAME % title
    if code.co_filename != filename:
        _fix_co_filename(code, filename)  # compiled for another node with the same source
    name = "node_" + title
    if name in _modules or not name.isidentifier():
        name = _free_name(name)
    module = ModuleType(name)
    namespace = module.__dict__
    namespace["__loader__"] = SourceLoader(source)
    namespace["node_entry"] = node_entry
    namespace["progress"] = progress
    _modules[name] = module
    _registered.append((name, filename))
    cache[filename] = (len(source), None, source.splitlines(True), filename)
    exec(code, namespace)
    return namespace[entry_name], positional_names


def forget() -> None:
    """Unregister what was loaded, in a process that serves further calls."""
    while _registered:
        name, filename = _registered.pop()
        _modules.pop(name, None)
        cache.pop(filename, None)


def take_positional(entry: Any, names: list[str], inputs: dict[str, Any]) -> list[Any]:
    """The values for positional-only parameters, taken out of `inputs`; gaps are filled with the defaults."""
    given = [name in inputs for name in names]
    if True not in given:
        return []
    count = len(names) - given[::-1].index(True)
    defaults = getattr(entry, "__defaults__", None) or ()
    total = entry.__code__.co_argcount if hasattr(entry, "__code__") else len(names)
    values = []
    for index, name in enumerate(names[:count]):
        if not given[index] and index < total - len(defaults):
            break  # let the call itself say what is missing
        values.append(inputs.pop(name) if given[index] else defaults[index - total])
    return values


def _free_name(name: str) -> str:
    name = "".join(character if character.isalnum() else "_" for character in name)
    while name in _modules:
        name += "_"
    return name
