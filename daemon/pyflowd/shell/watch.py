"""Looks at what busy workers use ten times a second, and only while there are any.

The kernel's RLIMIT_DATA bounds private memory of one process; shared mappings, memory that is only in files of none
(memfd), and the processes that a node starts, only show here. At every fifth look the processes are counted, with those
that a node started: a walk through all of /proc, made only for nodes that have children.
"""

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from pyflowd.core.execution_controller import ExecutionController
from pyflowd.core.ids import WorkerId, ZygoteId
from pyflowd.core.limits import Limits
from pyflowd.core.stimuli import Stimulus, WorkersObserved
from pyflowd.core.usage import NOTHING, Observation
from pyflowd.shell.wards import Wards

PERIOD_S = 0.1
TREE_EVERY = 5
MEMFD = "/memfd:"
BLOCK_BYTES = 512
KILOBYTE = 1024  # the kernel's


class Watch:
    """Samples what `controller.watched()` names."""

    def __init__(
        self,
        controller: ExecutionController,
        pid_of: Callable[[ZygoteId, WorkerId], int | None],
        loop: asyncio.AbstractEventLoop,
        feed: Callable[[Stimulus], None],
        wards: Wards,
    ) -> None:
        self._wards = wards
        self._controller = controller
        self._pid_of = pid_of
        self._loop = loop
        self._feed = feed
        self._timer: asyncio.TimerHandle | None = None
        self._looks = 0

    def arm(self) -> None:
        """Go on looking as long as a call is under way."""
        if self._timer is None and (self._controller.pool.is_at_work or self._wards):
            self._timer = self._loop.call_later(PERIOD_S, self._look)

    def close(self) -> None:
        """Look no more."""
        self._wards.end_others(())
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        self._timer = None
        self._looks += 1
        watched = self._controller.watched()
        if watched:
            with_tree = self._looks % TREE_EVERY == 0
            pids = {worker.id: self._pid_of(worker.zygote.id, worker.id) for worker in watched}
            limits = {worker.id: worker.call.limits for worker in watched if worker.call is not None}
            observations = {
                worker: observe(pid, limits[worker]) if with_tree else glance(pid)
                for worker, pid in pids.items()
                if pid is not None
            }
            self._feed(WorkersObserved(observations=observations))
            self._wards.take(limits, pids)
        self._wards.end_others(worker.id for worker in watched)
        self.arm()


def glance(pid: int) -> Observation:
    """The memory of a process without its descendants; nothing when it is gone."""
    try:
        return Observation(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return NOTHING


def observe(pid: int, limits: Limits) -> Observation:
    """The memory of a process and its descendants, and how many threads they have in all.

    What they share is counted for each, unless that makes too much: then once, which takes longer to find out.
    Memfds may be mapped as well, and a large output passes through one: the larger figure counts, not the sum.
    """
    memory_bytes = threads = 0
    members: list[int] = []
    files: dict[tuple[int, int], int] = {}
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        for member in [process, *(process.children(recursive=True) if has_children(pid) else ())]:
            with suppress(psutil.Error):
                memory_bytes += member.memory_info().rss
                threads += member.num_threads()
                files |= memory_files(member.pid)
                members.append(member.pid)
            if len(members) > limits.processes:
                break  # a fork bomb: no more need be known, and there is no time to lose
    if memory_bytes > limits.memory_bytes and 1 < len(members) <= limits.processes:
        memory_bytes = sum(map(proportional_bytes, members))
    return Observation(max(memory_bytes, sum(files.values())), threads)


def proportional_bytes(pid: int) -> int:
    """The memory of a process, with its share of what it has in common with others; 0 when it is gone."""
    with suppress(OSError), open(f"/proc/{pid}/smaps_rollup", "rb") as file:
        for line in file:
            if line.startswith(b"Pss:"):
                return int(line.split()[1]) * KILOBYTE
    return 0


def memory_files(pid: int) -> dict[tuple[int, int], int]:
    """The bytes in each memfd that a process has open, by device and inode; empty when it is gone."""
    found: dict[tuple[int, int], int] = {}
    with suppress(OSError), os.scandir(f"/proc/{pid}/fd") as descriptors:
        for descriptor in descriptors:
            with suppress(OSError):
                if os.readlink(descriptor.path).startswith(MEMFD):
                    status = os.stat(descriptor.path)
                    found[status.st_dev, status.st_ino] = status.st_blocks * BLOCK_BYTES
    return found


def has_children(pid: int) -> bool:
    """Whether a process has children now; True where the kernel does not say (no CONFIG_PROC_CHILDREN)."""
    threads = Path(f"/proc/{pid}/task")
    try:
        return any((thread / "children").read_bytes() for thread in threads.iterdir())
    except OSError:
        return True
