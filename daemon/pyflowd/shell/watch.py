"""Looks at the memory of busy workers ten times a second, and only while there are any.

The kernel's RLIMIT_DATA bounds private memory of one process; shared mappings, and the processes that a node
starts, only show here. A walk through a node's descendants reads all of /proc: it is made at every fifth look, and only
for nodes that have children.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil

from pyflowd.core.execution_controller import ExecutionController
from pyflowd.core.stimuli import MemorySampled, Stimulus

PERIOD_S = 0.1
TREE_EVERY = 5


class Watch:
    """Samples what `controller.watched()` names."""

    def __init__(
        self, controller: ExecutionController, loop: asyncio.AbstractEventLoop, feed: Callable[[Stimulus], None]
    ) -> None:
        self._controller = controller
        self._loop = loop
        self._feed = feed
        self._timer: asyncio.TimerHandle | None = None
        self._looks = 0

    def arm(self) -> None:
        """Go on looking as long as a call is under way."""
        if self._timer is None and self._controller.pool.running:
            self._timer = self._loop.call_later(PERIOD_S, self._look)

    def close(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()

    def _look(self) -> None:
        self._timer = None
        self._looks += 1
        with_tree = self._looks % TREE_EVERY == 0
        watched = self._controller.watched()
        if watched:
            self._feed(MemorySampled(resident_bytes={w: resident_bytes(pid, with_tree) for w, pid in watched}))
        self.arm()


def resident_bytes(pid: int, with_tree: bool) -> int:
    """What a process holds in memory, with its descendants if asked for; 0 when it is gone."""
    total = 0
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        for member in [process, *(process.children(recursive=True) if with_tree and has_children(pid) else ())]:
            with suppress(psutil.Error):
                total += member.memory_info().rss
    return total


def has_children(pid: int) -> bool:
    """Whether a process has children now; True where the kernel does not say (no CONFIG_PROC_CHILDREN)."""
    threads = Path(f"/proc/{pid}/task")
    try:
        return any((thread / "children").read_bytes() for thread in threads.iterdir())
    except OSError:
        return True
