"""Workers that are shared by the nodes of a graph, as the daemon's shell has them."""

import asyncio
import dataclasses
import json
import os
import signal
import time
from collections.abc import Awaitable, Callable

import pytest

from pyflowd.core import stimuli
from pyflowd.core.effects import Ref
from pyflowd.core.limits import Limits
from pyflowd.core.values import Kept
from pyflowd.shell import event_loop
from pyflowd.worker_side import frames
from pyflowd_client.protocol.errors import ErrorCode, ErrorInfo
from support.fork_servers import Shared, fork_servers, outcomes, shown
from support.tiers import ALL, BEST
from support.zygote import find_interpreters

PYTHONS = find_interpreters()
OWN = PYTHONS[0]
NO_DESCRIPTOR = 1_000_000
COUNT = "calls = 0\n@node_entry\ndef f() -> int:\n    global calls\n    calls += 1\n    return calls\n"
ADD = "@node_entry\ndef f(x: int) -> int:\n    return x + 1\n"
MAKE = """
class Thing:
    def __repr__(self):
        return "a thing"

thing = Thing()

@node_entry
def f() -> object:
    return thing
"""
SAME = "import sys\n@node_entry\ndef f(x) -> bool:\n    return x is sys.modules['node_Node_a'].thing\n"
WAITS = """
import threading

@node_entry
def f() -> int:
    print("waits", flush=True)
    threading.Event().wait()
    return 1
"""
PRINTS = """
import os

@node_entry
def f(name: str, how: str) -> str:
    if how == "python":
        print("from", name)
    elif how == "part":
        print("from", name, end="")
    elif how == "raw":
        os.write(1, b"from %s\\n" % name.encode())
    elif how == "child":
        os.system("echo from " + name)
    return name
"""


def within(tier: str, scenario: Callable[[Shared], Awaitable[None]], python: str = OWN) -> None:
    """Play a scenario with a shared worker in the sandbox of a tier."""

    async def play() -> None:
        async with fork_servers(tier) as servers:
            await servers.start(python)
            await scenario(servers.shared(python))

    event_loop.run(play())


every_python = pytest.mark.parametrize("python", PYTHONS, ids=[path.split("/")[-3] for path in PYTHONS])


@every_python
def test_nodes_pass_objects_by_reference_from_program_to_program(python: str) -> None:
    async def scenario(shared: Shared) -> None:
        make, same = await shared.step("a", MAKE), await shared.step("b", SAME, x=Ref(node="a", output=0))
        for _ in range(2):
            found = await shared.run(make, same)
            assert found["b"] is True
            assert isinstance(found["a"], Kept)
            assert (found["a"].type, found["a"].preview) == ("Thing", "a thing")
            assert found["a"].size_bytes > 0
        assert await shared.run(same) == {"b": True}

    within("T0", scenario, python)


@pytest.mark.parametrize("tier", ALL)
def test_a_chain_is_told_step_by_step_in_its_order(tier: str) -> None:
    async def scenario(shared: Shared) -> None:
        steps = [await shared.step("0", ADD, x=1)]
        shared.sources |= {str(number): shared.sources["0"] for number in range(1, 100)}
        steps += [await shared.step(str(number), x=Ref(node=str(number - 1), output=0)) for number in range(1, 100)]
        for _ in range(3):
            found = await shared.run(*steps)
            assert list(found.items()) == [(str(number), number + 2) for number in range(100)]

    within(tier, scenario)


@every_python
def test_each_node_keeps_its_module_until_its_code_changes(python: str) -> None:
    async def scenario(shared: Shared) -> None:
        a, b = await shared.step("a", COUNT), await shared.step("b", COUNT)
        assert await shared.run(a, b) == {"a": 1, "b": 1}
        a, b = await shared.step("a", is_loaded=True), await shared.step("b", is_loaded=True)
        assert await shared.run(b) == {"b": 2}
        assert await shared.run(a, b) == {"a": 2, "b": 3}
        a = await shared.step("a", COUNT.replace("calls = 0", "calls = 10"))
        assert await shared.run(a, b) == {"a": 11, "b": 4}

    within("T0", scenario, python)


def test_nodes_of_one_title_have_modules_and_tracebacks_of_their_own() -> None:
    async def scenario(shared: Shared) -> None:
        source = "@node_entry\ndef f() -> str:\n    raise ValueError(__name__)  # %s\n"
        steps = [dataclasses.replace(await shared.step(node, source % node), title="Same") for node in "ab"]
        for _ in range(2):
            found = await shared.run(*steps)
            assert [found[node].message for node in "ab"] == ["node_Same", "node_Same_"]
            for node in "ab":
                assert f"# {node}" in found[node].traceback
                assert 'File "<node: Same>", line 3' in found[node].traceback

    within("T0", scenario)


def test_what_depends_on_a_node_that_failed_is_skipped_and_the_rest_is_not() -> None:
    async def scenario(shared: Shared) -> None:
        a = await shared.step("a", "@node_entry\ndef f(x: int) -> int:\n    return 1 // x\n", x=0)
        b, c = await shared.step("b", ADD, x=Ref(node="a", output=0)), await shared.step("c", ADD, x=1)
        d = await shared.step("d", ADD, x=Ref(node="b", output=0))
        found = await shared.run(a, b, c, d)
        assert isinstance(found["a"], ErrorInfo)
        assert found["a"].type == "ZeroDivisionError"
        assert (found["b"], found["c"], found["d"]) == (None, 2, None)
        a = await shared.step("a", x=1)
        assert await shared.run(a, b, c, d) == {"a": 1, "b": 2, "c": 2, "d": 3}
        a = await shared.step("a", x=0)
        await shared.run(a)
        assert await shared.run(b) == {"b": None}  # the value of before is gone

    within("T0", scenario)


def test_several_outputs_and_warnings() -> None:
    async def scenario(shared: Shared) -> None:
        a = await shared.step("a", "@node_entry\ndef f():\n    return 1, {2}, 'x', 4\n", outputs=3)
        b = await shared.step("b", "@node_entry\ndef f(x) -> list:\n    return sorted(x)\n", x=Ref(node="a", output=1))
        shared.send(a, b)
        [first, second] = outcomes(await shared.end())
        assert isinstance(first, stimuli.StepDone)
        assert first.warnings == ("the node returned 4 values for 3 outputs: the rest is ignored",)
        one, two, text = shown(first)
        assert (one, text, shown(second)) == (1, "x", [2])
        assert isinstance(two, Kept)

    within("T0", scenario)


def test_a_node_that_returns_too_few_values_gives_none() -> None:
    async def scenario(shared: Shared) -> None:
        a = await shared.step("a", "@node_entry\ndef f():\n    return 1, 2\n", outputs=3)
        found = await shared.run(a, await shared.step("b", ADD, x=Ref(node="a", output=0)))
        assert found["a"].code is ErrorCode.BAD_OUTPUT
        assert found["b"] is None

    within("T0", scenario)


@every_python
def test_an_interrupt_ends_the_step_and_the_program_and_not_the_worker(python: str) -> None:
    async def scenario(shared: Shared) -> None:
        a, b, c = await shared.step("a", COUNT), await shared.step("b", WAITS), await shared.step("c", ADD, x=1)
        for number in range(1, 4):
            shared.send(a, b, c)
            await shared.servers.wait(1, stimuli.WorkerWrote)
            shared.interrupt()
            heard = await shared.end()
            first, second = outcomes(heard)
            assert shown(first) == 1
            assert isinstance(second, stimuli.StepFailed)
            assert second.error.code is ErrorCode.CANCELLED
            assert await shared.run(c) == {"c": 2}, number
            shared.interrupt()  # too late

    within("T0", scenario, python)


@pytest.mark.parametrize("tier", ALL)
def test_a_death_is_told_after_the_steps_that_were_over(tier: str) -> None:
    async def scenario(shared: Shared) -> None:
        steps = [await shared.step("0", ADD, x=1)]
        shared.sources |= {str(number): shared.sources["0"] for number in range(1, 50)}
        steps += [await shared.step(str(number), x=1) for number in range(1, 50)]
        dies = "import os\n@node_entry\ndef f():\n    os.write(1, b'last words')\n    os.kill(os.getpid(), 9)\n"
        shared.send(*steps, await shared.step("dies", dies, outputs=0), await shared.step("after", ADD, x=1))
        heard = await shared.end(stimuli.WorkerExited)
        while not (isinstance(heard[-1], stimuli.WorkerExited) and heard[-1].worker == shared.worker):
            heard += await shared.end(stimuli.WorkerExited)  # of a worker that only compiled
        assert [shown(outcome) for outcome in outcomes(heard)] == [2] * 50
        [wrote] = [one for one in heard if isinstance(one, stimuli.WorkerWrote)]
        assert wrote.data == b"last words"
        assert heard.index(wrote) > max(n for n, one in enumerate(heard) if isinstance(one, stimuli.StepsOver))
        assert isinstance(heard[-1], stimuli.WorkerExited)
        assert heard[-1].status == signal.SIGKILL

    within(tier, scenario)


@every_python
def test_what_is_written_is_attributed_to_the_step_that_wrote_it(python: str) -> None:
    """That is the first one that was not told of when it is heard."""

    async def scenario(shared: Shared) -> None:
        hows = ["no", "python", "no", "no", "raw", "part", "child", "no", "python", "raw"] * 5
        steps = []
        await shared.step("0", PRINTS)
        for number, how in enumerate(hows):
            shared.sources[str(number)] = shared.sources["0"]
            steps.append(await shared.step(str(number), name=f"n{number}.", how=how))
        for _ in range(4):
            shared.send(*steps)
            over, heard = 0, dict.fromkeys(range(len(hows)), b"")
            for one in await shared.end():
                if isinstance(one, stimuli.StepsOver):
                    over += len(one.outcomes)
                elif isinstance(one, stimuli.WorkerWrote):
                    heard[over] += one.data
            for number, how in enumerate(hows):
                expected = b"" if how == "no" else b"from n%d." % number
                assert heard[number].rstrip() == expected, (number, how)

    within("T0", scenario, python)


def test_large_values_come_and_go_in_memfds_and_leave_no_descriptor() -> None:
    async def scenario(shared: Shared) -> None:
        source = "@node_entry\ndef f(x: str, y: str) -> str:\n    return x + y\n"
        large = [frames.spill(json.dumps(letter * 100_000).encode()) for letter in "ab"]
        a = await shared.step("a", source, x=large[0], y=large[1])
        b = await shared.step("b", source, x=large[1], y=Ref(node="a", output=0))
        before = None
        for _ in range(3):
            assert await shared.run(a, b) == {
                "a": "a" * 100_000 + "b" * 100_000,
                "b": "b" * 100_000 + "a" * 100_000 + "b" * 100_000,
            }
            now = len(os.listdir("/proc/self/fd"))
            assert now <= (before or now)
            before = now
        for segment in large:
            segment.close()

    within(BEST, scenario)


def test_more_large_inputs_than_descriptors_in_a_packet() -> None:
    async def scenario(shared: Shared) -> None:
        large = frames.spill(json.dumps("a" * 1000).encode())
        await shared.step("0", "@node_entry\ndef f(x: str) -> int:\n    return len(x)\n")
        shared.sources |= {str(number): shared.sources["0"] for number in range(300)}
        steps = [await shared.step(str(number), x=large) for number in range(300)]
        found = await shared.run(*steps)
        assert list(found.values()) == [1000] * 300
        large.close()

    within("T0", scenario)


def test_a_program_that_could_not_be_sent_is_sent_again_with_all_code() -> None:
    async def scenario(shared: Shared) -> None:
        a, b = await shared.step("a", COUNT), await shared.step("b", COUNT)
        await shared.run(a, b)
        a, b = await shared.step("a", "x = 1\n" + ADD), await shared.step("b", "x = 2\n" + ADD, x=1)
        shared.send(dataclasses.replace(a, inputs=[("x", frames.Segment(descriptor=NO_DESCRIPTOR, size=1))]), b)
        [failed] = await shared.end()
        assert isinstance(failed, stimuli.CallFailed)
        assert failed.error.code is ErrorCode.INTERNAL
        assert await shared.run(await shared.step("b", is_loaded=True, x=1)) == {"b": 2}
        assert await shared.run(await shared.step("a", is_loaded=True, x=2)) == {"a": 3}

    within("T0", scenario)


def test_what_a_step_uses_is_told_with_it_and_a_limit_of_cpu_time_is_for_each() -> None:
    busy = """
import time

@node_entry
def f(busy: float) -> int:
    end = time.process_time() + busy
    while time.process_time() < end:
        pass
    return 1
"""

    async def scenario(shared: Shared) -> None:
        await shared.step("a", busy)
        shared.sources |= {"b": shared.sources["a"], "c": shared.sources["a"]}
        steps = [await shared.step(node, busy=0.6) for node in "abc"]
        shared.send(*steps, limits=Limits(cpu_s=1))
        heard = await shared.end()
        for outcome in outcomes(heard):
            assert isinstance(outcome, stimuli.StepDone)
            assert 0.5 < outcome.usage.cpu_s < 1.0
            assert outcome.duration_s >= 0.5
        assert isinstance(heard[-1], stimuli.CallDone)
        assert heard[-1].usage.cpu_s < 0.3

    within("T0", scenario)


def test_forgotten_nodes_leave_nothing() -> None:
    async def scenario(shared: Shared) -> None:
        look = "import sys\n@node_entry\ndef f() -> list:\n    return [n for n in sys.modules if n[:5] == 'node_']\n"
        a, b = await shared.step("a", MAKE), await shared.step("b", look)
        assert (await shared.run(a, b))["b"] == ["node_Node_a", "node_Node_b"]
        c = await shared.step("c", ADD, x=Ref(node="a", output=0))
        assert await shared.run(b, c, forgotten=("a",)) == {"b": ["node_Node_b"], "c": None}

    within("T0", scenario)


def test_a_last_program_finishes_the_process_before_it_is_over() -> None:
    async def scenario(shared: Shared) -> None:
        source = "import atexit\natexit.register(print, 'goodbye')\n" + ADD
        shared.send(await shared.step("a", source, x=1), stays=False)
        heard = await shared.end()
        assert b"".join(one.data for one in heard if isinstance(one, stimuli.WorkerWrote)) == b"goodbye\n"
        assert isinstance(heard[-1], stimuli.CallDone)

    within(BEST, scenario)


def test_progress_comes_between_the_steps_before_and_after() -> None:
    async def scenario(shared: Shared) -> None:
        source = "@node_entry\ndef f(x: float) -> int:\n    progress(x)\n    return 1\n"
        await shared.step("0", source)
        shared.sources |= {str(number): shared.sources["0"] for number in range(10)}
        shared.send(*[await shared.step(str(number), x=number / 10) for number in range(10)])
        over = 0
        for one in await shared.end():
            if isinstance(one, stimuli.StepsOver):
                over += len(one.outcomes)
            elif isinstance(one, stimuli.CallProgressed):
                assert one.fraction == over / 10
        assert over == 10

    within("T0", scenario)


FORKS = """
import os

@node_entry
def f() -> int:
    pid = os.fork()
    if pid:
        os.waitpid(pid, 0)
    return 7
"""
LEAVES = "import sys\n@node_entry\ndef f():\n    sys.exit(3)\n"


def test_a_node_may_close_its_output() -> None:
    async def scenario(shared: Shared) -> None:
        closes = "import os\n@node_entry\ndef f() -> int:\n    os.close(1)\n    os.close(2)\n    return 1\n"
        steps = await shared.step("a", closes), await shared.step("b", ADD, x=1)
        assert await shared.run(*steps) == {"a": 1, "b": 2}

    within("T0", scenario)


def test_pipes_that_end_in_the_middle_of_a_program_do_not_keep_the_daemon_busy() -> None:
    async def scenario(shared: Shared) -> None:
        closes = WAITS.replace("    threading", "    import os\n    os.close(1)\n    progress(1)\n    threading")
        shared.send(await shared.step("a", closes))
        await shared.servers.wait(1, stimuli.CallProgressed)
        before_s = time.thread_time()
        await asyncio.sleep(0.3)
        assert time.thread_time() - before_s < 0.02
        shared.interrupt()
        [outcome] = outcomes(await shared.end())
        assert isinstance(outcome, stimuli.StepFailed)

    within("T0", scenario)


def test_a_node_that_leaves_by_exit_or_forks_fails_or_returns_alone() -> None:
    async def scenario(shared: Shared) -> None:
        steps = await shared.step("a", LEAVES), await shared.step("b", FORKS), await shared.step("c", ADD, x=1)
        found = await shared.run(*steps)
        assert found["a"].code is ErrorCode.EXITED
        assert (found["b"], found["c"]) == (7, 2)

    within("T0", scenario)
