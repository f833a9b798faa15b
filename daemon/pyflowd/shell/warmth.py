"""Looks after warm environments: whether they are what they were, once a second while nodes run; and what they need.

A single fork server that nobody uses costs nothing: it is not looked at. What changes then is seen when it is used.
"""

import asyncio
from collections.abc import Callable
from itertools import islice

import psutil

from pyflowd.core.execution_controller import ExecutionController
from pyflowd.core.ids import WorkerId, ZygoteId
from pyflowd.core.stimuli import MemoryMeasured, Stimulus
from pyflowd.core.zygotes import Zygote
from pyflowd.shell.environments import Environments
from pyflowd.shell.watch import proportional_bytes

BUSY_PERIOD_S = 1.0
IDLE_PERIOD_S = 10.0
LOOKS_PER_MEASUREMENT = 10
HELD_LOOKED_AT = 64
SHORT_BELOW = 0.05  # of the machine's memory


class Warmth:
    """Samples the zygotes of the controller's pool."""

    def __init__(
        self,
        controller: ExecutionController,
        environments: Environments,
        pid_of: Callable[[ZygoteId, WorkerId], int | None],
        loop: asyncio.AbstractEventLoop,
        feed: Callable[[Stimulus], None],
    ) -> None:
        self._pool = controller.pool
        self._environments = environments
        self._pid_of = pid_of
        self._loop = loop
        self._feed = feed
        self._timer: asyncio.TimerHandle | None = None
        self._is_idle = False
        self._looks = 0

    def arm(self) -> None:
        """Go on looking as long as there is something to see."""
        if self._pool.running and self._is_idle:
            self.close()  # the next look would be late
        if self._timer is None and (self._pool.running or len(self._pool.book.living) > 1 or self._pool.held):
            self._is_idle = not self._pool.running
            self._timer = self._loop.call_later(IDLE_PERIOD_S if self._is_idle else BUSY_PERIOD_S, self._look)

    def close(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self._is_idle = None, False

    def measure(self, zygote: Zygote) -> int:
        """The memory of a fork server and its spares; shared pages count once."""
        pids = [zygote.pid, *(self._pid_of(zygote.id, worker) for worker in zygote.spares)]
        return sum(proportional_bytes(pid) for pid in pids if pid is not None)

    def _measure_held(self) -> dict[WorkerId, int]:
        """The memory of workers that are held: of those unused for longest, for each look takes a moment."""
        workers = [self._pool.workers[worker] for worker in islice(self._pool.held, HELD_LOOKED_AT)]
        pids = {one.id: self._pid_of(one.zygote.id, one.id) for one in workers}
        return {worker: proportional_bytes(pid) for worker, pid in pids.items() if pid is not None}

    def _look(self) -> None:
        self._timer, self._is_idle = None, False
        if not self._pool.running or self._looks % LOOKS_PER_MEASUREMENT == 0:
            self._feed(
                MemoryMeasured(
                    memory_bytes={zygote.id: self.measure(zygote) for zygote in self._pool.book.alive()},
                    held_bytes=self._measure_held(),
                    short_bytes=_short_bytes(),
                )
            )
        self._looks += 1
        self._environments.look({zygote.python for zygote in self._pool.zygotes.values()})
        self.arm()


def _short_bytes() -> int:
    """How much memory the machine lacks, for it to have a little left; 0 when it has."""
    memory = psutil.virtual_memory()
    return max(0, int(memory.total * SHORT_BELOW) - memory.available)
