"""The changes that one client makes to a live session: what they are called, and which the daemon has yet to answer.

A change has its name before it is sent, so that the next can follow without waiting. Before the session has begun
changes are held back. Who is refused learns it from `raise_refusal`, each once: no refusal gets lost for want of
somebody who waits for it.
"""

import os
from collections import deque

from pyflowd_client.errors import ChangeRefused
from pyflowd_client.protocol.errors import ErrorInfo
from pyflowd_client.protocol.ids import RunId
from pyflowd_client.protocol.requests import UpdateLive
from pyflowd_client.protocol.states import ChangeKind, LiveAction

MOST_UNANSWERED = 256


class LiveChanges:
    """Those of one client to one session."""

    def __init__(self, run: RunId) -> None:
        self._run = run
        self._prefix = os.urandom(4).hex()  # others change the session too
        self._count = 0
        self.held: list[UpdateLive] = []
        self.unanswered: dict[int, str] = {}  # by the id of the request
        self.refused: deque[ChangeRefused] = deque()
        self._unheard: dict[str, int] = {}  # not yet told of by an event; a name may be given twice
        self.lost: set[str] = set()  # of these the event may be lost
        self.heard_seq = 0  # of the last event that told of one

    def request(self, action: LiveAction, change: str | None, kind: ChangeKind | None, **fields: object) -> UpdateLive:
        """A change that is not yet sent, called `change` or by a name of its own."""
        self._count += 1
        name = f"{self._prefix}-{self._count}" if change is None else change
        return UpdateLive(run=self._run, action=action, change=name, kind=kind, **fields)  # type: ignore[arg-type]

    def hold(self, request: UpdateLive) -> None:
        """The request is to be sent when the session has begun."""
        self.held.append(request)

    def sent(self, request_id: int, request: UpdateLive) -> None:
        """The request is on its way."""
        change = str(request.change)
        self.unanswered[request_id] = change
        self._unheard[change] = self._unheard.get(change, 0) + 1

    def is_known(self, change: str) -> bool:
        """Whether the daemon has answered a change; ChangeRefused when it would not make it."""
        if change in self.unanswered.values() or any(request.change == change for request in self.held):
            return False
        for refusal in self.refused:
            if refusal.change == change:
                self.refused.remove(refusal)
                raise refusal
        return True

    @property
    def are_heard(self) -> bool:
        """Whether events have told of all that were not refused."""
        return not self._unheard

    @property
    def are_answered(self) -> bool:
        """Whether the daemon has answered all."""
        return not self.held and not self.unanswered

    def accepted(self, request_id: int) -> None:
        """The daemon has made the change."""
        del self.unanswered[request_id]

    def refuse(self, request_id: int, error: ErrorInfo) -> None:
        """The daemon has not made the change."""
        change = self.unanswered.pop(request_id)
        self._hear(change)
        self.refused.append(ChangeRefused(error, change))

    def refuse_unsent(self, request: UpdateLive, error: ErrorInfo) -> None:
        """The request that was held back cannot be sent."""
        self.refused.append(ChangeRefused(error, str(request.change)))

    def heard(self, change: object, seq: int) -> None:
        """An event has told everybody of the change `change`, of this client or another."""
        if change in self._unheard:
            self._hear(str(change))
            self.heard_seq = seq

    def lose_events(self) -> None:
        """Events were lost, and with them perhaps those that would have told of the changes made so far."""
        self.lost |= self._unheard.keys()

    def caught_up(self, seq: int) -> None:
        """The session was told as it is after event `seq`: with all changes that were lost and are answered."""
        for change in self.lost.difference(self.unanswered.values()):
            self._unheard.pop(change, None)  # it may have been told of after all
        self.lost.clear()
        self.heard_seq = max(self.heard_seq, seq)

    def raise_refusal(self) -> None:
        """ChangeRefused for the first refusal that nobody knows of yet."""
        if self.refused:
            raise self.refused.popleft()

    @property
    def is_crowded(self) -> bool:
        """Whether so many are unanswered that the next should wait."""
        return len(self.unanswered) >= MOST_UNANSWERED

    def _hear(self, change: str) -> None:
        left = self._unheard.get(change, 0) - 1
        if left > 0:
            self._unheard[change] = left
        else:
            self._unheard.pop(change, None)
