"""Who waits for a plan: a run, or a client that only wants to know."""

from dataclasses import dataclass

from pyflowd.core.ids import SessionId
from pyflowd_client.protocol.ids import RunId


@dataclass(frozen=True, slots=True)
class CheckWaiter:
    """A client that waits for the result of a check."""

    session: SessionId
    request: int
    inputs: tuple[tuple[str, str], ...]


Waiter = RunId | CheckWaiter
