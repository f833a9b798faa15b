"""What happens in a run, told to whoever follows it: numbered without gaps, from 1, ending with run_finished.

`time` is seconds since the epoch. Values are JSON in Python's dialect: NaN, Infinity and
integers of any size are possible. `change` says, in a live session, which change led to it.
"""

from typing import Any, ClassVar, get_args

from pyflowd_client.protocol.errors import ErrorInfo
from pyflowd_client.protocol.ids import NodeId, RunId
from pyflowd_client.protocol.message import Message, field
from pyflowd_client.protocol.states import ChangeKind, DebuggerKind, NodeState, RunState


class RunStarted(Message):
    """The plan stands and `nodes` nodes will be executed; `last` are those that no other node waits for."""

    NAME: ClassVar[str] = "run_started"
    run: RunId
    seq: int
    time: float
    graph: str
    nodes: int
    last: tuple[NodeId, ...] = ()


class Diagnostic(Message):
    """Something to know about the graph; `severity` is "error", "warning" or "info"."""

    NAME: ClassVar[str] = "diagnostic"
    run: RunId
    seq: int
    time: float
    severity: str
    code: str
    message: str
    node: NodeId | None = None
    title: str | None = None
    change: str | None = None


class EnvironmentProgress(Message):
    """The environment is being made ready."""

    NAME: ClassVar[str] = "environment_progress"
    run: RunId
    seq: int
    time: float
    message: str
    change: str | None = None


class EnvironmentReady(Message):
    """An environment was made, or changed, for this run. packages: how many are in it now.

    warnings: what could not be installed although it was wished for, and why.
    """

    NAME: ClassVar[str] = "environment_ready"
    run: RunId
    seq: int
    time: float
    environment: str
    python: str
    packages: int
    duration_s: float
    warnings: tuple[str, ...] = ()
    change: str | None = None


class NodeStarted(Message):
    """A node's code begins, in a process of its own."""

    NAME: ClassVar[str] = "node_started"
    run: RunId
    seq: int
    time: float
    node: NodeId
    title: str
    change: str | None = None


class NodeOutput(Message):
    """What a node, or a process it started, wrote: `stream` is "stdout" or "stderr"."""

    NAME: ClassVar[str] = "node_output"
    run: RunId
    seq: int
    time: float
    node: NodeId
    stream: str
    text: str
    change: str | None = None


class NodeProgress(Message):
    """A node called `progress(fraction, message)`; `fraction` is 0 to 1."""

    NAME: ClassVar[str] = "node_progress"
    run: RunId
    seq: int
    time: float
    node: NodeId
    fraction: float
    message: str
    change: str | None = None


class NodeFinished(Message):
    """A node is over. `outputs` are in pin order; times are seconds, memory is the peak resident size.

    peak_processes: the most processes and threads it had at once. scratch_bytes: what its scratch folder held at the
    end. None where nobody counted.
    """

    NAME: ClassVar[str] = "node_finished"
    run: RunId
    seq: int
    time: float
    node: NodeId
    title: str
    state: NodeState
    outputs: dict[str, Any] = field(default_factory=dict)
    error: ErrorInfo | None = None
    cached: bool = False
    duration_s: float = 0.0
    cpu_s: float = 0.0
    peak_memory_bytes: int = 0
    peak_processes: int | None = None
    scratch_bytes: int | None = None
    change: str | None = None


class DebuggerOpened(Message):
    """A debugger is open in a node; until it is closed the node's wall time does not count.

    port: where debugpy waits for somebody to attach, on 127.0.0.1.
    """

    NAME: ClassVar[str] = "debugger_opened"
    run: RunId
    seq: int
    time: float
    node: NodeId
    title: str
    debugger: DebuggerKind
    port: int | None = None


class TerminalOutput(Message):
    """What the debugger in a node, or the node in its hands, writes to its terminal: of a terminal's own language.

    It comes from the node: what a terminal would do at its word must be chosen by who shows it.
    """

    NAME: ClassVar[str] = "terminal_output"
    run: RunId
    seq: int
    time: float
    node: NodeId
    text: str


class DebuggerClosed(Message):
    """The debugger in a node is closed; how the node ends follows."""

    NAME: ClassVar[str] = "debugger_closed"
    run: RunId
    seq: int
    time: float
    node: NodeId


class LiveChanged(Message):
    """A live session has changed. author: who has changed it. value: what an input is now."""

    NAME: ClassVar[str] = "live_changed"
    run: RunId
    seq: int
    time: float
    change: str
    kind: ChangeKind
    author: str
    node: NodeId | None = None
    pin: str | None = None
    value: Any = None
    every_s: float | None = None


class LiveSettled(Message):
    """Nothing is left to do in a live session; `change` is the last one. `executed` nodes ran since it last was so."""

    NAME: ClassVar[str] = "live_settled"
    run: RunId
    seq: int
    time: float
    change: str
    executed: int
    failed: int


class EventsLost(Message):
    """The daemon no longer has the events `first_seq` to `last_seq`. Its own number is `last_seq`."""

    NAME: ClassVar[str] = "events_lost"
    run: RunId
    seq: int
    time: float
    first_seq: int
    last_seq: int


class RunFinished(Message):
    """The last event of every run."""

    NAME: ClassVar[str] = "run_finished"
    run: RunId
    seq: int
    time: float
    state: RunState
    duration_s: float
    error: ErrorInfo | None = None


Event = (
    RunStarted
    | Diagnostic
    | EnvironmentProgress
    | EnvironmentReady
    | NodeStarted
    | NodeOutput
    | NodeProgress
    | NodeFinished
    | DebuggerOpened
    | TerminalOutput
    | DebuggerClosed
    | LiveChanged
    | LiveSettled
    | EventsLost
    | RunFinished
)
EVENTS: dict[str, type[Event]] = {kind.NAME: kind for kind in get_args(Event)}
