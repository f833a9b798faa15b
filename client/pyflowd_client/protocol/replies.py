"""What the daemon answers: exactly one reply per request, carrying the request's id."""

from typing import Any, ClassVar, get_args

from pyflowd_client.protocol.errors import ErrorInfo
from pyflowd_client.protocol.ids import NodeId, RunId
from pyflowd_client.protocol.message import Message, field
from pyflowd_client.protocol.states import Health, NodeState, RunState


class Welcome(Message):
    """Answer to hello: the protocol version that both will speak, and who answers."""

    NAME: ClassVar[str] = "welcome"
    protocol: int
    version: str
    pid: int


class RunAccepted(Message):
    """The run exists; its events follow, from sequence number 1. Answer to submit_run and change_environment."""

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


class LiveUpdated(Message):
    """Answer to update_live: the change was made, and is called `change` in all that follows from it."""

    NAME: ClassVar[str] = "live_updated"
    run: RunId
    change: str


class LiveNode(Message):
    """A node of a live session: its last outputs or why there are none, and the inputs that it was given.

    every_s: how often a timer triggers it, seconds; None when none does.
    """

    node: NodeId
    title: str
    state: NodeState
    change: str | None = None
    inputs: dict[str, Any] = field(default_factory=dict)
    outputs: dict[str, Any] = field(default_factory=dict)
    error: ErrorInfo | None = None
    every_s: float | None = None


class LiveFollowing(Message):
    """Answer to follow_live: the session as it is after event `last_seq`; those that come after it follow."""

    NAME: ClassVar[str] = "live_following"
    run: RunId
    state: RunState
    last_seq: int
    graph: str
    isolation: str
    is_paused: bool
    nodes: tuple[LiveNode, ...] = ()


class Done(Message):
    """The request was carried out: cancel_run, close_live, stop_daemon, goodbye; remove_, warm_, cool_environment."""

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


class DetectedEnvironment(Message):
    """An interpreter or an environment on this machine.

    kind: "interpreter", "venv" or "conda".
    source: how it was found, in a word or two ("PATH", "pyenv", "uv", "VIRTUAL_ENV", ".venv", "venvs", "conda").
    fingerprint: changes when its packages do. problem: why no node can run in it; None when nothing speaks against it.
    """

    kind: str
    source: str
    python: str
    version: str | None = None
    implementation: str | None = None
    packages: int | None = None
    fingerprint: str | None = None
    problem: str | None = None


class EnvironmentsDetected(Message):
    """Answer to detect_environments, in the order in which they were found."""

    NAME: ClassVar[str] = "environments_detected"
    environments: tuple[DetectedEnvironment, ...] = ()


class EnvironmentSummary(Message):
    """An environment that the daemon keeps, or one that was named by its path.

    id: its name, or the digest of what it was built for. kind: "named", "built" or "found". requirements: what was
    asked to be in it. size_bytes: on the disk. created, used: seconds since the epoch. state: of its fork server.
    """

    id: str
    kind: str
    python: str
    version: str | None = None
    requirements: tuple[str, ...] = ()
    packages: int = 0
    size_bytes: int | None = None
    created: float | None = None
    used: float | None = None
    state: str = "cold"


class EnvironmentsListed(Message):
    """Answer to list_environments."""

    NAME: ClassVar[str] = "environments_listed"
    environments: tuple[EnvironmentSummary, ...] = ()


class Package(Message):
    """A package that is installed."""

    name: str
    version: str


class Preloaded(Message):
    """A module that is imported before nodes begin, and the seconds that each node is spared."""

    module: str
    seconds: float


class NotPreloaded(Message):
    """A module that is not imported beforehand although nodes use it, and why."""

    module: str
    reason: str


class ForkServer(Message):
    """A warm interpreter that nodes are forked from.

    permissions: what its nodes may do beyond what every node may, in words; None when that is nothing.
    memory_bytes: of it and its spares, shared pages counted once.
    """

    state: str
    pid: int | None = None
    tier: str | None = None
    permissions: str | None = None
    spares: int = 0
    memory_bytes: int | None = None
    preloaded: tuple[Preloaded, ...] = ()
    not_preloaded: tuple[NotPreloaded, ...] = ()


class EnvironmentShown(Message):
    """Answer to show_environment. learnt: modules that its nodes have imported. is_kept: its fork server stays."""

    NAME: ClassVar[str] = "environment_shown"
    environment: EnvironmentSummary
    manager: str | None = None
    packages: tuple[Package, ...] = ()
    fork_servers: tuple[ForkServer, ...] = ()
    learnt: tuple[str, ...] = ()
    is_kept: bool = False


class EnvironmentVerified(Message):
    """Answer to verify_environment. missing: requirements that are not met. conflicts: packages that do not fit."""

    NAME: ClassVar[str] = "environment_verified"
    missing: tuple[str, ...] = ()
    optional_missing: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    problem: str | None = None


class EnvironmentWritten(Message):
    """Answer to lock_environment and export_environment: the text."""

    NAME: ClassVar[str] = "environment_written"
    text: str


class EnvironmentsPruned(Message):
    """Answer to prune_environments: what was removed, or would be; what stays because it is in use is not listed."""

    NAME: ClassVar[str] = "environments_pruned"
    removed: tuple[EnvironmentSummary, ...] = ()
    freed_bytes: int = 0


class Refused(Message):
    """The request was not carried out, and why."""

    NAME: ClassVar[str] = "refused"
    error: ErrorInfo


Reply = (
    Welcome
    | RunAccepted
    | GraphChecked
    | GraphConverted
    | Following
    | LiveUpdated
    | LiveFollowing
    | Done
    | DaemonStatus
    | Examined
    | EnvironmentsDetected
    | EnvironmentsListed
    | EnvironmentShown
    | EnvironmentVerified
    | EnvironmentWritten
    | EnvironmentsPruned
    | Refused
)
REPLIES: dict[str, type[Reply]] = {kind.NAME: kind for kind in get_args(Reply)}
