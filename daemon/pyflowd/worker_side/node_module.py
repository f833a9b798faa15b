"""A node's code as a module of its own: registered under its own name while the call lasts, so that pickle,
dataclasses and inspect work, with its source known to tracebacks. It is not `__main__` and has no file.
"""

from __future__ import annotations

import linecache
import marshal
import sys
import types

from .failures import CallError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable

    from .progress import Progress


def filename(title: str) -> str:
    """What tracebacks call the code of a node."""
    return "<node: %s>" % title


def node_entry(function: Callable[..., Any]) -> Callable[..., Any]:
    """Mark the function that the graph calls."""
    return function


class NodeModule:
    """The module of one call. `run` executes its body and calls its entry. It is the module's loader too."""

    def __init__(self, title: str, source: bytes) -> None:
        self._filename = filename(title)
        self._source = source.decode("utf-8", "surrogatepass")
        self._module = types.ModuleType(_module_name(title))
        self._module.__loader__ = self  # type: ignore[assignment]
        sys.modules[self._module.__name__] = self._module
        linecache.cache[self._filename] = (len(self._source), None, self._source.splitlines(True), self._filename)

    def get_source(self, name: str) -> str:
        """The source text, as PEP 302 has it."""
        return self._source

    def run(self, compiled: bytes, inputs: dict[str, Any], progress: Progress) -> Any:
        """What the node's entry function returns for `inputs`."""
        try:
            entry_name, positional_names, code = marshal.loads(compiled)
        except (EOFError, ValueError, TypeError) as error:
            raise CallError("environment", "the node was compiled for another interpreter: %s" % error) from None
        if code.co_filename != self._filename:
            code = _renamed(code, self._filename)  # compiled for another node with the same source
        namespace = self._module.__dict__
        namespace["node_entry"] = node_entry
        namespace["progress"] = progress.report
        exec(code, namespace)
        entry = namespace[entry_name]
        if positional_names:
            return entry(*_take_positional(entry, positional_names, inputs), **inputs)
        return entry(**inputs)

    def forget(self) -> None:
        """Unregister it, for a process that serves further calls."""
        sys.modules.pop(self._module.__name__, None)
        linecache.cache.pop(self._filename, None)


def _module_name(title: str) -> str:
    name = "node_" + title
    if not name.isidentifier():
        name = "".join(character if character.isalnum() else "_" for character in name)
    while name in sys.modules:
        name += "_"
    return name


def _renamed(code: types.CodeType, filename: str) -> types.CodeType:
    constants = tuple(_renamed(part, filename) if isinstance(part, types.CodeType) else part for part in code.co_consts)
    return code.replace(co_filename=filename, co_consts=constants)


def _take_positional(entry: Any, names: list[str], inputs: dict[str, Any]) -> list[Any]:
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
