"""What a run has besides when it is a live session."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from pyflowd.core.live_session import LiveSession
from pyflowd.core.stimuli import Submission
from pyflowd_client.protocol.ids import NodeId, RunId
from pyflowd_client.protocol.options import LiveOptions

if TYPE_CHECKING:
    from pyflowd.core.live_calls import Execution


@dataclass(slots=True, eq=False)
class Timer:
    """Triggers a node again and again; as a key of a deadline."""

    run: RunId
    node: NodeId
    every_s: float


@dataclass(slots=True, eq=False)
class Linger:
    """Nobody follows a session; as a key of a deadline."""

    run: RunId


@dataclass(slots=True, eq=False)
class LiveState:
    """`submission` is the graph that it was opened with, `session` is there once the first plan is.

    execution: the way in which its nodes are executed.
    changes: how many there were. updates: how many of them brought another graph; latest_update: the one that counts.
    is_once: it is a run like any other, that ends when nothing is left to do: its nodes only share a process.
    is_settled_told: whether nothing has happened since everybody was told that nothing is left to do.
    """

    submission: Submission
    options: LiveOptions
    execution: "Execution"
    session: LiveSession | None = None
    timers: dict[NodeId, Timer] = field(default_factory=dict)
    linger: Linger | None = None
    changes: int = 0
    updates: int = 0
    latest_update: int = 0
    is_once: bool = False
    is_settled_told: bool = False

    def name_of_next_change(self, asked: str | None = None) -> str:
        """What a change is called: as its author wishes, else its number."""
        self.changes += 1
        self.is_settled_told = False
        return str(self.changes) if asked is None else asked
