"""CallDesk: every call from its queue to its end, with the deadlines that it and its worker have.

A call ends by the answer of its worker or by the worker's death; before that it can be interrupted, and killed. What
an end means for a run or a preparation is not decided here.
"""

from collections.abc import Callable, Hashable, Mapping
from typing import Protocol

from pyflowd.core import effects, verdicts
from pyflowd.core.calls import ANYWHERE, Call, Place, Work
from pyflowd.core.deadlines import Deadlines, Occasion
from pyflowd.core.ids import CallId, EnvironmentId, WorkerId
from pyflowd.core.limits import Graces, Limits
from pyflowd.core.machines import WorkerState
from pyflowd.core.worker_pool import Assignments, Worker, WorkerPool
from pyflowd_client.protocol.errors import ErrorInfo


class Suspender(Protocol):
    """Who has stopped the clock of calls, and wants to know what becomes of them."""

    def interrupted(self, worker: WorkerId) -> None:
        """The call is told to end."""

    def over(self, worker: WorkerId) -> None:
        """The call has ended."""

    def gone(self, worker: WorkerId) -> None:
        """Its worker is dead, after that."""


class CallDesk:
    """The calls of all runs and preparations.

    on_begin: who lets a call begin, by its work, given the call, its worker, and whether more calls wait.
    on_wait: a call waits for a worker of an environment.
    """

    def __init__(
        self, pool: WorkerPool, deadlines: Deadlines, graces: Graces, emit: Callable[[effects.Effect], None]
    ) -> None:
        self.on_begin: Mapping[type[Work], Callable[[Call, Worker, bool], None]]
        self.on_wait: Callable[[EnvironmentId], None] = lambda _: None
        self.pool = pool
        self._deadlines = deadlines
        self._graces = graces
        self._emit = emit
        self._running: dict[CallId, Call] = {}
        self._suspended: dict[WorkerId, Suspender] = {}
        self._made = 0

    def enqueue(
        self, environment: EnvironmentId, group: Hashable, work: Work, limits: Limits, place: Place = ANYWHERE
    ) -> None:
        """Let work wait for its turn; it begins at once where a worker is held for it and nothing goes before."""
        self._made += 1
        call_id = CallId(self._made)
        call = Call(id=call_id, environment=environment, group=group, work=work, limits=limits, place=place)
        worker = self.pool.claim(call, self._deadlines.now)
        if worker is None:
            self.pool.enqueue(call)
            self.on_wait(environment)
        else:
            self._begin(call, worker, in_hurry=False)

    def drop(self, group: Hashable) -> None:
        """What still waits in a group shall not begin."""
        self.pool.drop(group)

    def groups_waiting(self, environment: EnvironmentId) -> set[Hashable]:
        """The groups of the calls that wait for an environment."""
        return {call.group for call in self.pool.waiting(environment)}

    def assign(self) -> None:
        """Let calls begin as far as there are workers for them. What is only forked for later comes after that."""
        made = self.pool.assign(self._deadlines.now)
        if made.forks_first:
            self._fork(made)
        for call, worker in made.calls:
            self._begin(call, worker, in_hurry=made.in_hurry)
        if not made.forks_first:
            self._fork(made)

    def suspend(self, worker_id: WorkerId, suspender: Suspender) -> None:
        """The time of a worker's call does not count any more, until `resume`."""
        call = self.pool.workers[worker_id].call
        self._suspended[worker_id] = suspender
        if call is not None and not call.is_interrupted:
            self._deadlines.clear(call)

    def resume(self, worker_id: WorkerId, left_s: float) -> None:
        """The call has so much time from now on."""
        call = self.pool.workers[worker_id].call
        if call is not None and not call.is_interrupted:
            self._deadlines.set(call, self._deadlines.now + left_s)

    def running(self, group: Hashable) -> list[Call]:
        """The calls of a group that are under way."""
        return [call for call in self._running.values() if call.group == group]

    def interrupt(self, call: Call, verdict: ErrorInfo) -> None:
        """End a running call; if the interrupt does not, the grace deadline kills it."""
        if call.verdict is None:
            call.verdict = verdict
            self._interrupt(call)

    def overtake(self, call: Call, verdict: ErrorInfo, patience_s: float) -> None:
        """A running call is pointless: it may end by itself within so long, else it is interrupted."""
        if call.is_interrupted:
            return
        is_news = call.verdict is None
        call.verdict = call.verdict or verdict
        if not patience_s:
            self._interrupt(call)
        elif is_news:
            self._deadlines.set(call, self._deadlines.now + patience_s)

    def _interrupt(self, call: Call) -> None:
        worker = None if call.worker is None else self.pool.workers.get(call.worker)
        if worker is not None:
            call.is_interrupted = True
            if worker.id in self._suspended:
                self._suspended[worker.id].interrupted(worker.id)
            self._emit(effects.InterruptWorker(zygote=worker.zygote.id, worker=worker.id))
            self._deadlines.set(call, self._deadlines.now + self._graces.interrupt_s)

    def interrupt_group(self, group: Hashable, verdict: ErrorInfo) -> None:
        """End all running calls of a group."""
        for call in self.running(group):
            self.interrupt(call, verdict)

    def current(self, worker_id: WorkerId, call_id: CallId, *works: type[Work]) -> Call | None:
        """The call that a worker speaks of; None, and the worker killed, when it is not what it does."""
        worker = self.pool.workers.get(worker_id)
        if worker is None:
            return None
        if worker.call is None or worker.call.id != call_id or not isinstance(worker.call.work, works):
            self.condemn(worker_id, "an answer to what it was not asked")
            return None
        return worker.call

    def extend(self, call: Call, timeout_s: float) -> None:
        """A call that is not ended yet has so long from now on."""
        if call.verdict is None:
            self._deadlines.set(call, self._deadlines.now + timeout_s)

    def settle(self, worker_id: WorkerId, call_id: CallId, *works: type[Work]) -> Call | None:
        """The call that this answer ends; None, and the worker killed, when it is not an answer to what it does."""
        if self.current(worker_id, call_id, *works) is None:
            return None
        worker = self.pool.workers[worker_id]
        assert worker.call is not None
        if worker_id in self._suspended:
            self._suspended[worker_id].over(worker_id)
        self._deadlines.clear(worker.call)
        del self._running[call_id]
        call = self.pool.answered(worker, self._deadlines.now)
        if worker.state is WorkerState.LEAVING:
            self._deadlines.set(worker, self._deadlines.now + self._graces.leave_s)
        if self.pool.lacks_spares:
            self._deadlines.set(Occasion.QUIET, self.pool.quiet_at)
        return call

    def lose(self, worker_id: WorkerId) -> Call | None:
        """A worker is dead; the call it has not answered, if any."""
        worker, call = self.pool.died(worker_id)
        self._deadlines.clear(worker)
        if call is not None:
            self._deadlines.clear(call)
            del self._running[call.id]
        suspender = self._suspended.pop(worker_id, None)
        if suspender is not None:
            suspender.over(worker_id)
            suspender.gone(worker_id)
        return call

    def dismiss(self, worker_id: WorkerId) -> None:
        """A worker that was held is not needed any more."""
        worker = self.pool.workers.get(worker_id)
        if worker is not None and worker.state is WorkerState.HELD:
            self.pool.let_go(worker)
            self._emit(effects.DismissWorker(zygote=worker.zygote.id, worker=worker_id))
            self._deadlines.set(worker, self._deadlines.now + self._graces.leave_s)

    def condemn(self, worker_id: WorkerId, reason: str) -> None:
        """A worker has broken the rules: it is killed, and its call fails for that."""
        worker = self.pool.workers.get(worker_id)
        if worker is None:
            return
        if worker.call is not None and worker.call.verdict is None:
            worker.call.verdict = verdicts.bad_frame(reason)
        self.kill(worker_id)

    def kill(self, worker_id: WorkerId) -> None:
        """End a worker, if it still is."""
        worker = self.pool.workers.get(worker_id)
        if worker is not None:
            self._emit(effects.KillWorker(zygote=worker.zygote.id, worker=worker_id))

    def overdue(self, call: Call) -> None:
        """A call took too long: first it is interrupted, then killed."""
        if not call.is_interrupted:
            call.verdict = call.verdict or verdicts.time_limit(call.limits)
            self._interrupt(call)
        elif call.worker is not None:
            self.kill(call.worker)

    def _begin(self, call: Call, worker: Worker, *, in_hurry: bool) -> None:
        call.started_at = self._deadlines.now
        self._deadlines.set(call, self._deadlines.now + call.limits.timeout_s)
        self._running[call.id] = call
        self.on_begin[type(call.work)](call, worker, in_hurry)

    def _fork(self, made: Assignments) -> None:
        for zygote, workers in made.forks.items():
            self._emit(effects.ForkWorkers(zygote=zygote, workers=tuple(workers), rehearse=not made.in_hurry))
