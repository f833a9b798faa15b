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


class LiveAction(State):
    """What can be done to a live session."""

    SET_INPUT = "set_input"
    UPDATE_GRAPH = "update_graph"
    TRIGGER = "trigger"
    EVERY = "every"
    PAUSE = "pause"
    RESUME = "resume"
    RESET = "reset"
    RUN_ALL = "run_all"


class ChangeKind(State):
    """What happened to a live session. The first six are words of PyFlowGraph's."""

    BUTTON_CLICK = "button_click"
    TIMER_TICK = "timer_tick"
    VALUE_CHANGED = "value_changed"
    USER_INPUT = "user_input"
    GRAPH_RESET = "graph_reset"
    NODE_TRIGGER = "node_trigger"
    GRAPH_UPDATED = "graph_updated"
    TIMER_SET = "timer_set"
    RUN_ALL = "run_all"
    PAUSED = "paused"
    RESUMED = "resumed"
    OPENED = "opened"


class DebuggerKind(State):
    """What opens in a node: pdb, on the client's terminal once the node has failed, or debugpy, before it begins."""

    PDB = "pdb"
    DEBUGPY = "debugpy"


class Health(State):
    """What an examination says of one thing. `missing` is what this machine or its settings do not have."""

    OK = "ok"
    ATTENTION = "attention"
    MISSING = "missing"
    UNKNOWN = "unknown"


FINAL_RUN_STATES = frozenset({RunState.SUCCEEDED, RunState.FAILED, RunState.CANCELLED, RunState.INTERRUPTED})
FINAL_NODE_STATES = frozenset({NodeState.DONE, NodeState.FAILED, NodeState.CANCELLED, NodeState.SKIPPED})
