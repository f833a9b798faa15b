"""LiveConductor: takes live sessions through their changes, from their first plan to their end.

    a client changes something, a timer ticks, a call ends > the session says what is overtaken, and what is ready
                                                           > calls are ended, or dropped, or begin

What counts in a session is its own business; this lets it happen, and tells everybody. Workers, preparations and
clients' connections are not its business.
"""

from collections.abc import Callable
from typing import cast

from pyflowd.core import effects, stimuli, verdicts
from pyflowd.core.call_desk import CallDesk
from pyflowd.core.calls import Call, LiveWork
from pyflowd.core.deadlines import Deadlines
from pyflowd.core.herald import Ending, Herald
from pyflowd.core.ids import EnvironmentId
from pyflowd.core.judgement import judge
from pyflowd.core.live_calls import SHARED, Execution, LiveTeller, NodeCalls
from pyflowd.core.live_programs import Programs, obstacle
from pyflowd.core.live_session import UNDECIDED, LiveSession
from pyflowd.core.needs import missing
from pyflowd.core.preparation import Prepared
from pyflowd.core.profiles import profile_of
from pyflowd.core.residents import Residents
from pyflowd.core.run_book import RunBook
from pyflowd.core.runs import Run
from pyflowd.core.usage import Usage
from pyflowd.core.worker_pool import Worker
from pyflowd_client.protocol import events
from pyflowd_client.protocol.errors import ErrorCode, ErrorInfo
from pyflowd_client.protocol.states import NodeState, RunState


class LiveConductor:
    """The live sessions of the book.

    on_over: a session is over, perhaps before it had a plan.
    """

    def __init__(
        self,
        book: RunBook,
        desk: CallDesk,
        deadlines: Deadlines,
        herald: Herald,
        emit: Callable[[effects.Effect], None],
    ) -> None:
        self.on_over: Callable[[Run], None] = lambda _: None
        self._book = book
        self._desk = desk
        self.residents = Residents(desk)
        self._deadlines = deadlines
        self._herald = herald
        self._emit = emit
        self._teller = LiveTeller(book, herald, emit)
        self._calls = NodeCalls(book, desk, self.residents, self._teller, emit)
        self._programs = Programs(book, desk, self._teller, emit)

    def execution(self, isolation: str) -> Execution:
        """How the nodes of a session are executed that wants this."""
        return self._programs if isolation == SHARED else self._calls

    def start(self, run: Run, prepared: Prepared) -> None:
        """The first plan stands, or the graph is refused."""
        findings = judge(prepared, run.inputs)
        self._herald.diagnostics(run, findings.diagnostics)
        self._tell_missing(run, prepared)
        assert run.live is not None
        refusal = findings.refusal(partial=run.options.partial or not run.live.is_once)
        refusal = refusal or self._obstacle(run, prepared)
        if refusal is not None or findings.binding is None or prepared.plan is None:
            self.finish(run, RunState.FAILED, refusal)
            return
        run.to(RunState.RUNNING)
        run.started_at = self._deadlines.now
        self._take(run, prepared)
        given = {
            (prepared.plan.nodes[index].id, pin): text
            for index, pins in findings.binding.literals.items()
            for pin, text in pins.items()
        }
        change = "" if run.live.is_once else str(run.live.changes)
        run.live.session = LiveSession(prepared.plan, given, change, self._book.last_values.holdings)
        if run.live.options.is_paused:
            run.live.session.pause(change)
        nodes = prepared.plan.nodes
        last = tuple(nodes[index].id for index in prepared.plan.last)
        self._herald.publish(run, events.RunStarted, graph=run.graph, nodes=len(nodes), last=last)
        self.go_on(run)

    def replace(self, run: Run, prepared: Prepared, change: str) -> ErrorInfo | None:
        """Another plan stands; why it does not replace the present one, if it does not."""
        session, execution = self._open(run)
        findings = judge(prepared, {})
        self._herald.diagnostics(run, findings.diagnostics, change)
        refusal = findings.refusal(partial=True) or self._obstacle(run, prepared)
        if refusal is not None or prepared.plan is None:
            return refusal or ErrorInfo(code=ErrorCode.BAD_GRAPH, message="The graph cannot be run.")
        self._tell_missing(run, prepared)
        before = {node_id: node.plan.code for node_id, node in session.nodes.items()}
        self._take(run, prepared)
        session.replace(prepared.plan, change)
        for node_id in before:
            node = session.nodes.get(node_id)
            if node is None or node.plan.code != before[node_id]:
                execution.forget(run, node_id)
        return None

    def end(self, run: Run, verdict: ErrorInfo) -> None:
        """End a session, and what runs in it."""
        if run.is_over:
            return
        is_closed = verdict.code is ErrorCode.CANCELLED
        self.finish(run, RunState.CANCELLED if is_closed else RunState.FAILED, None if is_closed else verdict)

    def reset(self, run: Run, change: str) -> None:
        """Forget all values and all processes, and begin anew."""
        session, execution = self._open(run)
        session.reset(change)
        execution.forget(run)

    def finish(self, run: Run, state: RunState, error: ErrorInfo | None = None) -> None:
        """Tell the end of a session."""
        assert run.live is not None
        if run.live.session is not None:
            self._end_all(run, run.live.session)
        run.to(state)
        duration_s = self._deadlines.now - run.submitted_at
        self._herald.publish(run, events.RunFinished, state=state, duration_s=duration_s, error=error)
        run.live.execution.forget(run)
        for key in (*run.live.timers.values(), run.live.linger, run):
            self._deadlines.clear(key)
        run.live.session, run.codes = None, {}
        self.on_over(run)
        forgotten = self._book.close(run)
        if forgotten is not None:
            self._emit(effects.CloseRun(run=forgotten))

    # -- calls

    def go_on(self, run: Run) -> None:
        """Something has changed: end what is pointless, begin what is ready, say when nothing is left."""
        session, execution = self._open(run)
        if session.has_overtaken:
            execution.end_overtaken(run, session, verdicts.superseded())
        execution.let_begin(run, session)
        self._tell_settled(run, session)

    def begin(self, call: Call, worker: Worker, in_hurry: bool) -> None:
        """A worker is there for a call of a session."""
        work = call.work
        assert isinstance(work, LiveWork)
        run = self._book.runs[work.run]
        session, execution = self._open(run)
        execution.begin(run, session, call, worker)

    def done(self, call: Call, work: LiveWork, done: stimuli.CallDone) -> None:
        """A call is over."""
        run = self._book.runs.get(work.run)
        self._execution(run).done(run, call, done)
        self._go_on_if_open(run)

    def fail(self, call: Call, work: LiveWork, error: ErrorInfo, usage: Usage) -> None:
        """A call is over, and not well."""
        run = self._book.runs.get(work.run)
        self._execution(run).fail(run, call, error, usage)
        self._go_on_if_open(run)

    def steps_over(self, over: stimuli.StepsOver) -> None:
        """Steps of a program are over."""
        call = self._desk.current(over.worker, over.call, LiveWork)
        run = None if call is None else self._book.runs.get(cast(LiveWork, call.work).run)
        if call is None or run is None or run.is_over:
            for outcome in over.outcomes:
                self._teller.release(outcome.outputs if isinstance(outcome, stimuli.StepDone) else ())
            return
        self._programs.over(run, call, over)
        self._go_on_if_open(run)

    def environment_changed(self, environment: EnvironmentId) -> None:
        """Processes that were forked before do not count any more; they finish what they do."""
        self.residents.leave(environment)
        self._programs.leave(environment)

    def lose(self, environment: EnvironmentId, error: ErrorInfo) -> None:
        """An environment cannot be used: what waits for it fails. The session goes on, for it may come back."""
        for run in [run for run in self._book.active.values() if run.live is not None and run.live.session]:
            session, execution = self._open(run)
            lost = execution.lose(run, session, environment)
            for node_id in lost:
                session.lose(node_id, error)
                node = session.nodes[node_id]
                self._herald.finished(run, node.plan, Ending(NodeState.FAILED, error), node.change or None)
            if lost:
                self.go_on(run)

    # -- within

    def _open(self, run: Run) -> tuple[LiveSession, Execution]:
        """A session that has a plan and is not over, and how its nodes are executed."""
        live = run.live
        assert live is not None
        assert live.session is not None
        return live.session, live.execution

    def _execution(self, run: Run | None) -> Execution:
        """The same of a session that may be over, or forgotten."""
        return self._calls if run is None or run.live is None else run.live.execution

    def _obstacle(self, run: Run, prepared: Prepared) -> ErrorInfo | None:
        assert run.live is not None
        is_shared = run.live.options.isolation == SHARED
        return obstacle(prepared.plan) if is_shared and prepared.plan is not None else None

    def _take(self, run: Run, prepared: Prepared) -> None:
        assert prepared.plan is not None
        run.codes, run.environments = prepared.codes, prepared.environments
        run.limits = self._book.granted(run, prepared.plan.limits)
        run.nodes = len(prepared.plan.nodes)

    def _tell_missing(self, run: Run, prepared: Prepared) -> None:
        if prepared.plan is not None and prepared.plan.needs:
            workdir = profile_of(run.profile).workdir
            self._herald.diagnostics(run, missing(prepared.plan.needs, run.permissions, workdir))

    def _end_all(self, run: Run, session: LiveSession) -> None:
        """Of a run that is executed once, what has not begun is cancelled, too."""
        verdict = verdicts.cancelled()
        assert run.live is not None
        is_once = run.live.is_once
        for node in session.nodes.values():
            if node.under_way or (is_once and node.state in UNDECIDED):
                self._herald.finished(run, node.plan, Ending(NodeState.CANCELLED, verdict), node.change or None)
        session.close()
        run.live.execution.end_overtaken(run, session, verdict)

    def _go_on_if_open(self, run: Run | None) -> None:
        if run is not None and run.live is not None and run.live.session is not None:
            self.go_on(run)

    def _tell_settled(self, run: Run, session: LiveSession) -> None:
        assert run.live is not None
        if run.live.is_settled_told or not session.is_settled:
            return
        run.live.is_settled_told = True
        if run.live.is_once:
            has_failed = any(node.state is NodeState.FAILED for node in session.nodes.values())
            self.finish(run, RunState.FAILED if has_failed else RunState.SUCCEEDED)
            return
        self._herald.publish(
            run,
            events.LiveSettled,
            change=session.change,
            executed=session.executed_count,
            failed=session.failed_count,
        )
        session.executed_count = session.failed_count = 0
