"""A node's code as a module of its own: registered under its own name until it is forgotten, so that pickle,
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
_registered: list[tuple[str, str]] = []  # (name of the module, what tracebacks call it)
_loaded: list[tuple[Entry, list[str], Any]] = []  # (entry, positional-only ones of its parameters, code), once it is
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


def load(title: str, compiled: bytes, source: str, progress: Any) -> tuple[Entry, list[str], Any]:
    """Execute the body of a node's module. (Entry function, the positional-only ones of its parameters, code)."""
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
    loaded = namespace[entry_name], positional_names, code
    _loaded.append(loaded)
    return loaded


def hand_over() -> list[tuple[str, str]]:
    """What is registered, to somebody who keeps the modules of several nodes, and forgets each himself."""
    registered = _registered[:]
    _registered.clear()
    _loaded.clear()
    return registered


def is_loaded() -> bool:
    """Whether there is a module whose body has come to its end."""
    return bool(_loaded)


def recall(title: str) -> tuple[Entry, list[str], Any]:
    """What was loaded for the call before, as `load` gave it. title: the node may have another by now."""
    if not _loaded:
        raise CallError("environment", "the node's code was not kept from its last call")
    entry, positional_names, code = _loaded[-1]
    name, former = _registered[-1]
    filename = FILENAME % title
    if filename != former:
        retitle(code, title)
        lines = cache.pop(former, None)
        if lines is not None:
            cache[filename] = (*lines[:3], filename)
        _registered[-1] = name, filename
    return entry, positional_names, code


def retitle(code: Any, title: str) -> str:
    """Let tracebacks call the code of a node by its present title; what they call it now."""
    filename = FILENAME % title
    if code.co_filename != filename:
        _fix_co_filename(code, filename)
    return filename


def forget(registered: list[tuple[str, str]] = _registered) -> None:
    """Unregister what was loaded, in a process that serves further calls. registered: all, or what was handed over."""
    _loaded.clear()
    while registered:
        name, filename = registered.pop()
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
