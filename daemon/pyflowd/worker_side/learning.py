"""What nodes import that was not there yet: who preloads it spares the next ones the time.

A finder that is asked first and never finds anything: it sees each import that is no mere look into `sys.modules`, and
costs a node nothing that imports nothing new. Of imports within imports only the outermost counts, for it brings the
others. When one has ended nobody tells: it took as long as until the next one began, or the node's function, or that
was over. So a cheap one may seem to be dear, but never the other way round. Whoever preloads it measures.

What is told comes from the node's own process, and so is no more than a hint: `packages` says what counts.
"""

from __future__ import annotations

import sys
from importlib.machinery import ModuleSpec
from time import perf_counter

from . import packages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, FrozenSet, List

    Imports = List[List[Any]]  # [name, seconds]

SEEN_MOST = 500
TOLD_MOST = 50
_modules = sys.modules
_look_up = object.__getattribute__  # a module may be lazy, and its own way of looking up would load it


class Onlooker:
    """The finder. `seen` are [name, began, over by then or 0] of the outermost imports since the last `take`."""

    def __init__(self) -> None:
        self.seen: List[List[Any]] = []
        self._known: FrozenSet[str] = frozenset()
        self._end = SEEN_MOST

    def listen(self) -> None:
        """From now on; what is there already is known."""
        self._known = frozenset(_modules)
        sys.meta_path.insert(0, self)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        """Finds nothing."""
        seen = self.seen
        if len(seen) < SEEN_MOST and not (seen and _is_under_way(seen[-1][0])):
            self.pause()
            seen.append([name, perf_counter(), 0.0])

    def pause(self) -> None:
        """What was imported so far is there by now."""
        if self.seen and not self.seen[-1][2]:
            self.seen[-1][2] = perf_counter()

    def close(self) -> None:
        """Whatever follows until the next `take` is not the node's."""
        self.pause()
        self._end = min(self._end, len(self.seen))

    def take(self) -> Imports:
        """What was seen, came about, and is worth to be there before: each once, in the order of import."""
        self.pause()
        seen, self.seen, self._end = self.seen[: self._end], [], SEEN_MOST
        found: Dict[str, float] = {}
        for name, began_s, over_s in seen:
            if name not in self._known and _counts(name):
                found[name] = max(found.get(name, 0.0), round(over_s - began_s, 6))
        return [[name, seconds] for name, seconds in list(found.items())[:TOLD_MOST]]


def _is_under_way(name: str) -> bool:
    try:
        spec = _look_up(_modules[name], "__spec__")
        return type(spec) is ModuleSpec and bool(getattr(spec, "_initializing", False))
    except Exception:  # what the node has put there
        return False


def _counts(name: object) -> bool:
    try:
        if not packages.is_name(name):
            return False
        spec = _look_up(_modules[name], "__spec__")  # type: ignore[index]
        if type(spec) is not ModuleSpec or not (spec.has_location or spec.origin == "frozen"):
            return False  # of packages without a place of their own, the modules count
        return not packages.refusal(name, spec)  # type: ignore[arg-type]
    except Exception:
        return False


ONLOOKER = Onlooker()
