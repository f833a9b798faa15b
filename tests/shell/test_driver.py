"""The order in which effects are performed."""

import asyncio
from collections.abc import Callable
from typing import Any, cast

from pyflowd.core.effects import CloseRun, Effect, KillWorker
from pyflowd.core.execution_controller import ExecutionController
from pyflowd.core.ids import WorkerId, ZygoteId
from pyflowd.core.stimuli import SessionsCounted, Stimulus
from pyflowd.shell.driver import Driver
from pyflowd_client.protocol.ids import RunId

TELL, DO = CloseRun(run=RunId("r")), KillWorker(zygote=ZygoteId(1), worker=WorkerId(1))


class Script:
    """A controller that answers each stimulus with the next list of effects."""

    def __init__(self, *effects: list[Effect]) -> None:
        self._effects = list(effects)
        self.emit: Callable[[Effect], None]

    def handle(self, stimulus: Stimulus, now: float) -> None:
        for effect in self._effects.pop(0):
            self.emit(effect)

    def next_deadline(self) -> None:
        return None


def driver_of(script: Script) -> Driver:
    driver = Driver(asyncio.get_running_loop())
    script.emit = driver.take
    driver.attend(cast(ExecutionController, script))
    return driver


async def drive(script: Script, log: list[str], *, feeds_again: bool = False) -> Driver:
    driver = driver_of(script)

    def do(_: Any) -> None:
        log.append("do")
        if feeds_again and log.count("do") == 1:
            driver.feed(SessionsCounted(sessions=2))

    performers = {KillWorker: do}
    tellers = {CloseRun: lambda _: log.append("tell")}
    driver.connect(performers, tellers, lambda: log.append("turn"), lambda: log.append("bug"))
    driver.feed(SessionsCounted(sessions=1))
    return driver


def test_what_workers_wait_for_goes_before_what_clients_are_told() -> None:
    log: list[str] = []

    async def run() -> None:
        await drive(Script([TELL, DO], [TELL, DO]), log, feeds_again=True)
        assert log == ["do", "do", "tell", "tell"]
        await asyncio.sleep(0)

    asyncio.run(run())
    assert log[4:] == ["turn"]


def test_a_worker_begins_before_the_controller_has_decided_the_rest() -> None:
    log: list[str] = []

    class Slow(Script):
        def handle(self, stimulus: Stimulus, now: float) -> None:
            super().handle(stimulus, now)
            log.append("decided")

    async def run() -> None:
        await drive(Slow([TELL, DO]), log)

    asyncio.run(run())
    assert log[:3] == ["do", "decided", "tell"]


def test_what_has_gathered_can_be_told_before_the_rest_is_decided() -> None:
    log: list[str] = []

    async def run() -> None:
        driver = driver_of(Script([TELL, DO, TELL]))

        def send(_: Any) -> None:
            driver.tell()
            log.append("sent")

        driver.connect({KillWorker: send}, {CloseRun: lambda _: log.append("tell")}, lambda: None, lambda: None)
        driver.feed(SessionsCounted(sessions=1))

    asyncio.run(run())
    assert log == ["tell", "sent", "tell"]


def test_a_turn_that_was_begun_is_ended_once_by_who_began_it() -> None:
    log: list[str] = []

    async def run() -> None:
        driver = await drive(Script([], [DO], [DO]), log)
        await asyncio.sleep(0)
        log.clear()
        driver.begin_turn()
        driver.feed(SessionsCounted(sessions=1))
        driver.feed(SessionsCounted(sessions=2))
        driver.end_turn()
        await asyncio.sleep(0)

    asyncio.run(run())
    assert log == ["do", "do", "turn"]


def test_an_exception_in_a_performer_is_a_bug_that_ends_everything() -> None:
    log: list[str] = []

    async def run() -> None:
        driver = driver_of(Script([DO], [DO]))
        driver.connect({KillWorker: lambda _: 1 / 0}, {}, lambda: log.append("turn"), lambda: log.append("bug"))
        driver.feed(SessionsCounted(sessions=1))
        driver.feed(SessionsCounted(sessions=1))
        await asyncio.sleep(0)

    asyncio.run(run())
    assert log == ["bug"]
