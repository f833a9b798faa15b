"""`progress(fraction, message="")`, as node code sees it.

Frames go out at most RATE_PER_S in the long run; the latest report is never lost, it waits for the next or for the end.
Refuses what is no fraction, by an exception in the node.
"""

from __future__ import annotations

import os
import time

from . import link

RATE_PER_S = 50.0
BURST = 10.0
MESSAGE_CHARACTERS = 1000


class Progress:
    """The progress of one call after the other; `report` is handed to the node.

    `call` is the one under way in process `pid`, None between two. `waiting` is what is not sent yet.
    """

    def __init__(self) -> None:
        self.call: int | None = None
        self.pid = 0
        self.waiting: tuple[float, str] | None = None
        self._tokens = BURST
        self._filled_at = 0.0

    def report(self, fraction: float, message: str = "") -> None:
        """Tell how far the node is: a fraction from 0 to 1 and, if you like, a message."""
        number = float(fraction)
        if number != number:
            raise ValueError("progress: the fraction is not a number")
        if os.getpid() != self.pid or self.call is None:
            return  # a process that the node forked, or a thread that outlived the call: no one listens
        self.waiting = min(1.0, max(0.0, number)), str(message)[:MESSAGE_CHARACTERS]
        now = time.monotonic()
        self._tokens = min(BURST, self._tokens + (now - self._filled_at) * RATE_PER_S)
        self._filled_at = now
        if self._tokens >= 1.0:
            self._tokens -= 1.0
            self.flush()

    def flush(self) -> None:
        """Send what waits."""
        call, waiting, self.waiting = self.call, self.waiting, None
        if waiting is not None and call is not None:
            fraction, message = waiting
            link.send({"kind": "progress", "call": call, "fraction": fraction, "message": message})
