"""The loop that calls back at once: for what is watched, and as any other for the rest."""

import asyncio
import os
import signal
import socket
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from pyflowd.shell import event_loop
from pyflowd.shell.event_loop import EventLoop, running_loop

MUCH = bytes(range(256)) * 8192  # more than a socket takes at once


class Watched:
    """Ends of socket pairs that are watched, and what was called for them, in order."""

    def __init__(self, loop: EventLoop) -> None:
        self.log: list[str] = []
        self._selector = loop.selector
        self._selector.begin = lambda: self.log.append("begin")
        self._selector.end = lambda: self.log.append("end")
        self._pairs: list[tuple[socket.socket, socket.socket]] = []

    def add(self, callback: Callable[[int], None]) -> socket.socket:
        """Watch another pair; the end that writes. `callback` is given the number of the other."""
        ours, theirs = socket.socketpair()
        self._pairs.append((ours, theirs))
        self._selector.watch(ours.fileno(), lambda: callback(ours.fileno()))
        return theirs

    def read(self, descriptor: int) -> None:
        """A callback: what has come stands in the log."""
        self.log.append(os.read(descriptor, 100).decode())

    def forget(self, descriptor: int) -> None:
        """Do not call back for it any more."""
        self._selector.forget(descriptor)

    def close(self) -> None:
        """Give everything back."""
        for ours, theirs in self._pairs:
            self._selector.forget(ours.fileno())
            ours.close()
            theirs.close()


@asynccontextmanager
async def watched() -> AsyncIterator[Watched]:
    found = Watched(running_loop())
    try:
        yield found
    finally:
        found.close()


def in_loop(test: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        await test()

    event_loop.run(main())


async def turn() -> None:
    """The loop has looked once."""
    await asyncio.sleep(0)
    await asyncio.sleep(0)


def test_what_one_look_finds_is_called_back_for_in_one_turn() -> None:
    async def test() -> None:
        async with watched() as found:
            for text in (b"a", b"b"):
                found.add(found.read).send(text)
            await turn()
            assert found.log[0] == "begin"
            assert sorted(found.log[1:-1]) == ["a", "b"]
            assert found.log[-1] == "end"

    in_loop(test)


def test_it_calls_as_long_as_there_is_something_to_read_and_no_longer() -> None:
    async def test() -> None:
        async with watched() as found:
            writer = found.add(lambda _: found.log.append("called"))
            writer.send(b"x")
            await turn()
            await turn()
            assert found.log.count("called") >= 2
            found.close()
            found.log.clear()
            await turn()
            assert found.log == []

    in_loop(test)


def test_the_end_of_a_pipe_is_something_to_read() -> None:
    async def test() -> None:
        async with watched() as found:
            found.add(found.read).close()
            await turn()
            assert found.log[:3] == ["begin", "", "end"]

    in_loop(test)


def test_a_callback_may_see_to_it_that_another_is_not_called_any_more() -> None:
    async def test() -> None:
        async with watched() as found:
            both: list[int] = []

            def only_one(descriptor: int) -> None:
                found.log.append("called")
                for other in both:
                    found.forget(other)

            for _ in range(2):
                writer = found.add(only_one)
                writer.send(b"x")
            both += [ours.fileno() for ours, _ in found._pairs]
            await turn()
            assert found.log == ["begin", "called", "end"]

    in_loop(test)


def test_a_callback_that_raises_is_reported_and_keeps_nobody_from_being_called() -> None:
    reported: list[dict[str, Any]] = []

    async def test() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
        async with watched() as found:

            def fail(descriptor: int) -> None:
                found.forget(descriptor)
                raise ZeroDivisionError

            found.add(fail).send(b"x")
            found.add(found.read).send(b"y")
            await turn()
            assert sorted(found.log[1:-1]) == ["y"]
            assert found.log[-1] == "end"

    in_loop(test)
    assert [type(one["exception"]) for one in reported] == [ZeroDivisionError]


def test_an_interrupt_in_a_callback_ends_the_loop() -> None:
    async def test() -> None:
        async with watched() as found:

            def stop(descriptor: int) -> None:
                found.forget(descriptor)
                raise KeyboardInterrupt

            found.add(stop).send(b"x")
            await asyncio.sleep(10)

    with pytest.raises(KeyboardInterrupt):
        in_loop(test)


def test_streams_timers_signals_threads_and_processes_are_served_as_in_any_loop() -> None:
    async def test() -> None:
        loop = asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        near, far = await asyncio.open_connection(sock=ours), await asyncio.open_connection(sock=theirs)
        near[1].write(MUCH)
        assert await far[0].readexactly(len(MUCH)) == MUCH
        for _, writer in (near, far):
            writer.close()
            await writer.wait_closed()

        rang, heard, called = asyncio.Event(), asyncio.Event(), asyncio.Event()
        loop.call_later(0.01, rang.set)
        loop.add_signal_handler(signal.SIGUSR1, heard.set)
        os.kill(os.getpid(), signal.SIGUSR1)
        thread = threading.Thread(target=lambda: loop.call_soon_threadsafe(called.set))
        thread.start()
        for event in (rang, heard, called):
            await asyncio.wait_for(event.wait(), 5)
        thread.join()
        loop.remove_signal_handler(signal.SIGUSR1)

        process = await asyncio.create_subprocess_exec("cat", stdin=-1, stdout=-1)
        assert await process.communicate(b"hello") == (b"hello", None)

    in_loop(test)


def test_nothing_is_left_open() -> None:
    async def test() -> None:
        async with watched() as found:
            found.add(found.read).send(b"x")
            await turn()

    before = os.listdir("/proc/self/fd")
    in_loop(test)
    assert os.listdir("/proc/self/fd") == before
