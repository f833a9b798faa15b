"""Who waits for a plan: a run, a change of a live session, or a client that only wants to know."""

from dataclasses import dataclass

from pyflowd.core.ids import SessionId
from pyflowd.core.stimuli import LiveUpdateAsked
from pyflowd_client.protocol.ids import RunId


@dataclass(frozen=True, slots=True)
class CheckWaiter:
    """A client that waits for the result of a check."""

    session: SessionId
    request: int
    inputs: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, eq=False)
class UpdateWaiter:
    """A live session that is to have another graph; `number` counts those of the session."""

    asked: LiveUpdateAsked
    number: int


Waiter = RunId | UpdateWaiter | CheckWaiter


def run_of(waiter: Waiter) -> RunId | None:
    """The run that waits, if it is one."""
    if isinstance(waiter, UpdateWaiter):
        return waiter.asked.update.run
    return None if isinstance(waiter, CheckWaiter) else waiter
