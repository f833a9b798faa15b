"""What may be asked of the world. The counterpart to stimuli; the shell performs them in order, at once."""

from collections.abc import Mapping, Sequence
from typing import Any

from pyflowd.core.ids import CallId, EnvironmentId, PreparationKey, SessionId, WorkerId, ZygoteId
from pyflowd.core.kept_results import KeptResult, ResultKey, ResultQuestion
from pyflowd.core.learnt_imports import Learnt
from pyflowd.core.limits import Limits
from pyflowd.core.permissions import Variables
from pyflowd.core.records import record
from pyflowd.core.values import Payload
from pyflowd.graph.environment_specs import EnvironmentSpec
from pyflowd.graph.interface import CodeHash, CodeInterface
from pyflowd.graph.model import Graph
from pyflowd.graph.placement import Placement
from pyflowd_client.protocol import requests
from pyflowd_client.protocol.events import Event
from pyflowd_client.protocol.ids import RunId
from pyflowd_client.protocol.options import NO_DEBUGGING, Debugging, EnvironmentChoice
from pyflowd_client.protocol.replies import LiveFollowing, Reply


@record
class Answer:
    """Send the one reply of a request."""

    session: SessionId
    request: int
    reply: Reply


@record
class OpenRun:
    """Keep the events of this run from now on, and let this session follow them.

    is_live: it stays open, and its events are waited for one by one.
    """

    run: RunId
    session: SessionId
    max_value_bytes: int | None
    is_live: bool = False


@record
class Join:
    """Answer with what there is of a live session, and let this session follow what comes after that."""

    session: SessionId
    request: int
    reply: LiveFollowing


@record
class Publish:
    """Tell the followers of a run. The event is made when they are told: workers do not wait for that."""

    kind: type[Event]
    content: dict[str, Any]


@record
class Flush:
    """Send what was told until now before anything else is decided: somebody waits for it, and nothing is to begin."""


FLUSH = Flush()


@record
class CloseRun:
    """Forget the events of this run."""

    run: RunId


@record
class ReadGraph:
    """Read a document, and say where its nodes run for whoever chose so; ends in GraphRead.

    makes: whether environments that are not there will be made.
    """

    key: str
    document: str
    name: str | None
    python: str | None
    choice: EnvironmentChoice
    makes: bool


@record
class ProvideEnvironment:
    """Find an environment, or make it; ends in EnvironmentProvided or EnvironmentRefused."""

    spec: EnvironmentSpec


@record
class ChangeEnvironment:
    """Create, or change, a named environment; ends in EnvironmentChanged or ChangeFailed."""

    run: RunId
    change: requests.ChangeEnvironment


@record
class AbandonEnvironment:
    """Nobody waits any more for what is being made or changed; it may have ended just now."""

    job: EnvironmentSpec | RunId


@record
class KeepLearnt:
    """Write down what the nodes of an interpreter import."""

    python: str
    learnt: Learnt


@record
class BuildPlan:
    """Plan a graph; ends in PlanBuilt."""

    key: PreparationKey
    graph: Graph
    placement: Placement
    interfaces: Mapping[CodeHash, CodeInterface]


@record
class StartZygote:
    """Start a fork server for an environment; ends in ZygoteWarmed or ZygoteLost.

    preload: the modules that it shall import if it can, in this order.
    """

    zygote: ZygoteId
    environment: EnvironmentId
    preload: tuple[str, ...] = ()


@record
class EndZygote:
    """End a fork server with its workers, none of which has anything to do."""

    zygote: ZygoteId


@record
class ForkWorkers:
    """Fork these workers; each ends in WorkersForked and WorkerExited, or in ForkFailed.

    rehearse: those without a call shall get themselves ready for one; in a hurry that only takes time from the others.
    """

    zygote: ZygoteId
    workers: tuple[WorkerId, ...]
    rehearse: bool = True


@record
class NodeTerms:
    """What the calls of a node have in common. `variables` are added to the environment of its process."""

    title: str
    code: bytes
    source: str
    outputs: tuple[str, ...]
    seed: int | None
    limits: Limits
    variables: Variables = ()


@record
class SendCall:
    """Give a worker a node to execute. `inputs` are JSON texts. Terms that are the same object say the same as before.

    lingers: once it has answered the worker waits to be dismissed, so that its end is in nobody's way; else it leaves.
    stays: it waits for another call instead, and keeps what it has loaded. is_loaded: the last call that it answered,
    well or not, was of this very code, which then is not sent again: module variables survive.
    """

    zygote: ZygoteId
    worker: WorkerId
    call: CallId
    terms: NodeTerms
    inputs: Sequence[tuple[str, Payload | bytes]]
    lingers: bool
    debugging: Debugging = NO_DEBUGGING
    stays: bool = False
    is_loaded: bool = False


@record
class Ref:
    """The object that another node gave, in a worker that both share. output: its number."""

    node: str
    output: int


@record
class Step:
    """A node of a program. is_loaded: the worker has had this code of this node before; it is not sent again then."""

    node: str
    title: str
    code: bytes
    source: str
    outputs: tuple[str, ...]
    inputs: Sequence[tuple[str, Payload | bytes | Ref]]
    is_loaded: bool = False


@record
class SendProgram:
    """Give a worker nodes to execute, one after the other; what they give stays in it, by reference.

    Each step ends in a `StepsOver`, in their order, unless an interrupt or a death comes before: so the first that is
    not over is the one under way, and what the worker writes is of that one. In the end comes `CallDone` without
    outputs, or `CallFailed`. forgotten: nodes that are none any more, with what they gave.
    limits: those of the process, but for CPU time, which each step may use.
    """

    zygote: ZygoteId
    worker: WorkerId
    call: CallId
    steps: tuple[Step, ...]
    seed: int | None
    limits: Limits
    variables: Variables = ()
    stays: bool = True
    forgotten: tuple[str, ...] = ()


@record
class DismissWorker:
    """Let a worker that stays leave: its threads are waited for, its exit functions called. It has no call."""

    zygote: ZygoteId
    worker: WorkerId


@record
class SendInspection:
    """Give a worker sources to read and compile."""

    zygote: ZygoteId
    worker: WorkerId
    call: CallId
    sources: tuple[str, ...]
    titles: tuple[str, ...]
    limits: Limits


@record
class LookUpResult:
    """Look for the result of a node with these inputs, JSON texts by pin; ends in ResultFound or ResultMissing."""

    lookup: int
    question: ResultQuestion
    inputs: tuple[tuple[str, Payload | bytes], ...]


@record
class KeepResult:
    """Keep the result of a node, if all that its key was made of is still the same."""

    key: ResultKey
    question: ResultQuestion
    result: KeptResult


@record
class InterruptWorker:
    """Send SIGINT: the node's code sees KeyboardInterrupt."""

    zygote: ZygoteId
    worker: WorkerId


@record
class KillWorker:
    """Send SIGKILL; its group and whatever it left behind go with it."""

    zygote: ZygoteId
    worker: WorkerId


@record
class AnswerHalt:
    """Tell a worker that has asked for a debugger whether it has its turn now, and give it a terminal if so."""

    zygote: ZygoteId
    worker: WorkerId
    call: CallId
    is_granted: bool
    has_terminal: bool = False


@record
class WriteTerminal:
    """Type into a worker's terminal."""

    zygote: ZygoteId
    worker: WorkerId
    text: str


@record
class ResizeTerminal:
    """Say how large a worker's terminal is."""

    zygote: ZygoteId
    worker: WorkerId
    columns: int
    rows: int


@record
class CloseTerminal:
    """Hang up a worker's terminal: whoever reads from it comes to its end."""

    zygote: ZygoteId
    worker: WorkerId


@record
class Release:
    """Nobody needs these payloads any more."""

    payloads: tuple[Payload, ...]


@record
class Leave:
    """End the daemon: everything is over."""


Effect = (
    Answer
    | OpenRun
    | Join
    | Publish
    | Flush
    | CloseRun
    | ReadGraph
    | ProvideEnvironment
    | ChangeEnvironment
    | AbandonEnvironment
    | KeepLearnt
    | BuildPlan
    | StartZygote
    | EndZygote
    | ForkWorkers
    | SendCall
    | SendProgram
    | DismissWorker
    | SendInspection
    | LookUpResult
    | KeepResult
    | InterruptWorker
    | KillWorker
    | AnswerHalt
    | WriteTerminal
    | ResizeTerminal
    | CloseTerminal
    | Release
    | Leave
)
