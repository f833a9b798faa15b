"""What the daemon answers: exactly one reply per request, carrying the request's id."""

from typing import ClassVar

from pyflowd_client.protocol.errors import ErrorInfo
from pyflowd_client.protocol.ids import NodeId, RunId
from pyflowd_client.protocol.message import Message
from pyflowd_client.protocol.states import Health, RunState


class Welcome(Message):
    """Answer to hello: the protocol version that both will speak, and who answers."""

    NAME: ClassVar[str] = "welcome"
    protocol: int
    version: str
    pid: int


class RunAccepted(Message):
    """The run exists; its events follow, from sequence number 1."""

    NAME: ClassVar[str] = "run_accepted"
    run: RunId


class Finding(Message):
    """One thing to know about a graph. `severity` is "error", "warning" or "info"; `code` is stable."""

    severity: str
    code: str
    message: str
    node: NodeId | None = None
    title: str | None = None


class NodeSummary(Message):
    """A node as the plan sees it, pins by name, in the order of execution."""

    node: NodeId
    title: str
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()


class GraphChecked(Message):
    """Answer to check_graph. `nodes` is empty when the graph could not be read."""

    NAME: ClassVar[str] = "graph_checked"
    runnable: bool
    findings: tuple[Finding, ...] = ()
    nodes: tuple[NodeSummary, ...] = ()


class GraphConverted(Message):
    """Answer to convert_graph: the same graph in the other format."""

    NAME: ClassVar[str] = "graph_converted"
    document: str
    findings: tuple[Finding, ...] = ()


class Following(Message):
    """Answer to follow_run: the run's state, and which events the daemon still has."""

    NAME: ClassVar[str] = "following"
    run: RunId
    state: RunState
    first_seq: int
    last_seq: int


class Done(Message):
    """The request was carried out (cancel_run, stop_daemon, goodbye)."""

    NAME: ClassVar[str] = "done"


class EnvironmentStatus(Message):
    """One warm environment: `memory_bytes` is not counted here, ask the system by `pid`.

    permissions: what its nodes may do beyond what every node may, in words; None when that is nothing.
    tier: how well its nodes are kept from what is not theirs, "T0" to "T3"; None before that is known.
    lacks: the layers of protection that its nodes go without, and why; None when there is none.
    """

    python: str
    state: str
    version: str | None = None
    pid: int | None = None
    spares: int
    permissions: str | None = None
    tier: str | None = None
    lacks: tuple[str, ...] | None = None


class RunStatus(Message):
    """One run the daemon remembers."""

    run: RunId
    state: RunState
    graph: str
    submitted: float
    nodes: int
    nodes_over: int


class WorkerStatus(Message):
    """One process that runs, or may run, a node."""

    state: str
    python: str
    pid: int | None = None
    run: RunId | None = None
    node: NodeId | None = None


class DaemonStatus(Message):
    """Answer to get_status; times are seconds."""

    NAME: ClassVar[str] = "status"
    pid: int
    version: str
    protocol: int
    uptime_s: float
    sandbox_tier: str
    socket: str
    environments: tuple[EnvironmentStatus, ...]
    runs: tuple[RunStatus, ...]
    workers: tuple[WorkerStatus, ...]


class Observation(Message):
    """One thing that was examined, in words for people.

    area, name: what it is. detail: what was found. exposes: what that leaves open, in one sentence.
    remedy: what puts it right, in lines; those that begin with "$ " are commands.
    matters: whether somebody should do something about it.
    """

    area: str
    name: str
    state: Health
    detail: str
    exposes: str | None = None
    remedy: str | None = None
    matters: bool = False


class Examined(Message):
    """Answer to examine. `time` is what the daemon takes for the time, in seconds since the epoch."""

    NAME: ClassVar[str] = "examined"
    time: float
    findings: tuple[Observation, ...]


class Refused(Message):
    """The request was not carried out, and why."""

    NAME: ClassVar[str] = "refused"
    error: ErrorInfo


Reply = Welcome | RunAccepted | GraphChecked | GraphConverted | Following | Done | DaemonStatus | Examined | Refused
REPLIES: dict[str, type[Reply]] = {
    kind.NAME: kind
    for kind in (Welcome, RunAccepted, GraphChecked, GraphConverted, Following, Done, DaemonStatus, Examined, Refused)
}
