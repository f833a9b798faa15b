"""One epoll for all descriptors of workers, nested in the event loop.

A worker has three descriptors and often lives for a millisecond; telling asyncio of each of them costs more
than reading them. The loop sees one descriptor, this epoll's own.
"""

import asyncio
import select
from collections.abc import Callable

from pyflowd.shell.driver import Driver

BATCH = 64


class Poller:
    """Calls back when a descriptor can be read, or its other end is gone."""

    def __init__(self, loop: asyncio.AbstractEventLoop, driver: Driver) -> None:
        self._driver = driver
        self._epoll = select.epoll()
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

    def closing(self, descriptor: int) -> None:
        """Forget one that is closed next, which the kernel takes out by itself. Unknown ones are fine."""
        self._callbacks.pop(descriptor, None)

    def close(self) -> None:
        """Forget all."""
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
