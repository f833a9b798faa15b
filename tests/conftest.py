"""Every test leaves the process as it found it: no child, no thread, no descriptor more than before."""

import gc
import os
import tempfile
import threading
from collections.abc import Generator, Iterator
from pathlib import Path

import psutil
import pytest

from support.daemons import logs_of_running

for name in [name for name in os.environ if name.startswith("PYTHON")]:
    del os.environ[name]  # what a developer's shell sets must not be what makes a test pass

ALLOWED_NEW_DESCRIPTORS = 2  # the interpreter and pytest open a file now and then (a plugin's log, a lazy import)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with a failure what the daemons have logged that run longer than one test."""
    report = yield
    if report.failed:
        report.sections += [(f"log of the daemon in {folder}", log) for folder, log in logs_of_running()]
    return report


def pytest_collection_finish() -> None:
    """Thousands of tests need not be looked through by the leak check of each."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def socket_path() -> Iterator[Path]:
    """A short path: pytest's own can be longer than the 107 bytes that a socket may have."""
    with tempfile.TemporaryDirectory(prefix="pfc") as folder:
        yield Path(folder, "d.sock")


@pytest.fixture(autouse=True)
def no_leaks() -> Iterator[None]:
    """Fails a test that leaves processes, threads or descriptors behind."""
    this = psutil.Process()
    threads = set(threading.enumerate())
    children = {child.pid for child in this.children()}  # what a daemon starts is looked after in support.daemons
    descriptors = this.num_fds()
    yield
    gc.collect()
    left = [child for child in this.children() if child.pid not in children and _is_alive(child)]
    assert not left, f"processes left behind: {left}"
    started = [thread.name for thread in threading.enumerate() if thread not in threads and not thread.daemon]
    assert not started, f"threads left behind: {started}"
    assert this.num_fds() <= descriptors + ALLOWED_NEW_DESCRIPTORS, sorted(_descriptors())


def _is_alive(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _descriptors() -> Iterator[str]:
    for name in os.listdir("/proc/self/fd"):
        try:
            yield os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue
