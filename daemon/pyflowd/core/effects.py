"""What may be asked of the world. The counterpart to stimuli; the shell performs them in order, at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyflowd.core.ids import CallId, EnvironmentId, SessionId, WorkerId
from pyflowd.core.limits import CallLimits
from pyflowd.core.values import Payload
from pyflowd.graph.interface import CodeHash, CodeInterface
from pyflowd.graph.model import Graph
from pyflowd_client.protocol.events import Event
from pyflowd_client.protocol.ids import RunId
from pyflowd_client.protocol.replies import Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Send the one reply of a request."""

    session: SessionId
    request: int
    reply: Reply


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenRun:
    """Keep the events of this run from now on, and let this session follow them."""

    run: RunId
    session: SessionId
    max_value_bytes: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Publish:
    """Tell the followers of a run."""

    event: Event


@dataclass(frozen=True, slots=True, kw_only=True)
class CloseRun:
    """Forget the events of this run."""

    run: RunId


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadGraph:
    """Read a document; ends in GraphRead."""

    key: str
    environment: EnvironmentId
    document: str
    name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildPlan:
    """Plan a graph; ends in PlanBuilt."""

    key: str
    environment: EnvironmentId
    graph: Graph
    interfaces: Mapping[CodeHash, CodeInterface]


@dataclass(frozen=True, slots=True, kw_only=True)
class StartZygote:
    """Start the fork server of an environment; ends in ZygoteWarmed or ZygoteLost."""

    environment: EnvironmentId


@dataclass(frozen=True, slots=True, kw_only=True)
class ForkWorkers:
    """Fork these workers; each ends in WorkersForked and WorkerExited, or in ForkFailed.

    rehearse: those without a call shall get themselves ready for one; in a hurry that only takes time from the others.
    """

    environment: EnvironmentId
    workers: tuple[WorkerId, ...]
    rehearse: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class SendCall:
    """Give a worker a node to execute. `inputs` are JSON texts; the worker leaves after the answer."""

    environment: EnvironmentId
    worker: WorkerId
    call: CallId
    title: str
    code: bytes
    source: str
    inputs: Sequence[tuple[str, Payload | bytes]]
    outputs: tuple[str, ...]
    seed: int | None
    limits: CallLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class SendInspection:
    """Give a worker sources to read and compile."""

    environment: EnvironmentId
    worker: WorkerId
    call: CallId
    sources: tuple[str, ...]
    titles: tuple[str, ...]
    limits: CallLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class InterruptWorker:
    """Send SIGINT: the node's code sees KeyboardInterrupt."""

    environment: EnvironmentId
    worker: WorkerId


@dataclass(frozen=True, slots=True, kw_only=True)
class KillWorker:
    """Send SIGKILL; its group and whatever it left behind go with it."""

    environment: EnvironmentId
    worker: WorkerId


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """Nobody needs these payloads any more."""

    payloads: tuple[Payload, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
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
    | ForkWorkers
    | SendCall
    | SendInspection
    | InterruptWorker
    | KillWorker
    | Release
    | Leave
)
