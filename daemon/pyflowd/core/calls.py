"""A call: one attempt of one piece of work on one worker. Its id is in every frame about it."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import NamedTuple

from pyflowd.core.call_output import CallOutput
from pyflowd.core.ids import CallId, EnvironmentId, WorkerId
from pyflowd.core.limits import Limits
from pyflowd.core.usage import NOTHING, Observation
from pyflowd.graph.interface import CodeHash
from pyflowd_client.protocol.errors import ErrorInfo
from pyflowd_client.protocol.ids import NodeId, RunId


class NodeWork(NamedTuple):
    """Execute a node of a run."""

    run: RunId
    node: int


class InspectionWork(NamedTuple):
    """Read and compile sources; `attempt` counts the times it was tried with workers that were lost."""

    codes: tuple[CodeHash, ...]
    attempt: int = 1


class LiveWork(NamedTuple):
    """Execute a node of a live session. `id` and `title` are the node's; `change` is what made it stale.

    execution: its number in the session, once it has begun.
    """

    run: RunId
    id: NodeId
    title: str
    change: str | None
    execution: int = 0


OfNodes = NodeWork | LiveWork
Work = OfNodes | InspectionWork


@dataclass(frozen=True, slots=True)
class Place:
    """Who shall carry a call out.

    stays: its worker is held afterwards. on: one that is held; else any.
    is_urgent: it goes before all that are not, and may use what is reserved for such.
    """

    stays: bool = False
    on: WorkerId | None = None
    is_urgent: bool = False


ANYWHERE = Place()


@dataclass(slots=True, kw_only=True, eq=False)
class Call:
    """`group` is what fairness is between: a run, or a preparation. `verdict` is set when we end it ourselves.

    `is_interrupted`: it was told to end, and is killed at its next deadline. `transcript`: what it wrote, as
    (stream, text), where its result shall be kept. `output`: what it has written, once it has written something.
    """

    id: CallId
    environment: EnvironmentId
    group: Hashable
    work: Work
    limits: Limits
    place: Place = ANYWHERE
    worker: WorkerId | None = None
    started_at: float = 0.0
    verdict: ErrorInfo | None = None
    is_interrupted: bool = False
    peaks: Observation = NOTHING
    transcript: list[tuple[str, str]] | None = None
    output: CallOutput | None = None
