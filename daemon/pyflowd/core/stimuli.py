"""What can happen to the daemon, as far as decisions depend on it. The counterpart to effects.

Everything that comes from a worker was already checked for shape by the shell, and is still not believed:
the call it names must be the one that worker carries out.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import field, replace

from pyflowd.core.ids import CallId, EnvironmentId, PreparationKey, SessionId, WorkerId, ZygoteId
from pyflowd.core.kept_results import KeptResult, Parts, ResultKey
from pyflowd.core.permissions import Variables
from pyflowd.core.profiles import NOWHERE
from pyflowd.core.records import record
from pyflowd.core.usage import Observation, Usage
from pyflowd.core.values import Kept, Value
from pyflowd.graph.diagnostics import Diagnostic
from pyflowd.graph.environment_specs import EnvironmentSpec
from pyflowd.graph.interface import CodeInterface
from pyflowd.graph.model import Graph
from pyflowd.graph.placement import Placement
from pyflowd.graph.plan import Plan
from pyflowd_client.protocol import requests
from pyflowd_client.protocol.errors import ErrorInfo
from pyflowd_client.protocol.ids import RunId
from pyflowd_client.protocol.options import (
    NO_CHOICE,
    NO_DEBUGGING,
    NO_PERMISSIONS,
    WHOLE_GRAPH,
    Debugging,
    EnvironmentChoice,
    LiveOptions,
    Permissions,
    RunOptions,
    Selection,
)


@record
class Made:
    """What was done to have an environment. packages: how many are in it. warnings: what could not be had."""

    packages: int
    duration_s: float
    warnings: tuple[str, ...] = ()


@record
class EnvironmentProvided:
    """An environment is there. fingerprint: changes when what is installed in it does. made: None when it was there."""

    spec: EnvironmentSpec
    python: str
    fingerprint: str
    made: Made | None = None


@record
class Submission:
    """A graph as a client sent it. `key` is a hash of document, name, choice and `makes`: equal keys mean equal graphs.

    profile: what nodes are permitted, of an interpreter that is not known yet. permissions: the same in normal form.
    variables: those of them that nodes see. python, choice: what the client says of where nodes shall run.
    makes: whether environments that are not there shall be made. at_hand: one that was looked up in advance.
    origin: what the graph is known by, over its changes. selection: the part of it that runs.
    is_urgent: its code is looked at before that of others.
    """

    document: str
    name: str | None
    key: str
    inputs: Mapping[str, str]
    profile: EnvironmentId = NOWHERE
    python: str | None = None
    choice: EnvironmentChoice = NO_CHOICE
    makes: bool = True
    at_hand: EnvironmentProvided | None = None
    permissions: Permissions = NO_PERMISSIONS
    variables: Variables = ()
    origin: str = ""
    selection: Selection = WHOLE_GRAPH
    is_urgent: bool = False

    def with_document(self, document: str, name: str | None) -> "Submission":
        """Another graph, for which the same was chosen and granted."""
        digest = hashlib.blake2b(document.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        return replace(self, document=document, name=name, key=f"{self.key}\0{name}\0{digest}", at_hand=None)


@record
class RunSubmitted:
    """A client wants a graph executed."""

    session: SessionId
    request: int
    submission: Submission
    options: RunOptions
    debugging: Debugging = NO_DEBUGGING


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
class LiveAsked:
    """A client wants a live session."""

    session: SessionId
    request: int
    author: str
    submission: Submission
    options: RunOptions
    live: LiveOptions


@record
class LiveUpdateAsked:
    """A client changes a live session."""

    session: SessionId
    request: int
    author: str
    update: requests.UpdateLive


@record
class LiveFollowAsked:
    """A client wants to follow a live session, from what there is by now on."""

    session: SessionId
    request: int
    run: RunId


@record
class LiveCloseAsked:
    """A client ends a live session."""

    session: SessionId
    request: int
    run: RunId


@record
class RunUnfollowed:
    """Nobody follows a run any more, or (`is_followed`) somebody does again."""

    run: RunId
    is_followed: bool = False


@record
class StopAsked:
    """The daemon shall end: at once, or (drain) when the present runs are over. No request when a signal asks."""

    drain: bool
    session: SessionId | None = None
    request: int | None = None


@record
class ChangeAsked:
    """A client wants a named environment made or changed, told as a run."""

    session: SessionId
    request: int
    change: requests.ChangeEnvironment


@record
class GraphRead:
    """A document was read; no graph when it could not be."""

    key: str
    graph: Graph | None
    placement: Placement
    diagnostics: tuple[Diagnostic, ...]


@record
class EnvironmentProgressed:
    """Something happens on the way to an environment."""

    job: EnvironmentSpec | RunId
    message: str


@record
class EnvironmentRefused:
    """An environment is not there, and cannot be made."""

    spec: EnvironmentSpec
    error: ErrorInfo


@record
class EnvironmentChanged:
    """A named environment was made or changed."""

    run: RunId
    python: str
    fingerprint: str
    made: Made


@record
class ChangeFailed:
    """A named environment could not be made or changed."""

    run: RunId
    error: ErrorInfo


@record
class EnvironmentLookedAt:
    """An environment has this fingerprint now; "" means that it is gone."""

    python: str
    fingerprint: str


@record
class PlanBuilt:
    """A graph was planned; no plan when it is refused."""

    key: PreparationKey
    plan: Plan | None
    diagnostics: tuple[Diagnostic, ...]


@record
class ZygoteWarmed:
    """A fork server is ready. tier: of its sandbox. lacks: what protection it goes without.

    fingerprint: of its environment before it started. preloaded: (module, seconds). not_preloaded: (module, reason).
    """

    zygote: ZygoteId
    pid: int
    version: str
    tier: str = ""
    lacks: tuple[str, ...] = ()
    fingerprint: str = ""
    preloaded: tuple[tuple[str, float], ...] = ()
    not_preloaded: tuple[tuple[str, str], ...] = ()


@record
class ZygoteLost:
    """A fork server ended, or never came up. Its workers are gone with it."""

    zygote: ZygoteId
    reason: str


@record
class WorkersForked:
    """These workers exist now."""

    workers: tuple[WorkerId, ...]


@record
class ForkFailed:
    """These workers could not be made."""

    zygote: ZygoteId
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
class ResultFound:
    """A result was kept."""

    lookup: int
    result: KeptResult


@record
class ResultMissing:
    """No result was kept; this is its key. Without a key none can be, and `problem` says why.

    earlier: the parts of the key of the newest result of the same node, if that was asked for, and is known.
    """

    lookup: int
    key: ResultKey | None
    earlier: Parts | None = None
    problem: str = ""


@record
class CallFailed:
    """A node failed inside its worker, which could tell why. imports: as of `CallDone`."""

    worker: WorkerId
    call: CallId
    error: ErrorInfo
    usage: Usage
    imports: tuple[tuple[str, float], ...] = ()


@record
class StepDone:
    """A node of a program returned; as of `CallDone`. duration_s: wall time, by its worker."""

    node: str
    outputs: tuple[tuple[str, Value | Kept], ...]
    warnings: tuple[str, ...]
    usage: Usage
    duration_s: float
    imports: tuple[tuple[str, float], ...] = ()


@record
class StepFailed:
    """A node of a program failed, or was interrupted (CANCELLED: then the program ends)."""

    node: str
    error: ErrorInfo
    usage: Usage
    duration_s: float
    imports: tuple[tuple[str, float], ...] = ()


@record
class StepSkipped:
    """A node of a program was not begun: what it needs was not there."""

    node: str


StepOutcome = StepDone | StepFailed | StepSkipped


@record
class StepsOver:
    """The next nodes of a program are over, in its order."""

    worker: WorkerId
    call: CallId
    outcomes: tuple[StepOutcome, ...]


@record
class CallProgressed:
    """A node called progress()."""

    worker: WorkerId
    call: CallId
    fraction: float
    message: str


@record
class CallHalted:
    """A node wants its debugger, and waits for its turn."""

    worker: WorkerId
    call: CallId


@record
class DebuggerListens:
    """The debugger in a node waits for somebody to attach."""

    worker: WorkerId
    call: CallId


@record
class TerminalWrote:
    """Bytes from a worker's terminal."""

    worker: WorkerId
    data: bytes


@record
class TerminalTyped:
    """A client types into the terminal of a node's debugger."""

    session: SessionId
    request: int
    run: RunId
    node: str
    text: str


@record
class TerminalResized:
    """A client says how large its terminal is, characters."""

    session: SessionId
    request: int
    run: RunId
    node: str
    columns: int
    rows: int


@record
class SessionEnded:
    """A client is gone."""

    session: SessionId


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
class MemoryMeasured:
    """What fork servers need with their spares, bytes; shared pages are counted once. What the machine is short of.

    held_bytes: what those need that are held, as far as they were looked at.
    """

    memory_bytes: Mapping[ZygoteId, int]
    held_bytes: Mapping[WorkerId, int] = field(default_factory=dict)
    short_bytes: int = 0


@record
class EnvironmentWanted:
    """An environment will be needed: warm it before anybody waits, and keep it warm.

    preload: the modules that its fork servers shall import, besides those that they learn.
    """

    environment: EnvironmentId
    preload: tuple[str, ...] = ()


@record
class WarmAsked:
    """A client wants an environment warm, and to know when it is."""

    session: SessionId
    request: int
    environment: EnvironmentId


@record
class CoolAsked:
    """A client does not need an interpreter's fork servers any more: they go as soon as nothing runs in them."""

    session: SessionId
    request: int
    python: str


@record
class DeadlinePassed:
    """The earliest deadline is over."""


Stimulus = (
    RunSubmitted
    | CheckAsked
    | CancelAsked
    | LiveAsked
    | LiveUpdateAsked
    | LiveFollowAsked
    | LiveCloseAsked
    | RunUnfollowed
    | StopAsked
    | ChangeAsked
    | GraphRead
    | EnvironmentProvided
    | EnvironmentProgressed
    | EnvironmentRefused
    | EnvironmentChanged
    | ChangeFailed
    | EnvironmentLookedAt
    | PlanBuilt
    | ZygoteWarmed
    | ZygoteLost
    | WorkersForked
    | ForkFailed
    | WorkerExited
    | CallDone
    | ResultFound
    | ResultMissing
    | CallFailed
    | StepsOver
    | CallProgressed
    | CallHalted
    | DebuggerListens
    | TerminalWrote
    | TerminalTyped
    | TerminalResized
    | SessionEnded
    | CodeInspected
    | WorkerMisbehaved
    | WorkerWrote
    | WorkersObserved
    | SessionsCounted
    | MemoryMeasured
    | EnvironmentWanted
    | WarmAsked
    | CoolAsked
    | DeadlinePassed
)
