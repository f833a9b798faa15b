"""Workers that stay, as the daemon's shell has them, in every sandbox."""

import os
import signal
from collections.abc import Awaitable, Callable

import pytest

from pyflowd.core import effects, stimuli
from pyflowd.core.limits import Limits
from pyflowd.shell import event_loop
from pyflowd.worker_side import frames
from pyflowd_client.protocol.errors import ErrorCode
from support.fork_servers import Resident, fork_servers
from support.tiers import ALL, BEST
from support.zygote import find_interpreters

NO_DESCRIPTOR = 1_000_000
OWN = find_interpreters()[0]
COUNT = """
import os, threading

calls = 0

@node_entry
def count(mode: str = "") -> list:
    global calls
    calls += 1
    if mode == "prints":
        print("call", calls)
    elif mode == "raises":
        raise RuntimeError(calls)
    elif mode == "waits":
        print("waits", flush=True)
        threading.Event().wait()
    with open("log", "a") as file:
        file.write("x")
    return [calls, os.getpid(), os.path.getsize("log"), len(os.listdir("/proc/self/fd"))]
"""


def within(tier: str, source: str, scenario: Callable[[Resident], Awaitable[None]]) -> None:
    """Play a scenario with a resident worker in the sandbox of a tier."""

    async def play() -> None:
        async with fork_servers(tier) as servers:
            await servers.start(OWN)
            await scenario(await servers.resident(OWN, source))

    event_loop.run(play())


def mode(name: str) -> dict[str, object]:
    return {"inputs": (("mode", b'"%s"' % name.encode()),)}


@pytest.mark.parametrize("tier", ALL)
def test_a_node_keeps_its_process_its_variables_and_its_files(tier: str) -> None:
    async def scenario(resident: Resident) -> None:
        first = await resident.call()
        resident.send(**mode("raises"))
        failed = await resident.answer()
        assert isinstance(failed, stimuli.CallFailed)
        assert failed.error.code is ErrorCode.EXCEPTION
        later = [await resident.call() for _ in range(3)]
        assert [calls for calls, *_ in later] == [3, 4, 5]
        assert [size for _, _, size, _ in later] == [2, 3, 4]
        assert {(pid, descriptors) for _, pid, _, descriptors in later} == {(first[1], first[3])}
        assert (await resident.leave()).status == 0

    within(tier, COUNT, scenario)


@pytest.mark.parametrize("tier", ALL)
def test_an_interrupt_leaves_the_worker_to_the_next_call(tier: str) -> None:
    async def scenario(resident: Resident) -> None:
        for number in range(1, 4):
            resident.send(**mode("waits"))
            await resident.servers.wait(1, stimuli.WorkerWrote)
            resident.interrupt()
            failed = await resident.answer()
            assert isinstance(failed, stimuli.CallFailed)
            assert failed.error.code is ErrorCode.CANCELLED
            assert (await resident.call())[0] == 2 * number
            resident.interrupt()  # too late

    within(tier, COUNT, scenario)


def test_an_interrupt_before_the_worker_is_born_is_for_its_first_call(  # and none for the second
) -> None:
    async def scenario(resident: Resident) -> None:
        resident.send(**mode("waits"))
        resident.interrupt()
        failed = await resident.answer()
        assert isinstance(failed, stimuli.CallFailed)
        assert failed.error.code is ErrorCode.CANCELLED
        assert (await resident.call())[0] >= 1

    within(BEST, COUNT, scenario)


def test_what_is_printed_comes_before_the_answer_of_its_call() -> None:
    async def scenario(resident: Resident) -> None:
        for number in range(1, 30):
            await resident.call(**mode("prints"))
            assert b"".join(resident.written()) == b"call %d\n" % number

    within(BEST, COUNT, scenario)


def test_changed_code_is_loaded_in_place_of_the_other() -> None:
    async def scenario(resident: Resident) -> None:
        _, pid, *_ = await resident.call()
        resident.source = COUNT.replace("calls = 0", "calls = 10")
        resident.code = await resident.servers.compile(OWN, resident.source)
        assert (await resident.call(is_loaded=False))[:2] == [11, pid]
        assert (await resident.call())[:2] == [12, pid]

    within(BEST, COUNT, scenario)


def test_code_of_a_call_that_could_not_be_sent_comes_with_the_next() -> None:
    async def scenario(resident: Resident) -> None:
        await resident.call()
        resident.source = COUNT.replace("calls = 0", "calls = 10")
        resident.code = await resident.servers.compile(OWN, resident.source)
        gone = frames.Segment(descriptor=NO_DESCRIPTOR, size=1)
        resident.send(is_loaded=False, inputs=(("mode", gone),))
        failed = await resident.answer()
        assert isinstance(failed, stimuli.CallFailed)
        assert failed.error.code is ErrorCode.INTERNAL
        assert (await resident.call(is_loaded=True))[0] == 11

    within("T0", COUNT, scenario)


@pytest.mark.parametrize("change", [{"title": "other"}, {"seed": 1}, {"limits": Limits(open_files=300)}], ids=str)
def test_what_has_changed_reaches_the_worker_and_what_has_not_goes_on(change: dict[str, object]) -> None:
    source = """
import random, resource, traceback
@node_entry
def f() -> list:
    title = traceback.extract_stack(limit=1)[0].filename
    return [title, random.getstate()[1][1], resource.getrlimit(resource.RLIMIT_NOFILE)[0]]
"""

    async def scenario(resident: Resident) -> None:
        first, same = await resident.call(), await resident.call()
        assert same == first
        other = [await resident.call(**change) for _ in range(3)]
        assert other == [other[0]] * 3
        assert [one != two for one, two in zip(first, other[0], strict=True)].count(True) == 1
        assert (await resident.call())[0] == first[0]

    within(BEST, source, scenario)


def test_a_thousand_calls_cost_the_daemon_no_descriptor() -> None:
    async def scenario(resident: Resident) -> None:
        first = await resident.call()
        before = len(os.listdir("/proc/self/fd"))
        for _ in range(1000):
            last = await resident.call()
        assert last[3] == first[3]
        assert len(os.listdir("/proc/self/fd")) <= before

    within(BEST, COUNT, scenario)


def test_one_that_is_killed_is_told_with_what_its_last_call_used() -> None:
    busy = COUNT.replace("    global calls\n", "    global calls\n    sum(range(10_000_000))\n")

    async def scenario(resident: Resident) -> None:
        resident.send()
        done = await resident.answer()
        resident.servers.zygotes.kill(effects.KillWorker(zygote=resident.zygote, worker=resident.worker))
        exited = await resident.exit()
        assert exited.status == signal.SIGKILL
        assert exited.usage.cpu_s < done.usage.cpu_s

    within(BEST, busy, scenario)


def test_what_exit_functions_print_is_heard() -> None:
    source = COUNT.replace("calls = 0", "calls = 0\nimport atexit\natexit.register(print, 'goodbye')")

    async def scenario(resident: Resident) -> None:
        await resident.call()
        assert (await resident.leave()).status == 0
        assert resident.written() == [b"goodbye\n"]

    within(BEST, source, scenario)
