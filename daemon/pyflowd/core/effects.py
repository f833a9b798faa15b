"""What may be asked of the world. The counterpart to stimuli; the shell performs them in order, at once."""

from collections.abc import Mapping, Sequence

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
from pyflowd_client.protocol.replies import Reply


@record
class Answer:
    """Send the one reply of a request."""

    session: SessionId
    request: int
    reply: Reply


@record
class OpenRun:
    """Keep the events of this run from now on, and let this session follow them."""

    run: RunId
    session: SessionId
    max_value_bytes: int | None


@record
class Publish:
    """Tell the followers of a run."""

    event: Event


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
    choice: requests.EnvironmentChoice
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
class SendCall:
    """Give a worker a node to execute. `inputs` are JSON texts, `variables` are added to its environment.

    lingers: once it has answered the worker waits to be dismissed, so that its end is in nobody's way; else it leaves.
    """

    zygote: ZygoteId
    worker: WorkerId
    call: CallId
    title: str
    code: bytes
    source: str
    inputs: Sequence[tuple[str, Payload | bytes]]
    outputs: tuple[str, ...]
    lingers: bool
    seed: int | None
    limits: Limits
    variables: Variables = ()


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
class Release:
    """Nobody needs these payloads any more."""

    payloads: tuple[Payload, ...]


@record
class Leave:
    """End the daemon: everything is over."""


Effect = (
    Answer
    | OpenRun
    | Publish
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
    | SendInspection
    | LookUpResult
    | KeepResult
    | InterruptWorker
    | KillWorker
    | Release
    | Leave
)
