"""An asyncio event loop that calls back at once for some descriptors, without a handle or a context for each call.

Workers answer, and clients ask, by the thousand, each in a message of its own that is read in microseconds. So the
selector calls their readers itself, where it learns that there is something to read. Everything else is as in any
loop of asyncio.
"""

import asyncio
import os
import select
import selectors
from collections.abc import Callable, Coroutine
from typing import Any

BATCH = 64

Callback = Callable[[], object]


class Selector(selectors.EpollSelector):
    """An epoll of asyncio's descriptors and of those that are watched, whose callbacks it calls within `select`.

    begin, end: called around those that one look has found. on_error: given what a callback raised, and the callback.
    """

    def __init__(self) -> None:
        super().__init__()
        self.begin: Callable[[], None] = _nothing
        self.end: Callable[[], None] = _nothing
        self.on_error: Callable[[Exception, Callback], None]
        self._callbacks: dict[int, Callback] = {}
        self._epoll = select.epoll.fromfd(os.dup(self.fileno()))  # the same, for who is no library

    def watch(self, descriptor: int, callback: Callback) -> None:
        """Call `callback` whenever there is something to read, or the other end is gone; it is new here."""
        self._epoll.register(descriptor, select.EPOLLIN)
        self._callbacks[descriptor] = callback

    def forget(self, descriptor: int) -> None:
        """Do so no more; to be called before the descriptor is closed. Unknown ones are fine."""
        if self._callbacks.pop(descriptor, None) is not None:
            self._epoll.unregister(descriptor)

    def close_watched(self, descriptor: int) -> None:
        """Forget a descriptor and close it, by which the kernel takes it out of the epoll. Unknown ones are fine."""
        self._callbacks.pop(descriptor, None)
        os.close(descriptor)

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Wait for `timeout` seconds at most, call back, and return what there is for the loop."""
        watched: list[int] = []
        ready: list[tuple[selectors.SelectorKey, int]] = []
        for descriptor, found in self._epoll.poll(timeout, BATCH):
            if descriptor in self._callbacks:
                watched.append(descriptor)
            else:
                key = self.get_key(descriptor)
                ready.append((key, _events(found) & key.events))
        if watched:
            self._call(watched)
        return ready

    def close(self) -> None:
        """Let go of the epoll."""
        self._epoll.close()
        super().close()

    def _call(self, descriptors: list[int]) -> None:
        """Call back for each, unless a callback before has seen to it that nobody wants to hear any more."""
        self.begin()
        for descriptor in descriptors:
            callback = self._callbacks.get(descriptor)
            if callback is not None:
                try:
                    callback()
                except Exception as error:
                    self.on_error(error, callback)
        self.end()


class EventLoop(asyncio.SelectorEventLoop):
    """One with such a selector."""

    def __init__(self) -> None:
        self.selector = Selector()
        self.selector.on_error = self._report
        super().__init__(self.selector)

    def _report(self, error: Exception, callback: Callback) -> None:
        message = f"Exception in callback {callback!r}"
        self.call_exception_handler({"message": message, "exception": error})


def run(main: Coroutine[Any, Any, None]) -> None:
    """As `asyncio.run`, in such a loop."""
    with asyncio.Runner(loop_factory=EventLoop) as runner:
        runner.run(main)


def running_loop() -> EventLoop:
    """The loop that runs us, which `run` has made."""
    loop = asyncio.get_running_loop()
    assert isinstance(loop, EventLoop)
    return loop


def _events(found: int) -> int:
    """What epoll has found in the words of `selectors`: an error, or the end, is a reason to read and to write."""
    return (selectors.EVENT_WRITE if found & ~select.EPOLLIN else 0) | (
        selectors.EVENT_READ if found & ~select.EPOLLOUT else 0
    )


def _nothing() -> None:
    """Nobody wants to know."""
