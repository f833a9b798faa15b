"""The state tables of a run, a node, a worker and a zygote, and the only functions that move.

Rule 1: every state is an enum member, and every legal move stands in a table below.
Rule 2: nobody assigns a state; `move` returns the new one, `mover` makes the method that does for things that have
one. Both raise with the name of the thing and the move that they refused. How a worker died is an outcome, not a state.

    run      queued > running > succeeded | failed | cancelled      (interrupted: told after a crash)
    node     waiting > ready > running > done | failed | cancelled ; waiting | ready > skipped | cancelled
    in live  waiting > ready > running > done | failed ; waiting > skipped ; any other > waiting
    worker   starting > idle > busy > leaving > dead ; busy > held > busy | leaving     (a call may be queued before it
             started)
    zygote   cold > warming > warm > stale > dead ; warm > dead > warming > backoff > warming | broken
    halt     waiting > open > closing ; waiting > closing           (of a node that wants a debugger)
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from pyflowd_client.protocol.states import NodeState, RunState, State


class WorkerState(State):
    """Where one forked process is."""

    STARTING = "starting"
    IDLE = "idle"
    BUSY = "busy"
    HELD = "held"
    LEAVING = "leaving"
    DEAD = "dead"


class ZygoteState(State):
    """Where the fork server of an environment is."""

    COLD = "cold"
    WARMING = "warming"
    WARM = "warm"
    STALE = "stale"
    BACKOFF = "backoff"
    BROKEN = "broken"
    DEAD = "dead"


class HaltState(State):
    """Where a node is that wants a debugger: it waits for its turn, has it, or has had it and is about to end."""

    WAITING = "waiting"
    OPEN = "open"
    CLOSING = "closing"


SPARE_STATES: Final = frozenset({WorkerState.STARTING, WorkerState.IDLE})

S = TypeVar("S", bound=State)
Table = Mapping[S, frozenset[S]]

RUN_MOVES: Final[Table[RunState]] = {
    RunState.QUEUED: frozenset({RunState.RUNNING, RunState.FAILED, RunState.CANCELLED}),
    RunState.RUNNING: frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED}),
}
NODE_MOVES: Final[Table[NodeState]] = {
    NodeState.WAITING: frozenset({NodeState.READY, NodeState.SKIPPED, NodeState.CANCELLED}),
    NodeState.READY: frozenset({NodeState.RUNNING, NodeState.SKIPPED, NodeState.CANCELLED, NodeState.FAILED}),
    NodeState.RUNNING: frozenset({NodeState.DONE, NodeState.FAILED, NodeState.CANCELLED}),
}
LIVE_NODE_MOVES: Final[Table[NodeState]] = {
    NodeState.WAITING: frozenset({NodeState.READY, NodeState.SKIPPED}),
    NodeState.READY: frozenset({NodeState.RUNNING, NodeState.WAITING, NodeState.FAILED}),
    NodeState.RUNNING: frozenset({NodeState.DONE, NodeState.FAILED, NodeState.WAITING}),
    NodeState.DONE: frozenset({NodeState.WAITING}),
    NodeState.FAILED: frozenset({NodeState.WAITING}),
    NodeState.SKIPPED: frozenset({NodeState.WAITING}),
}
WORKER_MOVES: Final[Table[WorkerState]] = {
    WorkerState.STARTING: frozenset({WorkerState.IDLE, WorkerState.BUSY, WorkerState.DEAD}),
    WorkerState.IDLE: frozenset({WorkerState.BUSY, WorkerState.DEAD}),
    WorkerState.BUSY: frozenset({WorkerState.LEAVING, WorkerState.HELD, WorkerState.DEAD}),
    WorkerState.HELD: frozenset({WorkerState.BUSY, WorkerState.LEAVING, WorkerState.DEAD}),
    WorkerState.LEAVING: frozenset({WorkerState.DEAD}),
}
ZYGOTE_MOVES: Final[Table[ZygoteState]] = {
    ZygoteState.COLD: frozenset({ZygoteState.WARMING}),
    ZygoteState.WARMING: frozenset(
        {ZygoteState.WARM, ZygoteState.BACKOFF, ZygoteState.BROKEN, ZygoteState.STALE, ZygoteState.DEAD}
    ),
    ZygoteState.BACKOFF: frozenset({ZygoteState.WARMING}),
    ZygoteState.WARM: frozenset({ZygoteState.STALE, ZygoteState.DEAD}),
    ZygoteState.STALE: frozenset({ZygoteState.DEAD}),
    ZygoteState.DEAD: frozenset({ZygoteState.WARMING}),
}
HALT_MOVES: Final[Table[HaltState]] = {
    HaltState.WAITING: frozenset({HaltState.OPEN, HaltState.CLOSING}),
    HaltState.OPEN: frozenset({HaltState.CLOSING}),
}


class IllegalMoveError(AssertionError):
    """A move that no table allows: a bug of ours, never of the outside."""


def move(table: Table[S], kind: str, name: object, current: S, target: S) -> S:
    """The target state, if the table allows the move of the thing of this kind and name from the current one."""
    if target not in table.get(current, ()):
        raise IllegalMoveError(f"{kind} {name}: {current} > {target} is not a legal move")
    return target


def mover(table: Table[S], kind: str, name_of: Callable[[Any], object]) -> Callable[[Any, S], None]:
    """The method of a class of things with a `state` by which they move to another; `name_of` says which one it was."""

    def to(self: Any, target: S) -> None:
        """Move to another state."""
        if target not in table.get(self.state, ()):
            move(table, kind, name_of(self), self.state, target)
        self.state = target

    return to
