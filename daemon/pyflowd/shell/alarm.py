"""One time at which to be called back, that is moved far more often than it comes.

The loop's timer behind it may ring early, never late: it then looks, and is wound up again. So a time that is put off,
or called off, costs a comparison, not a timer.
"""

import asyncio
from collections.abc import Callable


class Alarm:
    """Calls `ring` once when the time set last has come. Times are the loop's: monotonic seconds."""

    def __init__(self, loop: asyncio.AbstractEventLoop, ring: Callable[[], None]) -> None:
        self._loop = loop
        self._ring = ring
        self._due: float | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_set(self) -> bool:
        """Whether there is a time to come."""
        return self._due is not None

    def set(self, due: float | None) -> None:
        """Ring at `due` instead of any time set before; with None, not at all."""
        self._due = due
        if due is None:
            return
        if self._timer is not None:
            if self._timer.when() <= due:
                return
            self._timer.cancel()
        self._timer = self._loop.call_at(due, self._look)

    def close(self) -> None:
        """Ring no more."""
        self._due = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _look(self) -> None:
        self._timer = None
        due, self._due = self._due, None
        if due is None:
            return
        if self._loop.time() < due:
            self.set(due)
        else:
            self._ring()
