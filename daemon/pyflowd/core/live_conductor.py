"""LiveConductor: takes live sessions through their changes, from their first plan to their end.

    a client changes something, a timer ticks, a call ends > the session says what is overtaken, and what is ready
                                                           > calls are ended, or dropped, or begin

What counts in a session is its own business; this lets it happen, and tells everybody. Workers, preparations and
clients' connections are not its business.
"""

from collections.abc import Callable, Hashable

from pyflowd.core import effects, stimuli, verdicts
from pyflowd.core.call_desk import CallDesk
from pyflowd.core.calls import Call, LiveWork, Place, Work
from pyflowd.core.deadlines import Deadlines
from pyflowd.core.herald import Ending, Herald
from pyflowd.core.ids import EnvironmentId
from pyflowd.core.judgement import judge
from pyflowd.core.limits import Limits
from pyflowd.core.live_session import LiveSession
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
from pyflowd_client.protocol.ids import NodeId
from pyflowd_client.protocol.states import NodeState, RunState

RESIDENT, FRESH = "resident", "fresh"
ISOLATIONS = (FRESH, RESIDENT)
# Most nodes take less: then the next execution begins sooner than an interrupt could end this one.
OVERTAKEN_PATIENCE_S = 0.05
Enqueue = Callable[[EnvironmentId, Hashable, Work, Limits, Place], None]


class LiveConductor:
    """The live sessions of the book. `now` is monotonic seconds; `enqueue` lets a node wait its turn.

    on_over: a session is over, perhaps before it had a plan.
    """

    def __init__(
        self,
        book: RunBook,
        desk: CallDesk,
        deadlines: Deadlines,
        herald: Herald,
        enqueue: Enqueue,
        emit: Callable[[effects.Effect], None],
    ) -> None:
        self.now = 0.0
        self.on_over: Callable[[Run], None] = lambda _: None
        self._book = book
        self._desk = desk
        self.residents = Residents(desk)
        self._deadlines = deadlines
        self._herald = herald
        self._enqueue = enqueue
        self._emit = emit

    def start(self, run: Run, prepared: Prepared) -> None:
        """The first plan stands, or the graph is refused."""
        findings = judge(prepared, run.inputs)
        self._herald.diagnostics(run, findings.diagnostics)
        self._tell_missing(run, prepared)
        refusal = findings.refusal(partial=True)
        if refusal is not None or findings.binding is None or prepared.plan is None:
            self.finish(run, RunState.FAILED, refusal)
            return
        run.to(RunState.RUNNING)
        run.started_at = self.now
        self._take(run, prepared)
        given = {
            (prepared.plan.nodes[index].id, pin): text
            for index, pins in findings.binding.literals.items()
            for pin, text in pins.items()
        }
        assert run.live is not None
        change = str(run.live.changes)
        run.live.session = LiveSession(prepared.plan, given, change, self._book.last_values.holdings)
        if run.live.options.is_paused:
            run.live.session.pause(change)
        nodes = prepared.plan.nodes
        last = tuple(nodes[index].id for index in prepared.plan.last)
        self._herald.publish(run, events.RunStarted, graph=run.graph, nodes=len(nodes), last=last)
        self.go_on(run)

    def replace(self, run: Run, prepared: Prepared, change: str) -> ErrorInfo | None:
        """Another plan stands; why it does not replace the present one, if it does not."""
        session = self._session(run)
        findings = judge(prepared, {})
        self._herald.diagnostics(run, findings.diagnostics, change)
        refusal = findings.refusal(partial=True)
        if refusal is not None or prepared.plan is None:
            return refusal or ErrorInfo(code=ErrorCode.BAD_GRAPH, message="The graph cannot be run.")
        self._tell_missing(run, prepared)
        before = {node_id: node.plan.code for node_id, node in session.nodes.items()}
        self._take(run, prepared)
        session.replace(prepared.plan, change)
        for node_id in before:
            node = session.nodes.get(node_id)
            if node is None or node.plan.code != before[node_id]:
                self.residents.dismiss((run.id, node_id))
        return None

    def end(self, run: Run, verdict: ErrorInfo) -> None:
        """End a session, and what runs in it."""
        if run.is_over:
            return
        is_closed = verdict.code is ErrorCode.CANCELLED
        self.finish(run, RunState.CANCELLED if is_closed else RunState.FAILED, None if is_closed else verdict)

    def reset(self, run: Run, change: str) -> None:
        """Forget all values and all processes, and begin anew."""
        self._session(run).reset(change)
        self.residents.dismiss_all(run.id)

    def finish(self, run: Run, state: RunState, error: ErrorInfo | None = None) -> None:
        """Tell the end of a session."""
        assert run.live is not None
        if run.live.session is not None:
            self._end_all(run, run.live.session)
        run.to(state)
        duration_s = self.now - run.submitted_at
        self._herald.publish(run, events.RunFinished, state=state, duration_s=duration_s, error=error)
        self.residents.dismiss_all(run.id)
        for key in (*run.live.timers.values(), run.live.linger):
            self._deadlines.clear(key)
        run.live.session, run.codes = None, {}
        self.on_over(run)
        forgotten = self._book.close(run)
        if forgotten is not None:
            self._emit(effects.CloseRun(run=forgotten))

    # -- calls

    def go_on(self, run: Run) -> None:
        """Something has changed: end what is pointless, begin what is ready, say when nothing is left."""
        session = self._session(run)
        self._end_overtaken(run, session, verdicts.superseded())
        ready, skipped = session.ready()
        for node_id, error in skipped:
            node = session.nodes[node_id]
            self._herald.finished(run, node.plan, Ending(NodeState.SKIPPED, error), node.change)
        for node_id in ready:
            if node_id in session.nodes and session.nodes[node_id].state is NodeState.READY:
                self._enqueue_node(run, session, node_id)
        self._tell_settled(run, session)

    def begin(self, call: Call, work: LiveWork, worker: Worker) -> None:
        """A worker is there for a node: it gets the latest values."""
        run = self._book.runs[work.run]
        session = self._session(run)
        assert run.live is not None
        node = session.nodes[work.id]
        execution, inputs = session.begin(work.id)
        work = work._replace(title=node.plan.title, change=node.change, execution=execution)
        call.work = work
        self._herald.publish(run, events.NodeStarted, node=work.id, title=work.title, change=work.change)
        key = (run.id, work.id)
        self._emit(
            effects.SendCall(
                zygote=worker.zygote.id,
                worker=worker.id,
                call=call.id,
                title=node.plan.title,
                code=run.codes[node.plan.code].code,
                source=session.plan.sources[node.plan.code],
                inputs=inputs,
                outputs=node.plan.outputs,
                lingers=True,
                seed=run.options.seed,
                limits=call.limits,
                variables=run.variables,
                stays=call.place.stays,
                is_loaded=call.place.stays and self.residents.is_loaded(key, worker.id),
            )
        )
        if call.place.stays:
            self.residents.begun(key, call, node.plan.code)

    def done(self, call: Call, work: LiveWork, done: stimuli.CallDone) -> None:
        """A node returned."""
        usage = done.usage.with_peaks(call.peaks)
        payloads = [value.payload for _, value in done.outputs]
        run = self._book.runs.get(work.run)
        session = self._ended(run, call, work, done.worker)
        node = None if session is None else session.nodes.get(work.id)
        if run is None or session is None or node is None:
            self._emit(effects.Release(payloads=tuple(payloads)))
            return
        names = tuple(name for name, _ in done.outputs)
        if call.verdict is None and names != node.plan.outputs:
            call.verdict = verdicts.bad_frame("other outputs than the node has")
        if call.verdict is not None or not session.done(work.id, work.execution, done.outputs):
            self._emit(effects.Release(payloads=tuple(payloads)))
            self._not_done(run, session, call, work, call.verdict or verdicts.superseded(), usage)
            return
        self._herald.warnings(run, call, done.warnings)
        self._book.last_values.keep(run.origin, work.id, node.plan.code, done.outputs)
        self._herald.finished(run, work, Ending(NodeState.DONE, None, call, usage, done.outputs), work.change)
        self.go_on(run)

    def fail(self, call: Call, work: LiveWork, error: ErrorInfo, usage: Usage) -> None:
        """A node did not return."""
        run = self._book.runs.get(work.run)
        session = self._ended(run, call, work, call.worker)
        if run is not None and session is not None:
            self._not_done(run, session, call, work, error, usage)

    def lose(self, environment: EnvironmentId, error: ErrorInfo) -> None:
        """An environment cannot be used: what waits for it fails. The session goes on, for it may come back."""
        for run in [run for run in self._book.active.values() if run.live is not None and run.live.session]:
            session = self._session(run)
            lost = [
                node_id
                for node_id, node in session.nodes.items()
                if node.state is NodeState.READY and self._environment(run, session, node_id)[0] == environment
            ]
            for node_id in lost:
                self._desk.drop((run.id, node_id))
                session.lose(node_id, error)
                node = session.nodes[node_id]
                self._herald.finished(run, node.plan, Ending(NodeState.FAILED, error), node.change)
            if lost:
                self.go_on(run)

    # -- within

    def _session(self, run: Run) -> LiveSession:
        assert run.live is not None
        assert run.live.session is not None
        return run.live.session

    def _take(self, run: Run, prepared: Prepared) -> None:
        assert prepared.plan is not None
        run.codes, run.environments = prepared.codes, prepared.environments
        run.limits = self._book.granted(run, prepared.plan.limits)
        run.nodes = len(prepared.plan.nodes)

    def _tell_missing(self, run: Run, prepared: Prepared) -> None:
        if prepared.plan is not None and prepared.plan.needs:
            workdir = profile_of(run.profile).workdir
            self._herald.diagnostics(run, missing(prepared.plan.needs, run.permissions, workdir))

    def _environment(self, run: Run, session: LiveSession, node_id: NodeId) -> tuple[EnvironmentId, Limits]:
        node = session.nodes[node_id].plan
        limits = self._book.granted(run, node.limits)
        return self._book.environment(run, node.environment, limits), limits

    def _enqueue_node(self, run: Run, session: LiveSession, node_id: NodeId) -> None:
        assert run.live is not None
        node = session.nodes[node_id]
        environment, limits = self._environment(run, session, node_id)
        key = (run.id, node_id)
        if run.live.options.isolation == RESIDENT:
            place = self.residents.place(key, node.plan.code, environment)
        else:
            place = Place(is_urgent=True)
        self._enqueue(environment, key, LiveWork(run.id, node_id, node.plan.title, node.change), limits, place)

    def _end_all(self, run: Run, session: LiveSession) -> None:
        verdict = verdicts.cancelled()
        for node in session.nodes.values():
            if node.under_way:
                self._herald.finished(run, node.plan, Ending(NodeState.CANCELLED, verdict), node.change)
        session.close()
        self._end_overtaken(run, session, verdict)

    def _end_overtaken(self, run: Run, session: LiveSession, verdict: ErrorInfo) -> None:
        overtaken = session.overtaken()
        for node_id in overtaken.queued:
            self._desk.drop((run.id, node_id))
        for (node_id, execution), is_outdated in overtaken.executions.items():
            for call in self._desk.running((run.id, node_id)):
                if isinstance(call.work, LiveWork) and call.work.execution == execution:
                    self._desk.overtake(call, verdict, 0.0 if is_outdated else OVERTAKEN_PATIENCE_S)

    def _ended(self, run: Run | None, call: Call, work: LiveWork, worker: object) -> LiveSession | None:
        """A call is over: its worker is kept or not. The session that it belongs to, if that is not over."""
        if call.place.stays and call.worker is not None:
            self.residents.settle((work.run, work.id), call.worker)
        if run is None or run.is_over or run.live is None:
            return None
        self._herald.output(run, call, call.output.finish())
        return run.live.session

    def _not_done(
        self, run: Run, session: LiveSession, call: Call, work: LiveWork, error: ErrorInfo, usage: Usage
    ) -> None:
        counts = session.failed(work.id, work.execution, error)
        state = NodeState.FAILED if counts else NodeState.CANCELLED
        shown = error if counts else verdicts.superseded()
        self._herald.finished(run, work, Ending(state, shown, call, usage), work.change)
        self.go_on(run)

    def _tell_settled(self, run: Run, session: LiveSession) -> None:
        assert run.live is not None
        if run.live.is_settled_told or not session.is_settled:
            return
        run.live.is_settled_told = True
        self._herald.publish(
            run,
            events.LiveSettled,
            change=session.change,
            executed=session.executed_count,
            failed=session.failed_count,
        )
        session.executed_count = session.failed_count = 0
