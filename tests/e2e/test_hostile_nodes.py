"""Nodes that do what nodes should not: each fails alone, with a cause that names it, and the next run is fine."""

import time
from pathlib import Path

import psutil
import pytest

from pyflowd_client.blocking import Client
from pyflowd_client.protocol.errors import ErrorCode
from pyflowd_client.protocol.events import NodeFinished, NodeOutput, NodeProgress
from pyflowd_client.protocol.options import Permissions
from pyflowd_client.protocol.states import NodeState, RunState
from support.daemons import ADD, RunningDaemon, failure, graph, node
from support.zygote import wait_gone


@pytest.mark.parametrize(
    ("body", "code", "words"),
    [
        ("import sys\nsys.exit(3)", ErrorCode.EXITED, "3"),
        ("import os\nos._exit(3)", ErrorCode.EXITED, "exit status 3"),
        ("import os\nos._exit(0)", ErrorCode.EXITED, "exit status 0"),
        ("import ctypes\nctypes.string_at(0)", ErrorCode.KILLED, "SIGSEGV"),
        ("import os\nos.abort()", ErrorCode.KILLED, "SIGABRT"),
        ("import os\nos.kill(os.getpid(), 9)", ErrorCode.KILLED, "SIGKILL"),
        ("import os\nos.kill(os.getpid(), 15)", ErrorCode.KILLED, "SIGTERM"),
        ("raise BaseException('base')", ErrorCode.EXCEPTION, "base"),
        ("raise KeyboardInterrupt", ErrorCode.EXCEPTION, "KeyboardInterrupt"),
        ("raise ValueError('bad \\ud800 surrogate')", ErrorCode.EXCEPTION, "surrogate"),
        ("class E(Exception):\n    def __str__(self): raise SystemExit\nraise E", ErrorCode.EXCEPTION, ""),
        ("def f(): f()\nf()", ErrorCode.EXCEPTION, "recursion"),
        ("return {1, 2}", ErrorCode.NOT_JSON, "set"),
        ("return b'bytes'", ErrorCode.NOT_JSON, "bytes"),
        ("x = []\nx.append(x)\nreturn x", ErrorCode.NOT_JSON, "contains itself"),
        ("x = []\nfor _ in range(100_000): x = [x]\nreturn x", ErrorCode.NOT_JSON, "nested too deep"),
        ("return input()", ErrorCode.EXCEPTION, "EOF"),
    ],
)
def test_a_bad_end_has_a_named_cause(client: Client, body: str, code: ErrorCode, words: str) -> None:
    error = failure(client, body)
    assert error.code is code
    assert words in f"{error.type}: {error.message}"


def test_too_few_values_are_not_passed_on_as_none(client: Client) -> None:
    error = failure(client, "return (1,)", returns="tuple[int, int]")
    assert error.code is ErrorCode.BAD_OUTPUT


def test_the_time_limit_ends_a_sleeper_and_says_where_it_was(client: Client) -> None:
    error = failure(client, "import time\ntime.sleep(60)", timeout_s=0.3)
    assert error.code is ErrorCode.TIME_LIMIT
    assert "time.sleep(60)" in (error.traceback or "")


@pytest.mark.parametrize(
    "body",
    [
        "import signal, time\nfor n in (2, 15): signal.signal(n, signal.SIG_IGN)\nwhile True: time.sleep(1)",
        "while True:\n    try:\n        while True: pass\n    except BaseException: pass",
        "import os, signal\nos.kill(os.getpid(), signal.SIGSTOP)",
    ],
    ids=["ignores signals", "catches everything", "stops itself"],
)
def test_the_time_limit_ends_what_does_not_want_to_end(client: Client, body: str) -> None:
    assert failure(client, body, timeout_s=0.3).code is ErrorCode.TIME_LIMIT


@pytest.mark.parametrize(
    "body",
    [
        "x = []\nwhile True: x.append(bytearray(10**7))",
        "import mmap, time\nm = mmap.mmap(-1, 400_000_000)\nfor i in range(0, len(m), 4096): m[i] = 1\ntime.sleep(20)",
    ],
    ids=["private", "shared"],
)
def test_the_memory_limit_ends_a_hog(client: Client, body: str) -> None:
    error = failure(client, body, memory_bytes=200_000_000)
    assert error.code is ErrorCode.MEMORY_LIMIT
    assert "200" in error.message


def test_a_value_of_a_gigabyte_fails_its_node_alone(client: Client) -> None:
    error = failure(client, "return 'x' * 10**9", returns="str", memory_bytes=1_500_000_000)
    assert error.code is ErrorCode.MEMORY_LIMIT


def test_children_that_stay_are_gone_with_their_node(client: Client, daemon: RunningDaemon, tmp_path: Path) -> None:
    """A plain fork, a new session, and a double fork."""
    go = tmp_path / "go"
    tmp_path.chmod(0o755)  # nodes are another user where root runs the tests
    body = f"""
import glob, os, subprocess, time
def stay(): os.execvp("sleep", ["sleep", "601"])
def count(): return sum("601" in open(path).read() for path in glob.glob("/proc/[0-9]*/cmdline"))
if os.fork() == 0: stay()
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0: stay()
    os._exit(0)
subprocess.Popen(["sleep", "601"], start_new_session=True)
while count() < 3: pass
progress(1)
while not os.path.exists({str(go)!r}): time.sleep(0.01)
return 1
"""

    run = client.run_document(graph(node(body)), permissions=Permissions(read=(str(tmp_path),)))
    next(event for event in run if isinstance(event, NodeProgress))
    left = daemon.named("sleep")
    go.touch()
    assert run.result()["n0"]["output_1"] == 1
    assert len(left) == 3
    assert all(wait_gone(process.pid) for process in left)


def test_a_flood_of_output_costs_the_daemon_nothing_and_keeps_head_and_tail(
    client: Client, daemon: RunningDaemon
) -> None:
    before = psutil.Process(daemon.process.pid).memory_info().rss
    body = (
        "import os\nos.write(1, b'head\\n')\nfor _ in range(1000): os.write(1, b'x' * 10**6)\nprint('tail')\nreturn 1"
    )
    run = client.run_document(graph(node(body)))
    text = "".join(event.text for event in run if isinstance(event, NodeOutput))
    assert run.state is RunState.SUCCEEDED
    assert text.startswith("head\n")
    assert text.endswith("tail\n")
    assert "bytes left out" in text
    assert len(text) < 2_000_000
    assert psutil.Process(daemon.process.pid).memory_info().rss - before < 50_000_000


def test_a_node_that_closes_its_outputs_still_answers(client: Client) -> None:
    run = client.run_document(graph(node("import os, sys\nos.close(1)\nos.close(2)\nsys.stdout.close()\nreturn 4")))
    assert run.result()["n0"]["output_1"] == 4


def test_the_last_words_before_death_arrive(client: Client) -> None:
    run = client.run_document(graph(node("import os\nprint('last words', end='', flush=True)\nos._exit(1)")))
    assert [event.text for event in run if isinstance(event, NodeOutput)] == ["last words"]


def test_nonsense_on_the_channel_ends_the_node(client: Client) -> None:
    body = """
import os, stat, socket, time
for fd in range(3, 1024):
    try:
        if stat.S_ISSOCK(os.fstat(fd).st_mode): os.write(fd, b"\\xff" * 50)
    except OSError: pass
time.sleep(20)
"""
    assert failure(client, body).code is ErrorCode.BAD_FRAME


def test_an_answer_for_another_call_is_not_believed(client: Client) -> None:
    body = """
import json, os, stat, struct, time
text = json.dumps({"kind": "done", "call": 10**6, "outputs": [], "types": [], "previews": [], "warnings": [],
                   "cpu_s": 0, "peak_memory_bytes": 0, "imports": [], "segments": []}).encode()
for fd in range(3, 1024):
    try:
        if stat.S_ISSOCK(os.fstat(fd).st_mode): os.write(fd, struct.pack("<I", len(text)) + text)
    except OSError: pass
time.sleep(20)
"""
    assert failure(client, body).code is ErrorCode.BAD_FRAME


def test_a_thread_left_running_is_waited_for(client: Client) -> None:
    body = "import threading, time\nthreading.Thread(target=lambda: (time.sleep(0.2), print('late'))).start()\nreturn 1"
    run = client.run_document(graph(node(body)))
    assert "late\n" in [event.text for event in run if isinstance(event, NodeOutput)]


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("def run(:\n", "line 1"),
        ("x = 1\n", "@node_entry"),
        ("@node_entry\nasync def run(): pass\n", "async"),
        ("\0", ""),
        ("@node_entry\ndef run():\n    return " + "(" * 5000 + ")" * 5000 + "\n", ""),
    ],
    ids=["syntax", "no entry", "async", "zero byte", "too deep"],
)
def test_code_that_is_no_node_is_refused_by_title(client: Client, code: str, words: str) -> None:
    run = client.run_document(graph(code, ADD, n0="Broken"))
    list(run)
    assert run.error is not None
    assert run.error.code is ErrorCode.BAD_GRAPH
    checked = client.check(graph(code, ADD, n0="Broken"))
    assert not checked.runnable
    assert len(checked.findings) == 1
    assert "Broken" in checked.findings[0].message
    assert words in checked.findings[0].message
    partial = client.run_document(graph(code, ADD, n0="Broken"), partial=True)
    states = {event.node: event.state for event in partial if isinstance(event, NodeFinished)}
    assert states == {"n0": NodeState.SKIPPED, "n1": NodeState.DONE}


def test_a_dead_worker_is_told_at_once(client: Client) -> None:
    run = client.run_document(graph(node("import os\nos._exit(1)")))
    [finished] = [event for event in run if isinstance(event, NodeFinished)]
    assert finished.duration_s < 5  # the promise is 0.1 s; a loaded machine gets more


@pytest.mark.parametrize(
    "body",
    [
        "import signal, time\nsignal.signal(2, signal.SIG_IGN)\nprint('up')\nwhile True: time.sleep(1)",
        "import os, signal\nprint('up', flush=True)\nos.kill(os.getpid(), signal.SIGSTOP)",
    ],
    ids=["ignores signals", "stops itself"],
)
def test_cancel_ends_what_does_not_want_to_end(client: Client, body: str) -> None:
    run = client.run_document(graph(node(body), node("return 1"), edges=(("n0", "exec_out", "n1", "exec_in"),)))
    states = {}
    for event in run:
        if isinstance(event, NodeOutput):
            run.cancel()
        if isinstance(event, NodeFinished):
            states[event.node] = event.state
    assert run.state is RunState.CANCELLED
    assert states == {"n0": NodeState.CANCELLED, "n1": NodeState.CANCELLED}


def test_a_node_cannot_see_what_another_left_in_its_folder(client: Client) -> None:
    write = node("open('left.txt', 'w').write('x')\nimport os\nreturn os.getcwd()", returns="str")
    look = node("import os\nreturn [os.listdir('.'), os.path.exists(folder)]", "folder: str", "list")
    run = client.run_document(graph(write, look, edges=(("n0", "output_1", "n1", "folder"),)))
    deadline_s = time.monotonic() + 5
    assert run.result()["n1"]["output_1"][0] == []
    while Path(run.outputs["n0"]["output_1"]).exists() and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert not Path(run.outputs["n0"]["output_1"]).exists()
