"""One epoll for all descriptors of workers, nested in the event loop.

A worker has three descriptors and often lives for a millisecond; telling asyncio of each of them costs more
than reading them. The loop sees one descriptor, this epoll's own.
"""

import asyncio
import os
import select
from collections.abc import Callable

from pyflowd.shell.driver import Driver
from pyflowd.worker_side.frames import MAX_PACKET_BYTES

BATCH = 64
CLOSING_S = 0.04  # long enough for a flock, too short for a dismissed worker's memory to be missed


class Poller:
    """Calls back when a descriptor can be read, or its other end is gone.

    `room` is for the frame that is being read: all are read here, one at a time.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, driver: Driver) -> None:
        self.room = memoryview(bytearray(MAX_PACKET_BYTES))
        self._driver = driver
        self._epoll = select.epoll()
        self._closing: list[int] = []
        self._closing_timer: asyncio.TimerHandle | None = None
        self._callbacks: dict[int, Callable[[], object]] = {}
        self._loop = loop
        loop.add_reader(self._epoll.fileno(), self._ready)

    def watch(self, descriptor: int, callback: Callable[[], object]) -> None:
        """Call `callback` whenever there is something to read. The descriptor stays the caller's, and is new here."""
        self._epoll.register(descriptor, select.EPOLLIN)
        self._callbacks[descriptor] = callback

    def forget(self, descriptor: int) -> None:
        """Do so no more; to be called before the descriptor is closed. Unknown ones are fine."""
        if self._callbacks.pop(descriptor, None) is not None:
            self._epoll.unregister(descriptor)

    def close(self, descriptor: int) -> None:
        """Forget a descriptor and close it, by which the kernel takes it out of the epoll. Unknown ones are fine."""
        self._callbacks.pop(descriptor, None)
        os.close(descriptor)

    def close_later(self, descriptor: int) -> None:
        """Forget a descriptor now, and close it in a moment, with others: whom that wakes shall not be in the way."""
        if self._callbacks.pop(descriptor, None) is not None:
            self._epoll.unregister(descriptor)
        if self._closing_timer is None:
            self._closing_timer = self._loop.call_later(CLOSING_S, self.close_waiting)
        self._closing.append(descriptor)

    def later(self, delay_s: float, callback: Callable[[], None]) -> None:
        """Call back in a while."""
        self._loop.call_later(delay_s, callback)

    def close_waiting(self) -> None:
        """Close what waits for it now: others are disturbed at this moment anyway."""
        for descriptor in self._closing:
            os.close(descriptor)
        self._closing.clear()
        if self._closing_timer is not None:
            self._closing_timer.cancel()
            self._closing_timer = None

    def shut(self) -> None:
        """Forget all."""
        self.close_waiting()
        self._loop.remove_reader(self._epoll.fileno())
        self._epoll.close()
        self._callbacks.clear()

    def _ready(self) -> None:
        self._driver.begin_turn()
        for descriptor, _ in self._epoll.poll(0, BATCH):
            callback = self._callbacks.get(descriptor)
            if callback is not None:
                callback()
        self._driver.end_turn()
