"""What nodes hold in memory, and who has children."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from pyflowd.core.limits import Limits
from pyflowd.shell.watch import glance, has_children, observe

ENOUGH = Limits(memory_bytes=10**12)
HOLD = "import sys; held = bytearray(50_000_000); print(flush=True); sys.stdin.read()"
PARENT = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {HOLD!r}])"


@pytest.fixture
def parent() -> Iterator[int]:
    """A process whose child holds 50 MB; both end with their standard input."""
    with subprocess.Popen([sys.executable, "-c", PARENT], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield process.pid
        process.communicate()


def test_the_memory_of_descendants_counts_when_the_tree_is_looked_at(parent: int) -> None:
    alone, together = glance(parent), observe(parent, ENOUGH)
    assert 0 < alone.memory_bytes < 50_000_000
    assert together.memory_bytes > alone.memory_bytes + 50_000_000
    assert (alone.processes, together.processes) == (None, 2)


def test_a_process_that_is_gone_holds_nothing() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    assert observe(process.pid, ENOUGH) == (0, 0)
    assert glance(process.pid) == (0, None)


def test_a_child_is_seen_whichever_thread_started_it(parent: int) -> None:
    assert has_children(parent)
    started: list[subprocess.Popen[bytes]] = []
    may_end = threading.Event()

    def start() -> None:
        started.append(subprocess.Popen(["sleep", "60"]))
        may_end.wait()

    thread = threading.Thread(target=start)
    thread.start()
    try:
        while not started:
            thread.join(0.01)
        assert has_children(os.getpid())
        (sleeper,) = started
        assert not has_children(sleeper.pid)
    finally:
        may_end.set()
        thread.join()
        for process in started:
            process.kill()
            process.wait()


def test_memory_that_is_only_in_a_memfd_counts_once_however_often_it_is_open() -> None:
    code = (
        "import os, sys; held = os.memfd_create('held'); os.write(held, bytes(90_000_000)); again = os.dup(held);"
        "print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert glance(process.pid).memory_bytes < 90_000_000
        assert 90_000_000 <= observe(process.pid, ENOUGH).memory_bytes < 91_000_000
        process.communicate()


def test_what_forked_processes_share_counts_once_when_it_would_be_too_much() -> None:
    code = (
        "import os, signal, sys\nheld = bytearray(60_000_000)\n"
        "children = [os.fork() for _ in range(1)]\nif 0 in children: signal.pause()\n"
        "children += [pid] if (pid := os.fork()) else signal.pause()\n"
        "print(flush=True); sys.stdin.read()\nfor child in children: os.kill(child, 9), os.waitpid(child, 0)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert observe(process.pid, ENOUGH).memory_bytes > 180_000_000
        assert 60_000_000 < observe(process.pid, Limits(memory_bytes=100_000_000)).memory_bytes < 100_000_000
        process.communicate()
