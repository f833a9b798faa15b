"""A call with a debugger: pdb after the node has failed, or debugpy before it begins.

Only one node of a run has a debugger at a time, so a worker asks for its turn, and waits:

    worker > daemon    halted {call}
    daemon > worker    the order "turn", for pdb with a terminal
    worker > daemon    listening {call}, from debugpy alone

The failure is described before pdb opens: the node fails as it did, whatever is done in there. Refuses to open pdb in a
process that the node forked, and where nothing of the node is left to look at: no frame, or no memory.
"""

from __future__ import annotations

import os

from . import failures, link, node_call
from .failures import CallError, DescribedError
from .learning import ONLOOKER
from .orders import receive, undebugged

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, List, Optional, Tuple

    from .answers import Output
    from .orders import Order

PDB, DEBUGPY = "pdb", "debugpy"
NO_WARNING = "PYDEVD_DISABLE_FILE_VALIDATION"  # of modules of the standard library that it cannot debug
LOCALHOST = "127.0.0.1"
NOT_INSTALLED = "debugpy is not installed in the node's environment: run it --with debugpy"


def perform(order: Order) -> None:
    """Run the node and answer, exactly once, as `node_call.perform`."""
    (debugger, detail), call = undebugged(order)
    evaluate = _Debugged(debugger, detail).evaluate
    node_call.perform(
        call, lambda order, outputs, warnings: node_call.interruptible(order, outputs, warnings, evaluate)
    )


class _Debugged:
    """How a node is evaluated. `detail` is the name of the terminal, or the port."""

    def __init__(self, debugger: str, detail: Any) -> None:
        self._debugger = debugger
        self._detail = detail
        self._pid = os.getpid()

    def evaluate(self, order: Order, outputs: List[Output], warnings: List[str]) -> None:
        """As `node_call.evaluate_node`."""
        call = order[1]
        try:
            if self._debugger == DEBUGPY:
                _wait_for_attachment(call, self._detail)
            node_call.evaluate_node(order, outputs, warnings)
        except BaseException as error:
            if self._debugger != PDB or os.getpid() != self._pid or failures.is_interrupt(error):
                raise
            failure = failures.describe(error)
            traceback = failures.node_traceback(error)
            if traceback is not None and failure["code"] != "memory_limit":
                self._post_mortem(call, traceback, failure["traceback"])
            raise DescribedError(failure) from None
        finally:
            if self._debugger == DEBUGPY:
                ONLOOKER.seen.clear()  # its threads import as long as they live

    def _post_mortem(self, call: int, traceback: Any, text: str) -> None:
        is_granted, terminal = _ask_for_turn(call)
        if is_granted and terminal is not None:
            from . import post_mortem

            node_call.flush_output()
            post_mortem.open_debugger(traceback, text, terminal, self._detail)


def _ask_for_turn(call: int) -> Tuple[bool, Optional[int]]:
    """Whether a debugger may open, now that others have had theirs, and the descriptor of its terminal."""
    link.send({"kind": "halted", "call": call})
    order = receive(link.LINK)
    if order is None:
        return False, None
    _, _, _, is_granted, things = order
    return is_granted, dict(things).get("terminal")


def _wait_for_attachment(call: int, port: int) -> None:
    os.environ[NO_WARNING] = "1"
    try:
        _attach(call, port)
    finally:
        os.environ.pop(NO_WARNING, None)


def _attach(call: int, port: int) -> None:
    try:
        import debugpy
    except ImportError:
        raise CallError("exception", NOT_INSTALLED) from None
    is_granted, _ = _ask_for_turn(call)
    if not is_granted:
        return
    try:
        debugpy.listen((LOCALHOST, port))
    except (OSError, RuntimeError) as error:
        raise CallError("exception", "debugpy cannot wait on port %d: %s" % (port, error)) from None
    link.send({"kind": "listening", "call": call})
    debugpy.wait_for_client()
