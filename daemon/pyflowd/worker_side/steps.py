"""What a worker that is shared by several nodes does for one of them: load its code, call it, show what it gives.

Everything in here may be interrupted.
"""

from __future__ import annotations

import sys
from linecache import cache
from os import getpid

from . import failures, node_module
from .failures import CallError
from .learning import ONLOOKER
from .node_call import PROGRESS, leave_forked_process, plant, spread
from .node_module import load, take_positional
from .values import LARGE_BYTES, decode_input, encode_output, preview

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional, Sequence, Tuple

    from .answers import Shown
    from .failures import Failure

    Input = Tuple[str, Any, bool]  # name, value, whether that is JSON text

_report = PROGRESS.report


class Node:
    """The code of a node, and what is loaded of it."""

    __slots__ = ("_code", "_compiled", "_entry", "_lines", "_positional_names", "_registered", "_source")

    def __init__(self, compiled: bytes, source: str) -> None:
        self._compiled = compiled
        self._source = source
        self._registered: list[tuple[str, str]] = []
        self._entry: Any = None
        self._positional_names: list[str] = []
        self._code: Any = None
        self._lines: Any = None

    def call(self, title: str, inputs: Dict[str, Any]) -> Any:
        """What the entry function returns. The body of the module is executed until it has come to its end once."""
        if self._entry is None:
            self._load(title)
        else:
            filename = node_module.retitle(self._code, title)
            cache[filename] = self._lines  # another node may have the same title
        if ONLOOKER.seen:
            ONLOOKER.pause()
        if self._positional_names:
            return self._entry(*take_positional(self._entry, self._positional_names, inputs), **inputs)
        return self._entry(**inputs)

    def forget(self) -> None:
        """Unregister the module."""
        node_module.forget(self._registered)

    def _load(self, title: str) -> None:
        self.forget()
        try:
            entry, self._positional_names, self._code = load(title, self._compiled, self._source, _report)
        finally:
            self._registered = node_module.hand_over()
        self._lines = (len(self._source), None, self._source.splitlines(True), self._registered[0][1])
        self._entry = entry


class Attempt:
    """One execution of a node, with what came of it."""

    __slots__ = ("_inputs", "_names", "_seed", "_title", "objects", "shown", "warnings")

    def __init__(self, title: str, names: Sequence[str], inputs: Sequence[Input], seed: Optional[int]) -> None:
        self._title = title
        self._names = names
        self._inputs = inputs
        self._seed = seed
        self.objects: Tuple[Any, ...] = ()
        self.shown: list[Shown] = []
        self.warnings: list[str] = []

    def run(self, node: Node) -> Optional[Failure]:
        """All of it that is the node's own. An interrupt comes out."""
        failure = None
        try:
            self._evaluate(node)
        except BaseException as error:
            if getpid() != PROGRESS.pid:
                leave_forked_process(error)
            if failures.is_interrupt(error):
                raise
            failure = failures.describe(error)
        if getpid() != PROGRESS.pid:
            leave_forked_process(None)
        return failure

    def _evaluate(self, node: Node) -> None:
        if self._seed is not None:
            plant(self._seed)
        inputs = {pin: decode_input(pin, value) if is_text else value for pin, value, is_text in self._inputs}
        result = node.call(self._title, inputs)
        names = self._names
        if len(names) == 1:
            self.objects = (result,)
        else:
            self.objects = tuple(spread(result, len(names), self.warnings)[: len(names)])
        for name, value in zip(names, self.objects):
            self.shown.append(_show(name, value))


def _show(name: str, value: Any) -> Shown:
    """What is told of an output: its JSON text, or what it is like."""
    kind = type(value).__name__
    try:
        text = encode_output(name, value)
    except CallError:
        return None, kind, preview(value), _size(value)
    return text, kind, preview(value) if len(text) > LARGE_BYTES else None, 0


def _size(value: Any) -> int:
    """About how many bytes it takes."""
    try:
        return max(0, int(sys.getsizeof(value)))
    except Exception:  # it has its own idea of a size
        return 0
