"""What may be asked of the world. The counterpart to stimuli; the shell performs them in order, at once."""

from collections.abc import Mapping, Sequence

from pyflowd.core.ids import CallId, EnvironmentId, SessionId, WorkerId
from pyflowd.core.limits import Limits
from pyflowd.core.permissions import Variables
from pyflowd.core.records import record
from pyflowd.core.values import Payload
from pyflowd.graph.interface import CodeHash, CodeInterface
from pyflowd.graph.model import Graph
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
    """Read a document; ends in GraphRead."""

    key: str
    environment: EnvironmentId
    document: str
    name: str | None


@record
class BuildPlan:
    """Plan a graph; ends in PlanBuilt."""

    key: str
    environment: EnvironmentId
    graph: Graph
    interfaces: Mapping[CodeHash, CodeInterface]


@record
class StartZygote:
    """Start the fork server of an environment; ends in ZygoteWarmed or ZygoteLost. preload: modules, in this order."""

    environment: EnvironmentId
    preload: tuple[str, ...] = ()


@record
class EndZygote:
    """End the fork server of an environment with its workers, none of which has anything to do."""

    environment: EnvironmentId


@record
class ForkWorkers:
    """Fork these workers; each ends in WorkersForked and WorkerExited, or in ForkFailed.

    rehearse: those without a call shall get themselves ready for one; in a hurry that only takes time from the others.
    """

    environment: EnvironmentId
    workers: tuple[WorkerId, ...]
    rehearse: bool = True


@record
class SendCall:
    """Give a worker a node to execute. `inputs` are JSON texts, `variables` are added to its environment.

    lingers: once it has answered the worker waits to be dismissed, so that its end is in nobody's way; else it leaves.
    """

    environment: EnvironmentId
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

    environment: EnvironmentId
    worker: WorkerId
    call: CallId
    sources: tuple[str, ...]
    titles: tuple[str, ...]
    limits: Limits


@record
class InterruptWorker:
    """Send SIGINT: the node's code sees KeyboardInterrupt."""

    environment: EnvironmentId
    worker: WorkerId


@record
class KillWorker:
    """Send SIGKILL; its group and whatever it left behind go with it."""

    environment: EnvironmentId
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
    | BuildPlan
    | StartZygote
    | EndZygote
    | ForkWorkers
    | SendCall
    | SendInspection
    | InterruptWorker
    | KillWorker
    | Release
    | Leave
)
