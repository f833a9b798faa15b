"""`progress(fraction, message="")`, as node code sees it.

Frames go out at most RATE_PER_S in the long run; the latest report is never lost, it waits for the next or for the end.
Refuses what is no fraction, by an exception in the node.
"""

from __future__ import annotations

import os
import time

from . import frames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket

RATE_PER_S = 50.0
BURST = 10.0
MESSAGE_CHARACTERS = 1000


class Progress:
    """The progress of one call; `report` is handed to the node."""

    def __init__(self, link: socket, call: int) -> None:
        self._link = link
        self._call = call
        self._pid = os.getpid()
        self._tokens = BURST
        self._filled_at = time.monotonic()
        self._waiting: tuple[float, str] | None = None
        self._ended = False

    def report(self, fraction: float, message: str = "") -> None:
        """Tell how far the node is: a fraction from 0 to 1 and, if you like, a message."""
        number = float(fraction)
        if number != number:
            raise ValueError("progress: the fraction is not a number")
        if os.getpid() != self._pid or self._ended:
            return  # a process that the node forked, or a thread that outlived the call: no one listens
        self._waiting = min(1.0, max(0.0, number)), str(message)[:MESSAGE_CHARACTERS]
        now = time.monotonic()
        self._tokens = min(BURST, self._tokens + (now - self._filled_at) * RATE_PER_S)
        self._filled_at = now
        if self._tokens >= 1.0:
            self._tokens -= 1.0
            self._flush()

    def end(self) -> None:
        """Send what waits, and nothing from now on."""
        self._ended = True
        self._flush()

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is None:
            return
        fraction, message = waiting
        frames.send(self._link, {"kind": "progress", "call": self._call, "fraction": fraction, "message": message})
