"""ExecutionController: the only mutator. A stimulus goes in, effects come out; `now` is monotonic seconds.

Each effect comes out when it is decided, not when all are: a worker begins while its followers' news are being made.

It owns the runs, the preparations, the calls and the pool, and is the one place where they meet. It performs
nothing itself: no clock, no descriptor, no thread. Two calls of `handle` with the same history give the same effects.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pyflowd.core import effects, stimuli, verdicts
from pyflowd.core.call_desk import CallDesk
from pyflowd.core.calls import Call, InspectionWork, LiveWork, NodeWork, Place
from pyflowd.core.deadlines import Deadlines, Occasion
from pyflowd.core.debug_desk import DebugDesk, Halt
from pyflowd.core.environment_desk import EnvironmentDesk
from pyflowd.core.herald import Herald
from pyflowd.core.holdings import Holdings
from pyflowd.core.ids import EnvironmentId, PreparationKey
from pyflowd.core.judgement import check_result
from pyflowd.core.last_values import ROOM_BYTES, LastValues
from pyflowd.core.learnt_imports import Learnt, LearntImports
from pyflowd.core.limits import Caps, Graces, Limits, PoolLimits
from pyflowd.core.listener import Listener
from pyflowd.core.live_calls import SHARED
from pyflowd.core.live_conductor import LiveConductor
from pyflowd.core.live_desk import LiveDesk
from pyflowd.core.live_state import Linger, Timer
from pyflowd.core.losses import Losses
from pyflowd.core.machines import WorkerState
from pyflowd.core.permissions import PermissionCaps
from pyflowd.core.preparation import Prepared
from pyflowd.core.preparer import Preparer
from pyflowd.core.profiles import profile_of
from pyflowd.core.result_desk import ResultDesk
from pyflowd.core.run_book import RunBook
from pyflowd.core.run_conductor import RunConductor
from pyflowd.core.runs import Run
from pyflowd.core.usage import Usage
from pyflowd.core.waiters import CheckWaiter, UpdateWaiter, Waiter
from pyflowd.core.worker_pool import Worker, WorkerPool
from pyflowd.core.zygote_keeper import ZygoteKeeper
from pyflowd_client.protocol import replies
from pyflowd_client.protocol.errors import ErrorCode, ErrorInfo
from pyflowd_client.protocol.ids import RunId
from pyflowd_client.protocol.states import RunState

INSPECTION_ATTEMPTS = 3
NOTHING_LEARNT: Mapping[str, Learnt] = {}
INSPECTION_LIMITS = Limits(timeout_s=60.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The figures the controller decides by.

    call, caps: what a run and its nodes may use unless it asks for other limits, and the highest it may ask for.
    permissions: the most that clients may grant. learns: whether it is remembered what nodes import.
    keeps_results: whether results of nodes are kept when nobody says anything of it.
    last_values_bytes: room for the last values of all graphs.
    leave_after_s: how long the daemon stays without work and clients.
    """

    pool: PoolLimits = field(default_factory=PoolLimits)
    call: Limits = field(default_factory=Limits)
    caps: Caps = field(default_factory=dict)
    permissions: PermissionCaps = field(default_factory=PermissionCaps)
    learns: bool = True
    keeps_results: bool = False
    graces: Graces = field(default_factory=Graces)
    last_values_bytes: int = ROOM_BYTES
    leave_after_s: float | None = None


class ExecutionController:
    """Everything the daemon has decided, and what it does next. `emit` is given each effect; it must not call back."""

    def __init__(
        self,
        policy: Policy,
        emit: Callable[[effects.Effect], None],
        run_prefix: str,
        wall_offset_s: float = 0.0,
        learnt: Mapping[str, Learnt] = NOTHING_LEARNT,
    ) -> None:
        self.pool = WorkerPool(policy.pool, policy.graces)
        self._policy = policy
        self._emit = emit
        self.last_values = LastValues(Holdings(), policy.last_values_bytes)
        self._book = RunBook(run_prefix, policy.call, policy.caps, policy.permissions, self.last_values)
        self._deadlines = Deadlines()
        self._herald = Herald(self._deadlines, emit, wall_offset_s)
        self._preparer: Preparer[Waiter] = Preparer(emit, self._enqueue_inspection, self._prepared, self._give_up)
        self._desk = CallDesk(self.pool, self._deadlines, policy.graces, emit)
        self._conductor = RunConductor(self._book, self._desk, self._deadlines, self._herald, emit)
        self._results = self._conductor.results = ResultDesk(self._herald, emit, is_on=policy.keeps_results)
        self.learnt = LearntImports(learnt, self._keep_learnt, learns=policy.learns)
        self._keeper = ZygoteKeeper(self.pool, self._desk, self._deadlines, self.learnt, emit)
        self._keeper.on_changed, self._keeper.on_lost = self._environment_changed, self._call_lost
        self._keeper.on_doomed = self._doom
        self._live = LiveConductor(self._book, self._desk, self._deadlines, self._herald, emit)
        self._live_desk = LiveDesk(self._book, self._live, self._deadlines, self._herald, self._prepare, emit)
        self._desk.on_wait = self._need
        self._desk.on_begin = {
            NodeWork: self._conductor.begin,
            LiveWork: self._live.begin,
            InspectionWork: self._preparer.begin,
        }
        self._live.on_over = lambda run: self._preparer.leave(run.id)
        self._listener = Listener(self._book.runs, self._desk, self._herald)
        self._losses = Losses(self._desk, self._deadlines, self._keeper, policy.call, self._fail)
        self._environments = EnvironmentDesk(
            self._book, self._herald, self._preparer, self._keeper, self._conductor, emit
        )
        self._debug = DebugDesk(self.pool, self._desk, self._deadlines, self._herald, emit)
        self._sessions = 0
        self._left = False
        self._doomed: dict[EnvironmentId, None] = {}
        self._is_idle = False
        self._handlers = self._table()

    def _table(self) -> Mapping[type[Any], Callable[[Any], None]]:
        """Who takes which stimulus."""
        return {
            stimuli.RunSubmitted: self._submit,
            stimuli.CheckAsked: self._check,
            stimuli.CancelAsked: self._cancel,
            stimuli.LiveAsked: self._live_desk.open,
            stimuli.LiveUpdateAsked: self._live_desk.update,
            stimuli.LiveFollowAsked: self._live_desk.follow,
            stimuli.LiveCloseAsked: self._live_desk.close,
            stimuli.RunUnfollowed: self._live_desk.unfollowed,
            stimuli.StopAsked: self._stop,
            stimuli.ChangeAsked: self._environments.change,
            stimuli.GraphRead: self._preparer.graph_read,
            stimuli.EnvironmentProvided: self._environments.provided,
            stimuli.EnvironmentProgressed: self._environments.progressed,
            stimuli.EnvironmentRefused: self._environments.refused,
            stimuli.EnvironmentChanged: self._environments.changed,
            stimuli.ChangeFailed: self._environments.failed,
            stimuli.EnvironmentLookedAt: self._environments.looked_at,
            stimuli.PlanBuilt: self._preparer.plan_built,
            stimuli.ZygoteWarmed: self._keeper.warmed,
            stimuli.ZygoteLost: self._keeper.lost,
            stimuli.WorkersForked: self._losses.forked,
            stimuli.ForkFailed: self._losses.fork_failed,
            stimuli.WorkerExited: self._losses.exited,
            stimuli.CallDone: self._done,
            stimuli.CallFailed: self._failed,
            stimuli.ResultFound: self._conductor.found,
            stimuli.ResultMissing: self._conductor.missing,
            stimuli.CallProgressed: self._listener.progressed,
            stimuli.StepsOver: self._live.steps_over,
            **self._debug.handlers,
            stimuli.CodeInspected: self._inspected,
            stimuli.WorkerMisbehaved: self._losses.misbehaved,
            stimuli.WorkerWrote: self._listener.wrote,
            stimuli.WorkersObserved: self._listener.observed,
            stimuli.SessionsCounted: self._counted,
            stimuli.MemoryMeasured: self._measured,
            stimuli.EnvironmentWanted: lambda wanted: self._keeper.keep(wanted.environment, wanted.preload),
            stimuli.WarmAsked: self._environments.warm,
            stimuli.CoolAsked: self._environments.cool,
            stimuli.DeadlinePassed: self._deadline,
        }

    @property
    def runs(self) -> dict[RunId, Run]:
        """The runs under way and the last that are over, by id."""
        return self._book.runs

    def handle(self, stimulus: stimuli.Stimulus, now: float) -> None:
        """Decide what to do about what has happened."""
        self._deadlines.now = now
        self._handlers[type(stimulus)](stimulus)
        while self._doomed:
            environment, _ = self._doomed.popitem()
            self._lose_environment(environment, self.pool.book.refusal(environment) or "")
        self._desk.assign()
        self._consider_leaving()
        if self.last_values.news:
            self.last_values.put_away()
        garbage = self.last_values.holdings.collect()
        if garbage:
            self._emit(effects.Release(payloads=garbage))

    def next_deadline(self) -> float | None:
        """When `DeadlinePassed` is due, monotonic seconds."""
        return self._deadlines.next_at()

    def watched(self) -> list[Worker]:
        """The workers whose use of things should be looked at now: those that have a call."""
        return [worker for worker in self.pool.workers.values() if worker.state is WorkerState.BUSY]

    # -- requests

    def _submit(self, asked: stimuli.RunSubmitted) -> None:
        if asked.options.isolation == SHARED:
            self._live_desk.open_once(asked)
            return
        refusal = self._book.refusal(asked.submission, asked.options) or self._debug.refusal(asked)
        if refusal is not None:
            self._herald.refuse(asked.session, asked.request, refusal)
            return
        run = self._book.open(asked.submission, asked.options, self._deadlines.now)
        self._herald.answer(asked.session, asked.request, replies.RunAccepted(run=run.id))
        self._emit(effects.OpenRun(run=run.id, session=asked.session, max_value_bytes=asked.options.max_value_bytes))
        self._conductor.bound(run)
        self._debug.expect(run, asked)
        self._prepare(asked.submission, run.id)

    def _check(self, asked: stimuli.CheckAsked) -> None:
        waiter = CheckWaiter(asked.session, asked.request, tuple(asked.submission.inputs.items()))
        self._prepare(asked.submission, waiter)

    def _cancel(self, asked: stimuli.CancelAsked) -> None:
        run = self.runs.get(asked.run)
        if run is None:
            self._herald.refuse(asked.session, asked.request, verdicts.unknown_run(asked.run))
            return
        self._herald.answer(asked.session, asked.request, replies.Done())
        self._end(run, verdicts.cancelled())

    def _end(self, run: Run, verdict: ErrorInfo) -> None:
        (self._conductor if run.live is None else self._live).end(run, verdict)
        if run.is_over:
            self._environments.leave(run)

    def _stop(self, asked: stimuli.StopAsked) -> None:
        self.pool.closed = self._book.closed = True
        if asked.session is not None and asked.request is not None:
            self._herald.answer(asked.session, asked.request, replies.Done())
        for run in list(self._book.active.values()):
            if not asked.drain or (run.live is not None and not run.live.is_once):
                self._end(run, verdicts.cancelled())

    def _counted(self, counted: stimuli.SessionsCounted) -> None:
        self._sessions = counted.sessions

    # -- preparing

    def _prepare(self, submission: stimuli.Submission, waiter: Waiter) -> None:
        if submission.at_hand is not None:
            self._keeper.look(submission.at_hand.python, submission.at_hand.fingerprint)
        self._preparer.prepare(submission, waiter)

    def _prepared(self, waiter: Waiter, prepared: Prepared) -> None:
        if isinstance(waiter, CheckWaiter):
            self._herald.answer(waiter.session, waiter.request, check_result(prepared, dict(waiter.inputs)))
        elif isinstance(waiter, UpdateWaiter):
            self._live_desk.prepared(waiter, prepared)
        elif not self.runs[waiter].is_over:
            run = self.runs[waiter]
            (self._conductor if run.live is None else self._live).start(run, prepared)

    def _give_up(self, waiter: Waiter, error: ErrorInfo) -> None:
        if isinstance(waiter, CheckWaiter):
            self._herald.refuse(waiter.session, waiter.request, error)
        elif isinstance(waiter, UpdateWaiter):
            self._live_desk.given_up(waiter, error)
        elif not self.runs[waiter].is_over:
            run = self.runs[waiter]
            (self._conductor if run.live is None else self._live).finish(run, RunState.FAILED, error)

    def _inspected(self, inspected: stimuli.CodeInspected) -> None:
        call = self._desk.settle(inspected.worker, inspected.call, InspectionWork)
        if call is not None and isinstance(call.work, InspectionWork):
            self._preparer.inspected(call, call.work, inspected)

    # -- calls

    def _need(self, environment: EnvironmentId) -> None:
        """A call waits for it."""
        if self._keeper.is_warm(environment):
            return
        self._keeper.need(environment)
        if self.pool.book.refusal(environment) is not None:
            self._doom(environment)

    def _doom(self, environment: EnvironmentId) -> None:
        self._doomed[environment] = None

    def _enqueue_inspection(
        self, environment: EnvironmentId, key: PreparationKey, work: InspectionWork, place: Place
    ) -> None:
        self._desk.enqueue(environment, key, work, INSPECTION_LIMITS, place)

    def _done(self, done: stimuli.CallDone) -> None:
        if done.imports:
            self._keeper.learn(self.pool.workers.get(done.worker), done.imports)
        call = self._desk.settle(done.worker, done.call, NodeWork, LiveWork)
        if call is None:
            self._emit(effects.Release(payloads=tuple(value.payload for _, value in done.outputs)))
        elif isinstance(call.work, LiveWork):
            self._live.done(call, call.work, done)
        else:
            self._conductor.done(call, done)

    def _failed(self, failed: stimuli.CallFailed) -> None:
        self._keeper.learn(self.pool.workers.get(failed.worker), failed.imports)
        call = self._desk.settle(failed.worker, failed.call, NodeWork, LiveWork, InspectionWork)
        if call is None:
            return
        error = verdicts.judged(failed.error, call.verdict, call.limits)
        self._fail(call, error, failed.usage.with_peaks(call.peaks))

    def _fail(self, call: Call, error: ErrorInfo, usage: Usage) -> None:
        if isinstance(call.work, InspectionWork) and error.code is ErrorCode.WORKER_LOST:
            self._inspect_again(call, call.work, error)
        elif isinstance(call.work, InspectionWork):
            self._preparer.inspection_failed(call, call.work, error)
        elif isinstance(call.work, LiveWork):
            self._live.fail(call, call.work, error, usage)
        else:
            self._conductor.fail(call, call.work, error, usage)

    def _inspect_again(self, call: Call, work: InspectionWork, error: ErrorInfo) -> None:
        """The worker was lost through no fault of the code, so nothing is known of the code yet."""
        if work.attempt < INSPECTION_ATTEMPTS:
            again = work._replace(attempt=work.attempt + 1)
            self._desk.enqueue(call.environment, call.group, again, INSPECTION_LIMITS, call.place)
            return
        self._desk.drop(call.group)
        for waiter in self._preparer.abandon(call.group):
            self._give_up(waiter, ErrorInfo(code=ErrorCode.ENVIRONMENT, message=error.message))

    # -- workers and zygotes

    def _environment_changed(self, environment: EnvironmentId, is_another: bool) -> None:
        """What was found in an environment is out of date; what another interpreter compiled cannot be executed."""
        self._preparer.forget(environment)
        self._live.environment_changed(environment)
        if is_another:
            message = f"{profile_of(environment).python} is another Python than when the run began; run it again."
            self._conductor.lose(environment, ErrorInfo(code=ErrorCode.ENVIRONMENT, message=message))

    def _call_lost(self, call: Call, reason: str) -> None:
        message = f"The node's process was lost with its environment's fork server: {reason}"
        self._fail(call, ErrorInfo(code=ErrorCode.WORKER_LOST, message=message), Usage())

    def _keep_learnt(self, python: str, learnt: Learnt) -> None:
        self._emit(effects.KeepLearnt(python=python, learnt=learnt))

    def _lose_environment(self, environment: EnvironmentId, reason: str) -> None:
        """An environment that cannot be used ends whatever waits for it."""
        error = ErrorInfo(code=ErrorCode.ENVIRONMENT, message=reason)
        for key, waiters in self._preparer.lose(environment).items():
            self._desk.drop(key)
            for waiter in waiters:
                self._give_up(waiter, error)
        self._conductor.lose(environment, error)
        self._live.lose(environment, error)
        self._environments.lose(environment, error)

    def _measured(self, measured: stimuli.MemoryMeasured) -> None:
        held = measured.held_bytes
        self._live.residents.make_room(self.pool.excess_bytes(sum(held.values()), measured.short_bytes), held)
        self._keeper.measured(measured)

    # -- time

    def _deadline(self, _: stimuli.DeadlinePassed) -> None:
        while (key := self._deadlines.pop_due(self._deadlines.now)) is not None:
            if isinstance(key, Call):
                self._desk.overdue(key)
            elif isinstance(key, Worker):
                self._desk.kill(key.id)
            elif isinstance(key, Timer):
                self._live_desk.tick(key)
            elif isinstance(key, Linger):
                self._live_desk.abandoned(key)
            elif isinstance(key, Halt):
                self._debug.overdue(key)
            elif isinstance(key, Run):
                self._end(key, verdicts.run_time_limit(key.limits))
            elif key is Occasion.RETIRE:
                self._keeper.retire()
            elif key is Occasion.HEIRS:
                self._keeper.start_heirs()
            elif key is Occasion.IDLE:
                self.pool.closed = self._book.closed = True

    def _consider_leaving(self) -> None:
        if self._book.active and not self._is_idle:
            return
        is_idle = not self._book.active and self._preparer.is_idle
        if self._book.closed and is_idle and not self._left:
            self._left = True
            self._emit(effects.Leave())
        leave_after_s = self._policy.leave_after_s
        if leave_after_s is None:
            return
        if not is_idle or self._sessions:
            if self._is_idle:
                self._deadlines.clear(Occasion.IDLE)
            self._is_idle = False
        elif not self._is_idle:
            self._is_idle = True
            self._deadlines.set(Occasion.IDLE, self._deadlines.now + leave_after_s)
