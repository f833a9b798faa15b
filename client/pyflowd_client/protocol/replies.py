"""What the daemon answers: exactly one reply per request, carrying the request's id."""

from dataclasses import dataclass
from typing import ClassVar

from pyflowd_client.protocol.errors import ErrorInfo
from pyflowd_client.protocol.ids import NodeId, RunId
from pyflowd_client.protocol.states import RunState


@dataclass(frozen=True, slots=True, kw_only=True)
class Welcome:
    """Answer to hello: the protocol version that both will speak, and who answers."""

    NAME: ClassVar[str] = "welcome"
    protocol: int
    version: str
    pid: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAccepted:
    """The run exists; its events follow, from sequence number 1."""

    NAME: ClassVar[str] = "run_accepted"
    run: RunId


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing to know about a graph. `severity` is "error", "warning" or "info"; `code` is stable."""

    severity: str
    code: str
    message: str
    node: NodeId | None = None
    title: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSummary:
    """A node as the plan sees it, pins by name, in the order of execution."""

    node: NodeId
    title: str
    inputs: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphChecked:
    """Answer to check_graph. `nodes` is empty when the graph could not be read."""

    NAME: ClassVar[str] = "graph_checked"
    runnable: bool
    findings: tuple[Finding, ...] = ()
    nodes: tuple[NodeSummary, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphConverted:
    """Answer to convert_graph: the same graph in the other format."""

    NAME: ClassVar[str] = "graph_converted"
    document: str
    findings: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Following:
    """Answer to follow_run: the run's state, and which events the daemon still has."""

    NAME: ClassVar[str] = "following"
    run: RunId
    state: RunState
    first_seq: int
    last_seq: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """The request was carried out (cancel_run, stop_daemon, goodbye)."""

    NAME: ClassVar[str] = "done"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentStatus:
    """One warm environment: `memory_bytes` is not counted here, ask the system by `pid`."""

    python: str
    state: str
    version: str | None
    pid: int | None
    spares: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatus:
    """One run the daemon remembers."""

    run: RunId
    state: RunState
    graph: str
    submitted: float
    nodes: int
    nodes_over: int


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerStatus:
    """One process that runs, or may run, a node."""

    pid: int | None
    state: str
    python: str
    run: RunId | None
    node: NodeId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonStatus:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The request was not carried out, and why."""

    NAME: ClassVar[str] = "refused"
    error: ErrorInfo


Reply = Welcome | RunAccepted | GraphChecked | GraphConverted | Following | Done | DaemonStatus | Refused
REPLIES: dict[str, type[Reply]] = {
    kind.NAME: kind
    for kind in (Welcome, RunAccepted, GraphChecked, GraphConverted, Following, Done, DaemonStatus, Refused)
}
