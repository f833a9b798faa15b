"""When an alarm rings."""

import asyncio
from collections.abc import Awaitable, Callable

from pyflowd.shell.alarm import Alarm

SOON_S = 0.02


class Bell:
    """An alarm, and the times at which it rang."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.rang: list[float] = []
        self.alarm = Alarm(self.loop, lambda: self.rang.append(self.loop.time()))

    def set(self, after_s: float) -> float:
        due = self.loop.time() + after_s
        self.alarm.set(due)
        return due

    async def sleep_until(self, when: float) -> None:
        """The timers that are due by then have rung."""
        done = asyncio.Event()
        self.loop.call_at(when, done.set)
        await done.wait()


def in_loop(test: Callable[[Bell], Awaitable[None]]) -> None:
    async def run() -> None:
        bell = Bell()
        try:
            await test(bell)
        finally:
            bell.alarm.close()

    asyncio.run(run())


def test_it_rings_once_and_not_too_early() -> None:
    async def test(bell: Bell) -> None:
        due = bell.set(SOON_S)
        assert bell.alarm.is_set
        await bell.sleep_until(due + SOON_S)
        [rang] = bell.rang
        assert rang >= due
        assert not bell.alarm.is_set

    in_loop(test)


def test_a_time_that_is_put_off_does_not_ring_when_it_was_first_due() -> None:
    async def test(bell: Bell) -> None:
        due = bell.set(SOON_S)
        bell.set(60.0)
        await bell.sleep_until(due + SOON_S)
        assert bell.rang == []
        assert bell.alarm.is_set

    in_loop(test)


def test_a_time_that_is_brought_forward_does_not_wait_for_the_later_one() -> None:
    async def test(bell: Bell) -> None:
        bell.set(60.0)
        due = bell.set(SOON_S)
        await bell.sleep_until(due + SOON_S)
        assert len(bell.rang) == 1

    in_loop(test)


def test_called_off_it_is_silent_until_it_is_set_again() -> None:
    async def test(bell: Bell) -> None:
        due = bell.set(SOON_S)
        bell.alarm.set(None)
        assert not bell.alarm.is_set
        await bell.sleep_until(due + SOON_S)
        assert bell.rang == []
        await bell.sleep_until(bell.set(SOON_S) + SOON_S)
        assert len(bell.rang) == 1

    in_loop(test)


def test_closed_it_never_rings() -> None:
    async def test(bell: Bell) -> None:
        due = bell.set(SOON_S)
        bell.alarm.close()
        await bell.sleep_until(due + SOON_S)
        assert bell.rang == []

    in_loop(test)
