"""The states a client can see, and the sets of them that have names. Imports nothing but enum."""

from enum import StrEnum


class State(StrEnum):
    """A state that tables and sets find by its text, in C: an enum's own hash is a call of Python."""

    __hash__ = str.__hash__


class RunState(State):
    """Where a run is. `interrupted` is only seen after a daemon died in the middle."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"


class NodeState(State):
    """Where one node of a run is."""

    WAITING = "waiting"
    READY = "ready"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    SKIPPED = "skipped"


class Health(State):
    """What an examination says of one thing. `missing` is what this machine or its settings do not have."""

    OK = "ok"
    ATTENTION = "attention"
    MISSING = "missing"
    UNKNOWN = "unknown"


FINAL_RUN_STATES = frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED, RunState.INTERRUPTED})
FINAL_NODE_STATES = frozenset({NodeState.DONE, NodeState.FAILED, NodeState.CANCELLED, NodeState.SKIPPED})
