"""Answers `examine`: what the controller knows is read at once, the rest is looked at in a thread."""

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from pyflowd.core.machines import ZygoteState
from pyflowd.core.profiles import profile_of
from pyflowd.core.worker_pool import WorkerPool
from pyflowd.core.zygotes import Zygote
from pyflowd.doctor.examination import Examination
from pyflowd.doctor.facts import Environment
from pyflowd.sandbox.memory import TierMemory
from pyflowd.sandbox.tiers import Tier
from pyflowd_client.protocol.replies import Examined, Observation


class Examiner:
    """One thread, so that examinations wait for each other.

    Where a tier is not the highest it is forgotten how that was found: the next daemon tries again, for whoever asks
    is about to change something.
    """

    def __init__(
        self,
        examination: Examination,
        pool: WorkerPool,
        memory: TierMemory,
        loop: asyncio.AbstractEventLoop,
        wall_offset_s: float,
    ) -> None:
        self._examination = examination
        self._pool = pool
        self._memory = memory
        self._loop = loop
        self._wall_offset_s = wall_offset_s
        self._is_closed = False
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="examiner")

    def __call__(self, done: Callable[[Examined], None]) -> None:
        """Look at everything, then tell."""
        environments = tuple(map(self._environment, self._pool.zygotes.values()))
        for zygote, environment in zip(self._pool.zygotes.values(), environments, strict=True):
            if environment.tier is not None and environment.tier < Tier[self._examination.sandbox.maximum_tier]:
                self._memory.forget(zygote.environment)

        def tell(result: asyncio.Future[tuple[Observation, ...]]) -> None:
            if not self._is_closed and not result.cancelled():
                done(Examined(time=self._wall_offset_s + time.monotonic(), findings=result.result()))

        self._loop.run_in_executor(self._thread, self._examination, environments).add_done_callback(tell)

    def close(self) -> None:
        """Wait for nothing, and tell nothing any more."""
        self._is_closed = True
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _environment(self, zygote: Zygote) -> Environment:
        profile = profile_of(zygote.environment)
        return Environment(
            python=profile.python,
            permissions=profile.permissions,
            is_default=zygote.environment == self._examination.python,
            is_warm=zygote.state is ZygoteState.WARM,
            version=zygote.version,
            tier=Tier[zygote.tier] if zygote.tier else None,
            lacks=zygote.lacks,
            reason=zygote.reason,
            process=zygote.pid if zygote.state is ZygoteState.WARM else None,
        )
