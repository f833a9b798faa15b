"""The descriptors of workers and of clients, for which the event loop calls back at once, and all at the same time.

A worker has three descriptors and often lives for a millisecond; telling asyncio of each of them costs more
than reading them.
"""

import asyncio
import os
from collections.abc import Callable

from pyflowd.shell.driver import Driver
from pyflowd.shell.event_loop import EventLoop
from pyflowd.worker_side.frames import MAX_PACKET_BYTES

CLOSING_S = 0.04  # long enough for a flock, too short for a dismissed worker's memory to be missed


class Poller:
    """Calls back when a descriptor can be read, or its other end is gone.

    `room` is for the frame that is being read: all are read here, one at a time.
    """

    def __init__(self, loop: EventLoop, driver: Driver) -> None:
        self.room = memoryview(bytearray(MAX_PACKET_BYTES))
        self._selector = loop.selector
        self._selector.begin, self._selector.end = driver.begin_turn, driver.end_turn
        self._closing: list[int] = []
        self._closing_timer: asyncio.TimerHandle | None = None
        self.loop = loop

    def watch(self, descriptor: int, callback: Callable[[], object]) -> None:
        """Call `callback` whenever there is something to read. The descriptor stays the caller's, and is new here."""
        self._selector.watch(descriptor, callback)

    def forget(self, descriptor: int) -> None:
        """Do so no more; to be called before the descriptor is closed. Unknown ones are fine."""
        self._selector.forget(descriptor)

    def close(self, descriptor: int) -> None:
        """Forget a descriptor and close it, by which the kernel takes it out of the epoll. Unknown ones are fine."""
        self._selector.close_watched(descriptor)

    def close_later(self, descriptor: int) -> None:
        """Forget a descriptor now, and close it in a moment, with others: whom that wakes shall not be in the way."""
        self._selector.forget(descriptor)
        if self._closing_timer is None:
            self._closing_timer = self.loop.call_later(CLOSING_S, self.close_waiting)
        self._closing.append(descriptor)

    def later(self, delay_s: float, callback: Callable[[], None]) -> None:
        """Call back in a while."""
        self.loop.call_later(delay_s, callback)

    def close_waiting(self) -> None:
        """Close what waits for it now: others are disturbed at this moment anyway."""
        for descriptor in self._closing:
            os.close(descriptor)
        self._closing.clear()
        if self._closing_timer is not None:
            self._closing_timer.cancel()
            self._closing_timer = None

    def shut(self) -> None:
        """Close what waits for it."""
        self.close_waiting()
