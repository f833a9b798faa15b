"""A worker that stays: what survives from call to call, what does not, and whose an interrupt is."""

from __future__ import annotations

import json
import os
import resource
import signal
from pathlib import Path
from typing import Any

import pytest

from pyflowd.worker_side import frames, orders
from support.zygote import Code, Zygote, send_call

ADD = "@node_entry\ndef add(a: int, b: int = 2) -> int:\n    return a + b\n"
COUNT = """
import os
import resource

calls = 0

@node_entry
def count(step: int = 1) -> list:
    global calls
    calls += step
    return [calls, os.getpid()]
"""
# Ends at once when told 0, else tells that it runs and waits for an interrupt.
WAITING = """
import threading

calls = 0

@node_entry
def wait(holds: int) -> int:
    global calls
    calls += 1
    if holds:
        progress(0.5, "waiting")
        threading.Event().wait()
    return calls
"""


class Resident:
    """One worker and the node that it keeps. As the daemon, it says only once what is the same for the next call."""

    def __init__(self, zygote: Zygote, source: str) -> None:
        self.zygote = zygote
        self.code: Code = zygote.compile(source)
        (self.worker,) = zygote.fork()
        self._loaded: Code | None = None
        self._terms: dict[str, Any] | None = None

    def send(self, **options: Any) -> None:
        inputs = {pin: json.dumps(value).encode() for pin, value in options.pop("inputs", {}).items()}
        is_loaded = self._loaded is self.code
        is_again = is_loaded and options == self._terms
        send_call(self.worker, self.code, inputs, last=orders.MORE, is_loaded=is_loaded, is_again=is_again, **options)
        self._loaded, self._terms = self.code, options

    def receive(self) -> Any:
        """The one output, or the error."""
        header, values = self.worker.receive()
        assert header["call"] == self.worker.calls
        return json.loads(values[0]) if header["kind"] == "done" else header["error"]

    def call(self, **options: Any) -> Any:
        self.send(**options)
        return self.receive()


def test_module_variables_survive_from_call_to_call(anywhere: Zygote) -> None:
    resident = Resident(anywhere, COUNT)
    pid = resident.worker.pid
    assert [resident.call() for _ in range(3)] == [[1, pid], [2, pid], [3, pid]]
    assert resident.call(inputs={"step": 10}) == [13, pid]


def test_other_code_replaces_the_module_but_not_the_process(anywhere: Zygote) -> None:
    resident = Resident(anywhere, COUNT)
    _, pid = resident.call()
    first = resident.code
    resident.code = anywhere.compile(COUNT.replace("calls = 0", "calls = 100"))
    assert [resident.call(), resident.call()] == [[101, pid], [102, pid]]
    resident.code = first
    assert resident.call() == [1, pid]


def test_only_the_present_module_is_registered(anywhere: Zygote) -> None:
    resident = Resident(
        anywhere,
        "import linecache, sys\n@node_entry\ndef f() -> list:\n    found = [*sys.modules, *linecache.cache]\n"
        "    return [n for n in found if n.startswith(('node_', '<node'))]\n",
    )
    assert resident.call() == ["node_Test_node", "<node: Test node>"]
    resident.code = anywhere.compile(resident.code.source + "# changed\n")
    assert resident.call() == ["node_Test_node", "<node: Test node>"]


def test_after_an_exception_the_next_call_finds_what_was_left(anywhere: Zygote) -> None:
    source = """
calls = 0

@node_entry
def f(divisor: int) -> int:
    global calls
    calls += 1
    1 / divisor
    return calls
"""
    resident = Resident(anywhere, source)
    error = resident.call(inputs={"divisor": 0})
    assert (error["code"], error["type"]) == ("exception", "ZeroDivisionError")
    assert resident.call(inputs={"divisor": 1}) == 2


def test_a_module_body_that_failed_is_executed_again(anywhere: Zygote, tmp_path: Path) -> None:
    file = tmp_path / "there"
    body = f"import os\nif not os.path.exists({str(file)!r}):\n    raise RuntimeError('not yet')\n"
    resident = Resident(anywhere, body + ADD)
    for _ in range(2):
        assert resident.call(inputs={"a": 1})["message"] == "not yet"
    file.touch()
    assert resident.call(inputs={"a": 1}) == 3


def test_what_is_the_same_for_many_calls_is_said_once_and_holds_until_it_changes(anywhere: Zygote) -> None:
    source = """
import os, random, resource

@node_entry
def f(x: int) -> list:
    return [x, random.random(), resource.getrlimit(resource.RLIMIT_NOFILE)[0], os.environ.get("A")]
"""
    resident = Resident(anywhere, source)
    terms: dict[str, Any] = {"seed": 7, "bounds": {resource.RLIMIT_NOFILE: 400}, "variables": {"A": "a"}}
    found = [resident.call(inputs={"x": x}, **terms) for x in range(4)]
    assert [one[0] for one in found] == [0, 1, 2, 3]
    assert [one[1:] for one in found] == [found[0][1:]] * 4
    assert found[0][2:] == [400, "a"]
    other = terms | {"seed": 8, "bounds": {resource.RLIMIT_NOFILE: 300}}
    changed = [resident.call(inputs={"x": x}, **other) for x in range(3)]
    assert [one[2] for one in changed] == [300] * 3
    assert changed[0][1] == changed[2][1] != found[0][1]


def test_a_call_for_what_was_never_loaded_is_refused(zygote: Zygote) -> None:
    code = zygote.compile(ADD)
    (worker,) = zygote.fork()
    send_call(worker, code, last=orders.MORE, is_loaded=True)
    assert worker.receive()[0]["error"]["code"] == "environment"


def test_a_node_with_another_title_shows_it_in_tracebacks(anywhere: Zygote) -> None:
    resident = Resident(anywhere, "def inner():\n    1 / 0\n\n@node_entry\ndef f():\n    inner()\n")
    assert resident.call(title="Old")["traceback"].count('File "<node: Old>"') == 2
    traceback = resident.call(title="New")["traceback"]
    assert traceback.count('File "<node: New>"') == 2
    assert "1 / 0" in traceback
    assert "Old" not in traceback


def test_an_interrupt_ends_the_call_and_not_the_worker(anywhere: Zygote) -> None:
    resident = Resident(anywhere, WAITING)
    for number in range(3):
        resident.send(inputs={"holds": 1})
        assert resident.worker.wait_progress() == "waiting"
        resident.worker.interrupt()
        assert resident.receive()["code"] == "cancelled"
        assert resident.call(inputs={"holds": 0}) == 2 * number + 2


def test_an_interrupt_that_comes_after_the_answer_does_not_touch_the_next_call(anywhere: Zygote) -> None:
    resident = Resident(anywhere, WAITING)
    for number in range(1, 50):
        assert resident.call(inputs={"holds": 0}) == number
        resident.worker.interrupt()


def test_an_interrupt_right_behind_its_call_ends_it(anywhere: Zygote) -> None:
    """Whether the worker has begun or not, and whether or not the call before was interrupted too late."""
    resident = Resident(anywhere, WAITING)
    for _ in range(50):
        resident.send(inputs={"holds": 1})
        resident.worker.interrupt()
        assert resident.receive()["code"] == "cancelled"
        resident.call(inputs={"holds": 0})
        resident.worker.interrupt()


def test_an_interrupt_of_a_workers_first_call_ends_it_whatever_the_worker_does_just_then(anywhere: Zygote) -> None:
    for _ in range(10):
        resident = Resident(anywhere, WAITING)
        resident.send(inputs={"holds": 1})
        resident.worker.interrupt()
        assert resident.receive()["code"] == "cancelled"


def test_an_interrupt_that_the_kernel_gives_to_a_thread_between_calls_ends_nothing(anywhere: Zygote) -> None:
    source = WAITING.replace("calls = 0", "calls = 0\nthreading.Thread(target=threading.Event().wait).start()")
    resident = Resident(anywhere, source)
    for number in range(1, 30):
        assert resident.call(inputs={"holds": 0}) == number
        resident.worker.interrupt()
    resident.send(inputs={"holds": 1})
    resident.worker.interrupt()
    assert resident.receive()["code"] == "cancelled"


def test_an_interrupt_of_the_nodes_own_is_an_exception_like_any(anywhere: Zygote) -> None:
    source = """
import os, signal

@node_entry
def f() -> str:
    try:
        os.kill(os.getpid(), signal.SIGINT)
    except KeyboardInterrupt:
        return "interrupted"
    return "not"
"""
    assert Resident(anywhere, source).call() == "interrupted"


def test_a_handler_for_sigint_of_the_nodes_own_stays_in_place(anywhere: Zygote) -> None:
    source = """
import os, signal
seen = []
signal.signal(signal.SIGINT, lambda *_: seen.append(1))

@node_entry
def f() -> int:
    os.kill(os.getpid(), signal.SIGINT)
    return len(seen)
"""
    resident = Resident(anywhere, source)
    assert [resident.call() for _ in range(3)] == [1, 2, 3]


def test_output_is_there_before_the_answer_of_its_call(anywhere: Zygote) -> None:
    resident = Resident(anywhere, "@node_entry\ndef f(n: int) -> int:\n    print('call', n)\n    return n\n")
    for number in range(5):
        del resident.worker.stdout[:]
        assert resident.call(inputs={"n": number}) == number
        assert resident.worker.stdout == b"call %d\n" % number


def test_what_is_large_comes_and_goes_with_each_call(anywhere: Zygote) -> None:
    resident = Resident(anywhere, "@node_entry\ndef f(text: str, n: int) -> str:\n    return text * n\n")
    for number in range(3):
        assert resident.call(inputs={"text": "x" * 100_000, "n": number}) == "x" * 100_000 * number


def test_a_seed_counts_for_each_call_and_without_one_there_is_none(anywhere: Zygote) -> None:
    resident = Resident(anywhere, "import random\n@node_entry\ndef f() -> float:\n    return random.random()\n")
    seeded = {resident.call(seed=7) for _ in range(3)}
    free = {resident.call() for _ in range(3)}
    assert (len(seeded), len(free)) == (1, 3)


def test_files_of_the_scratch_folder_survive_from_call_to_call(anywhere: Zygote) -> None:
    source = """
import os
import resource

@node_entry
def f() -> list:
    with open("log", "a") as file:
        file.write("x")
    return [os.getcwd(), os.path.getsize("log")]
"""
    resident = Resident(anywhere, source)
    folder, size = resident.call()
    assert [size, resident.call(), resident.call()] == [1, [folder, 2], [folder, 3]]
    anywhere.wait_exit(resident.worker)
    anywhere.wait_quiet()
    assert not os.path.exists(folder)


def test_each_call_tells_its_own_cpu_time_progress_and_imports(anywhere: Zygote) -> None:
    source = """
import time

@node_entry
def f(busy: float, fails: int = 0, module: str = "") -> int:
    progress(busy)
    if module:
        __import__(module)
    while time.process_time() < busy:
        pass
    return 1 // (1 - fails)
"""
    resident = Resident(anywhere, source)

    def told(**inputs: Any) -> tuple[dict[str, Any], list[tuple[float, str]]]:
        del resident.worker.progress[:]
        resident.send(inputs=inputs)
        header, _ = resident.worker.receive()
        return header, resident.worker.progress

    header, progress = told(busy=0.3)
    assert 0.1 < header["cpu_s"] < 1.0
    assert progress == [(0.3, "")]
    header, progress = told(busy=0.0, fails=1)
    assert header["cpu_s"] < 0.1
    assert progress == [(0.0, "")]
    header, _ = told(busy=0.0, module="decimal")
    assert [name for name, _ in header["imports"]] == ["decimal"]
    header, _ = told(busy=0.0, module="decimal")
    assert "imports" not in header


def test_the_limit_of_cpu_time_is_one_of_each_call(anywhere: Zygote) -> None:
    source = """
import time

@node_entry
def f(busy: float) -> int:
    end = time.process_time() + busy
    while time.process_time() < end:
        pass
    return 1
"""
    resident = Resident(anywhere, source)
    for _ in range(3):
        assert resident.call(inputs={"busy": 0.6}, cpu_s=1) == 1
    assert resident.call(inputs={"busy": 2.5}) == 1  # none is asked for
    resident.send(inputs={"busy": 9}, cpu_s=1)
    with pytest.raises(frames.ClosedError):
        resident.worker.receive()
    assert anywhere.wait_exit(resident.worker)["status"] == signal.SIGXCPU


def test_a_limit_that_holds_is_only_ever_lowered(zygote: Zygote) -> None:
    source = (
        "import resource\n@node_entry\ndef f() -> list:\n    return list(resource.getrlimit(resource.RLIMIT_NOFILE))\n"
    )

    resident = Resident(zygote, source)
    found = [resident.call(bounds={resource.RLIMIT_NOFILE: most}) for most in (500, 500, 300, 500)]
    assert found == [[500, 500], [500, 500], [300, 300], [300, 300]]


def test_threads_go_on_between_calls_and_exit_functions_wait_for_the_end(anywhere: Zygote, tmp_path: Path) -> None:
    source = """
import atexit, os, threading

go, gone = threading.Event(), threading.Event()

def late():
    go.wait()
    gone.set()

threading.Thread(target=late).start()
atexit.register(print, "exit function", flush=True)

@node_entry
def f(ends: int) -> int:
    if ends:
        go.set()
        gone.wait()
    return threading.active_count() if not ends else -1
"""
    resident = Resident(anywhere, source)
    assert resident.call(inputs={"ends": 0}) == 2
    assert resident.call(inputs={"ends": 1}) == -1
    assert resident.worker.stdout == b""
    stdout, _ = resident.worker.read_to_end()
    assert stdout == "exit function\n"
    assert anywhere.wait_exit(resident.worker)["status"] == 0


def test_a_thousand_calls_leave_nothing_behind(anywhere: Zygote) -> None:
    source = """
import os
import resource

@node_entry
def f(text: str) -> list:
    return [len(os.listdir("/proc/self/fd")), os.listdir("."), len(text)]
"""
    resident = Resident(anywhere, source)
    first = resident.call(inputs={"text": "x"})
    resident.call(inputs={"text": "x" * 100_000})
    for _ in range(1000):
        last = resident.call(inputs={"text": "x"})
    assert last == first


def test_a_worker_that_stays_dies_alone(anywhere: Zygote) -> None:
    resident = Resident(anywhere, COUNT)
    resident.call()
    resident.worker.kill()
    assert anywhere.wait_exit(resident.worker)["status"] == signal.SIGKILL


def test_a_last_call_after_others_ends_the_worker(anywhere: Zygote) -> None:
    resident = Resident(anywhere, COUNT)
    resident.call()
    send_call(resident.worker, resident.code, last=orders.LEAVE, is_loaded=True)
    assert json.loads(resident.worker.receive()[1][0])[0] == 2
    assert anywhere.wait_exit(resident.worker)["status"] == 0
