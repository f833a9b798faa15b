"""A fork server in the hands of a package: whatever it says, the daemon lives, and nobody else comes to harm."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyflowd.core import effects, stimuli
from pyflowd.core.ids import WorkerId
from pyflowd.shell import event_loop
from pyflowd.shell.zygote_frames import births_in, exits_in, workers_in
from pyflowd.worker_side.frames import FrameError
from support.environments import make_environment
from support.fork_servers import fork_servers
from support.zygote import find_interpreters, is_alive

OWN = find_interpreters()[0]
# Imported by a fork server, it speaks in its place, when it is to say that a worker was forked.
FORGER = """
import json, os, _pyflowd_worker.zygote as zygote
frames = zygote.frames
def say(self, header, pidfds):
    if header["kind"] != "forked":
        return true_say(self, header, pidfds)
    for header, number in json.loads({said!r}):
        descriptors = [os.open("/dev/null", 0) if number < 0 else os.pidfd_open(number)] if number else pidfds
        packet, _, _ = frames.pack(header)
        frames.send_packet(self._control, packet, descriptors)
true_say, zygote.Zygote.say = zygote.Zygote.say, say
"""
NONSENSE = [
    {"kind": "forked", "workers": 1},
    {"kind": "forked", "workers": [[1]]},
    {"kind": "forked", "workers": [[1, 2], [1, 2]]},
    {"kind": "forked", "workers": []},
    {"kind": "forked", "workers": [["1", 2]]},
    {"kind": "exited", "workers": [[1, 2, 10**400, 0, 0]]},
    {"kind": "exited", "workers": [[1, 2, 70000, 0, 0]]},
    {"kind": "exited", "workers": [[1, 2, -1, 0, 0]]},
    {"kind": "exited", "workers": [[1, 2, 0, 10**400, 0]]},
    {"kind": "exited", "workers": [[1, 2, 0, 0, 2**63]]},
    {"kind": "exited", "workers": [[[], 2, 0, 0, 0]]},
    {"kind": "exited"},
    {"kind": "fork_failed", "workers": [{}], "message": ""},
    {"kind": "fork_failed", "workers": [], "message": 1},
    {"kind": "confined", "lacks": [], "successes": []},
    {"kind": "warm", "version": "3", "compiled": True, "undone": []},
    {"kind": "preloading", "module": "good"},
    {"kind": "spoilt", "module": "good", "reason": ""},
    {"kind": []},
    {},
]


def forging(folder: Path, *said: tuple[dict[str, object], int]) -> str:
    """An environment whose fork server says these, with a pidfd each: of a process, of none (-1), or its own (0)."""
    return make_environment(OWN, folder / "env", {"forger.py": FORGER.format(said=json.dumps(said))})


@pytest.mark.parametrize("header", NONSENSE, ids=range(len(NONSENSE)))
def test_nonsense_ends_the_fork_server_and_nothing_else(tmp_path: Path, header: dict[str, object]) -> None:
    python = forging(tmp_path, (header, 0))

    async def play() -> None:
        async with fork_servers("T0") as servers:
            await servers.start(python, "forger")
            servers.zygotes.fork(effects.ForkWorkers(zygote=servers.ids[python], workers=(WorkerId(1),)))
            [lost] = await servers.wait(1, stimuli.ZygoteLost)
            assert isinstance(lost, stimuli.ZygoteLost)
            assert "sent nonsense" in lost.reason
            others = [one for one in servers.listener.heard if not isinstance(one, stimuli.ZygoteLost)]
            assert others == []

    event_loop.run(play())


def test_workers_of_others_cannot_be_said_to_have_ended(tmp_path: Path) -> None:
    failed = {"kind": "fork_failed", "workers": [1, 99], "message": "no"}
    exited = {"kind": "exited", "workers": [[98, 1, 0, 0, 0]]}
    python = forging(tmp_path, (exited, 0), (failed, 0))

    async def play() -> None:
        async with fork_servers("T0") as servers:
            await servers.start(python, "forger")
            workers = (WorkerId(1),)
            servers.zygotes.fork(effects.ForkWorkers(zygote=servers.ids[python], workers=workers))
            [one] = await servers.wait(1, stimuli.ForkFailed, stimuli.WorkerExited)
            assert isinstance(one, stimuli.ForkFailed)
            assert one.workers == workers

    event_loop.run(play())


@pytest.fixture
def bystander() -> Iterator[int]:
    """A process of the user."""
    with subprocess.Popen([sys.executable, "-c", "import sys; sys.stdin.read()"], stdin=subprocess.PIPE) as process:
        yield process.pid
        process.kill()


@pytest.mark.parametrize("whom", ["another", "none"])
def test_the_daemon_signals_nobody_on_the_word_of_a_fork_server(tmp_path: Path, bystander: int, whom: str) -> None:
    said = {"kind": "forked", "workers": [[1, 1]]}
    python = forging(tmp_path, (said, bystander if whom == "another" else -1))

    async def play() -> None:
        async with fork_servers("T0") as servers:
            await servers.start(python, "forger")
            zygote, worker = servers.ids[python], WorkerId(1)
            servers.zygotes.fork(effects.ForkWorkers(zygote=zygote, workers=(worker,)))
            await servers.wait(1, stimuli.WorkersForked)
            assert servers.zygotes.pid_of(zygote, worker) is None
            servers.zygotes.interrupt(effects.InterruptWorker(zygote=zygote, worker=worker))
            servers.zygotes.kill(effects.KillWorker(zygote=zygote, worker=worker))
            assert is_alive(bystander)

    event_loop.run(play())
    assert is_alive(bystander)


def test_what_an_honest_fork_server_says_is_understood() -> None:
    assert births_in({"workers": [[3, 100], [4, 101]]}, 2) == [3, 4]
    [(worker, status, usage)] = exits_in({"workers": [[3, 100, 9, 0.25, 2000]]})
    assert (worker, status, usage.cpu_s, usage.peak_memory_bytes) == (3, 9, 0.25, 2048000)
    assert workers_in({"workers": [1, 2]}) == [1, 2]
    with pytest.raises(FrameError):
        births_in({"workers": [[3, 100]]}, 2)


def test_the_wait_status_of_this_kernel_fits() -> None:
    with subprocess.Popen([sys.executable, "-c", "import os; os.abort()"]) as process:
        _, status = os.waitpid(process.pid, 0)
        process.returncode = status
    assert exits_in({"workers": [[1, 2, status, 0, 0]]})[0][1] == status
