"""Nodes that die, stay, or leave processes behind. What is checked is the state of the victims, not exceptions."""

import json
import signal

import pytest

from pyflowd.worker_side import frames
from support.zygote import Worker, Zygote, is_alive, run_node, send_call

FORKS = {
    "fork": "pid = os.fork()\nif not pid: stay()",
    "fork and setsid": "pid = os.fork()\nif not pid: os.setsid(); stay()",
    "Popen in a session of its own": "pid = subprocess.Popen(['sleep', '60'], start_new_session=True).pid",
    "double fork and setsid": """
if not os.fork():
    os.setsid()
    second = os.fork()
    if second: os.write(w, b'%d' % second); os._exit(0)
    stay()
os.wait()
pid = int(os.read(r, 99))""",
}


def leaving(forks: str, end: str) -> str:
    """A node that leaves a process behind, tells its pid, and ends as told."""
    body = f"{forks}\nprogress(0, str(pid))\n{end}"
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    return f"""
import os, signal, subprocess, time

def stay():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True: time.sleep(60)

@node_entry
def f() -> int:
    r, w = os.pipe()
{lines}    return pid
"""


def start(zygote: Zygote, source: str) -> Worker:
    code = zygote.compile(source)
    (worker,) = zygote.fork()
    send_call(worker, code)
    return worker


@pytest.mark.parametrize("forks", FORKS.values(), ids=FORKS.keys())
def test_what_a_node_leaves_behind_lives_with_it_and_is_gone_when_its_exit_is_reported(
    zygote: Zygote, forks: str
) -> None:
    worker = start(zygote, leaving(forks, "time.sleep(60)"))
    stranger = int(worker.wait_progress())
    assert is_alive(stranger)
    worker.kill()
    assert zygote.wait_exit(worker)["status"] == signal.SIGKILL
    assert not is_alive(stranger)


@pytest.mark.parametrize("end", ["", "os._exit(0)", "raise ValueError"])
@pytest.mark.parametrize("forks", FORKS.values(), ids=FORKS.keys())
def test_a_stranger_does_not_survive_an_ordinary_end_either(zygote: Zygote, forks: str, end: str) -> None:
    worker = start(zygote, leaving(forks, end))
    stranger = int(worker.wait_progress())
    zygote.wait_exit(worker)
    assert not is_alive(stranger)


def test_strangers_of_strangers_go_too(zygote: Zygote) -> None:
    tree = (
        "pid = subprocess.Popen(['sh', '-c', 'setsid sh -c \"setsid sleep 61 & setsid sleep 62 & wait\" & wait']).pid"
    )
    worker = start(zygote, leaving(tree, "time.sleep(60)"))
    worker.wait_progress()
    zygote.wait_descendants(worker, 4)
    left = zygote.descendants(worker)
    worker.kill()
    zygote.wait_exit(worker)
    assert [pid for pid in left if is_alive(pid)] == []


def test_the_death_of_one_worker_does_not_touch_what_another_started(zygote: Zygote) -> None:
    survivor = start(zygote, leaving(FORKS["double fork and setsid"], "time.sleep(60)"))
    stranger = int(survivor.wait_progress())
    victim = start(zygote, leaving(FORKS["double fork and setsid"], "time.sleep(60)"))
    victim.wait_progress()
    victim.kill()
    zygote.wait_exit(victim)
    assert is_alive(survivor.pid)
    assert is_alive(stranger)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ("os._exit(7)", 7 << 8),
        ("import ctypes; ctypes.string_at(0)", signal.SIGSEGV),
        ("os.abort()", signal.SIGABRT),
        ("os.kill(os.getpid(), 9)", signal.SIGKILL),
        ("os.kill(0, 15)", signal.SIGTERM),
    ],
)
def test_a_sudden_death_is_reported_with_its_cause_and_the_last_bytes_written(
    anywhere: Zygote, body: str, status: int
) -> None:
    worker = start(anywhere, f"import os\n@node_entry\ndef f():\n    print('last words')\n    {body}\n")
    with pytest.raises(frames.ClosedError):
        worker.receive()
    assert anywhere.wait_exit(worker)["status"] == status
    assert worker.read_to_end()[0] == "last words\n"


def test_a_node_that_stops_itself_can_be_killed(zygote: Zygote) -> None:
    worker = start(zygote, "import os\n@node_entry\ndef f():\n    progress(0)\n    os.kill(os.getpid(), 19)\n")
    worker.wait_progress()
    worker.kill()
    assert zygote.wait_exit(worker)["status"] == signal.SIGKILL


def test_a_node_that_ignores_sigterm_and_sigint_can_be_killed(zygote: Zygote) -> None:
    source = """
import signal, time
@node_entry
def f():
    for number in (signal.SIGTERM, signal.SIGINT): signal.signal(number, signal.SIG_IGN)
    progress(0)
    while True: time.sleep(60)
"""
    worker = start(zygote, source)
    worker.wait_progress()
    worker.kill(signal.SIGTERM)
    worker.kill(signal.SIGINT)
    assert is_alive(worker.pid)
    worker.kill()
    assert zygote.wait_exit(worker)["status"] == signal.SIGKILL


def test_a_forked_process_that_returns_from_the_node_does_not_answer_for_it(anywhere: Zygote) -> None:
    source = """
import os
@node_entry
def f() -> list:
    pid = os.fork()
    if pid:
        return [os.waitpid(pid, 0)[1] >> 8]
    progress(0.5)
    print("child")
    raise SystemExit(5)
"""
    answer = run_node(anywhere, source)
    assert answer.outputs == {"output_1": "[5]"}
    assert answer.worker.stdout == b"child\n"
    assert answer.worker.progress == []
    with pytest.raises(frames.ClosedError):
        answer.worker.receive()


def test_multiprocessing_works_and_leaves_nothing(anywhere: Zygote) -> None:
    source = """
import multiprocessing, os

@node_entry
def f() -> list:
    with multiprocessing.get_context("fork").Pool(2) as pool:
        return pool.map(abs, [-1, -2, 3])
"""
    answer = run_node(anywhere, source)
    assert json.loads(answer.outputs["output_1"]) == [1, 2, 3]
    anywhere.wait_exit(answer.worker)


def test_a_worker_whose_link_closes_leaves_by_itself(zygote: Zygote) -> None:
    (worker,) = zygote.fork()
    worker.link.close()
    exited = zygote.wait_exit(worker)
    assert exited["status"] == 0
    assert exited["pid"] == worker.pid
