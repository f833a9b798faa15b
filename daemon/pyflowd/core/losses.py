"""Losses: workers that come to be, that die, and that cannot be made; what becomes of their calls and of spares."""

from collections.abc import Callable

from pyflowd.core import stimuli, verdicts
from pyflowd.core.call_desk import CallDesk
from pyflowd.core.calls import Call
from pyflowd.core.deadlines import Deadlines
from pyflowd.core.ids import WorkerId
from pyflowd.core.limits import Limits
from pyflowd.core.machines import SPARE_STATES
from pyflowd.core.usage import Usage
from pyflowd.core.zygote_keeper import ZygoteKeeper
from pyflowd.core.zygotes import Zygote
from pyflowd_client.protocol.errors import ErrorCode, ErrorInfo


class Losses:
    """The births and deaths of the pool's workers.

    usual: the limits of workers that have no call. on_failed: a call whose worker is lost, why, and what it has used.
    """

    def __init__(
        self,
        desk: CallDesk,
        deadlines: Deadlines,
        keeper: ZygoteKeeper,
        usual: Limits,
        on_failed: Callable[[Call, ErrorInfo, Usage], None],
    ) -> None:
        self._desk = desk
        self._pool = desk.pool
        self._deadlines = deadlines
        self._keeper = keeper
        self._usual = usual
        self._on_failed = on_failed

    def forked(self, forked: stimuli.WorkersForked) -> None:
        """Workers exist."""
        for worker_id in forked.workers:
            self._pool.forked(worker_id)

    def fork_failed(self, failed: stimuli.ForkFailed) -> None:
        """Workers cannot be made."""
        zygote = self._pool.book.living.get(failed.zygote)
        if zygote is not None:
            self._pause_refill(zygote)
        message = f"No process could be started for the node: {failed.message}"
        for worker_id in failed.workers:
            self._lose(worker_id, ErrorInfo(code=ErrorCode.WORKER_LOST, message=message), Usage())

    def exited(self, exited: stimuli.WorkerExited) -> None:
        """A worker is dead."""
        worker = self._pool.workers.get(exited.worker)
        if worker is None:
            return
        if worker.state in SPARE_STATES:
            self._pause_refill(worker.zygote)
        limits = worker.call.limits if worker.call else self._usual
        if exited.out_of_memory:
            error = verdicts.out_of_memory(limits)
        else:
            error = verdicts.death(exited.status, exited.usage.cpu_s, limits)
        self._lose(exited.worker, error, exited.usage)

    def misbehaved(self, misbehaved: stimuli.WorkerMisbehaved) -> None:
        """A worker says what no worker may."""
        self._desk.condemn(misbehaved.worker, misbehaved.reason)

    def _lose(self, worker_id: WorkerId, error: ErrorInfo, usage: Usage) -> None:
        zygote = self._pool.workers[worker_id].zygote
        call = self._desk.lose(worker_id)
        if call is not None:
            self._on_failed(call, call.verdict or error, usage.with_peaks(call.peaks))
        self._keeper.left(zygote)

    def _pause_refill(self, zygote: Zygote) -> None:
        self._pool.pause_refill(zygote, self._deadlines.now)
        self._deadlines.set(zygote, zygote.refill_at)
