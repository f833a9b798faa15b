"""What can happen to the daemon, as far as decisions depend on it. The counterpart to effects.

Everything that comes from a worker was already checked for shape by the shell, and is still not believed:
the call it names must be the one that worker carries out.
"""

from collections.abc import Mapping

from pyflowd.core.ids import CallId, EnvironmentId, SessionId, WorkerId
from pyflowd.core.permissions import Variables
from pyflowd.core.records import record
from pyflowd.core.usage import Observation, Usage
from pyflowd.core.values import Value
from pyflowd.graph.diagnostics import Diagnostic
from pyflowd.graph.interface import CodeInterface
from pyflowd.graph.model import Graph
from pyflowd.graph.plan import Plan
from pyflowd_client.protocol.errors import ErrorInfo
from pyflowd_client.protocol.ids import RunId
from pyflowd_client.protocol.requests import NO_PERMISSIONS, Permissions, RunOptions


@record
class Submission:
    """A graph as a client sent it. `key` is a hash of document and name: equal keys mean equal graphs.

    permissions: in normal form, and `environment` is the profile for them. variables: those of them that nodes see.
    """

    document: str
    name: str | None
    key: str
    environment: EnvironmentId
    inputs: Mapping[str, str]
    permissions: Permissions = NO_PERMISSIONS
    variables: Variables = ()


@record
class RunSubmitted:
    """A client wants a graph executed."""

    session: SessionId
    request: int
    submission: Submission
    options: RunOptions


@record
class CheckAsked:
    """A client wants to know whether a graph could be executed."""

    session: SessionId
    request: int
    submission: Submission


@record
class CancelAsked:
    """A client wants a run ended."""

    session: SessionId
    request: int
    run: RunId


@record
class StopAsked:
    """The daemon shall end: at once, or (drain) when the present runs are over. No request when a signal asks."""

    drain: bool
    session: SessionId | None = None
    request: int | None = None


@record
class GraphRead:
    """A document was read; no graph when it could not be."""

    key: str
    environment: EnvironmentId
    graph: Graph | None
    diagnostics: tuple[Diagnostic, ...]


@record
class PlanBuilt:
    """A graph was planned for an environment; no plan when it is refused."""

    key: str
    environment: EnvironmentId
    plan: Plan | None
    diagnostics: tuple[Diagnostic, ...]


@record
class ZygoteWarmed:
    """The fork server of an environment is ready. tier: of its sandbox. lacks: what protection it goes without.

    preloaded: (module, seconds) of what its workers need not import. not_preloaded: (module, why) of what was to be.
    """

    environment: EnvironmentId
    pid: int
    version: str
    tier: str = ""
    lacks: tuple[str, ...] = ()
    preloaded: tuple[tuple[str, float], ...] = ()
    not_preloaded: tuple[tuple[str, str], ...] = ()


@record
class ZygoteLost:
    """The fork server ended, or never came up. Its workers are gone with it."""

    environment: EnvironmentId
    reason: str


@record
class WorkersForked:
    """These workers exist now, with these process ids."""

    environment: EnvironmentId
    workers: tuple[WorkerId, ...]


@record
class ForkFailed:
    """These workers could not be made."""

    environment: EnvironmentId
    workers: tuple[WorkerId, ...]
    message: str


@record
class WorkerExited:
    """A worker and everything it started is dead. `status` is the wait status.

    out_of_memory: the kernel ended it, because it used more than its control group may.
    """

    worker: WorkerId
    status: int
    usage: Usage
    out_of_memory: bool = False


@record
class CallDone:
    """A node returned; outputs in declared order. imports: (module, seconds at least) of what it had to import."""

    worker: WorkerId
    call: CallId
    outputs: tuple[tuple[str, Value], ...]
    warnings: tuple[str, ...]
    usage: Usage
    imports: tuple[tuple[str, float], ...] = ()


@record
class CallFailed:
    """A node failed inside its worker, which could tell why. imports: as of `CallDone`."""

    worker: WorkerId
    call: CallId
    error: ErrorInfo
    usage: Usage
    imports: tuple[tuple[str, float], ...] = ()


@record
class CallProgressed:
    """A node called progress()."""

    worker: WorkerId
    call: CallId
    fraction: float
    message: str


@record
class CodeInspected:
    """A worker read and compiled sources; in the order they were sent. No code where there is a problem."""

    worker: WorkerId
    call: CallId
    interfaces: tuple[CodeInterface, ...]
    codes: tuple[bytes, ...]


@record
class WorkerMisbehaved:
    """A worker sent something that is no frame, or not one it may send."""

    worker: WorkerId
    reason: str


@record
class WorkerWrote:
    """Bytes from a worker's stdout or stderr."""

    worker: WorkerId
    stream: str
    data: bytes


@record
class WorkersObserved:
    """What busy workers use now."""

    observations: Mapping[WorkerId, Observation]


@record
class SessionsCounted:
    """So many clients are connected now."""

    sessions: int


@record
class EnvironmentWanted:
    """An environment will be needed: warm it before anybody waits."""

    environment: EnvironmentId


@record
class DeadlinePassed:
    """The earliest deadline is over."""


Stimulus = (
    RunSubmitted
    | CheckAsked
    | CancelAsked
    | StopAsked
    | GraphRead
    | PlanBuilt
    | ZygoteWarmed
    | ZygoteLost
    | WorkersForked
    | ForkFailed
    | WorkerExited
    | CallDone
    | CallFailed
    | CallProgressed
    | CodeInspected
    | WorkerMisbehaved
    | WorkerWrote
    | WorkersObserved
    | SessionsCounted
    | EnvironmentWanted
    | DeadlinePassed
)
