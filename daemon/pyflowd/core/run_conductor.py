"""RunConductor: takes each run from its plan to its last event.

It lets nodes begin when they are ready, tells what becomes of them, and ends the run when its last node is over, or
before that when somebody wants it ended. Workers, preparations and sessions are not its business.
"""

from collections.abc import Callable, Iterable
from functools import partial

from pyflowd.core import effects, stimuli, verdicts
from pyflowd.core.call_desk import CallDesk
from pyflowd.core.calls import Call, NodeWork
from pyflowd.core.deadlines import Deadlines
from pyflowd.core.graph_executor import GraphExecutor
from pyflowd.core.herald import Ending, Herald, node_at
from pyflowd.core.ids import EnvironmentId
from pyflowd.core.judgement import judge
from pyflowd.core.needs import missing
from pyflowd.core.parts import judge_part
from pyflowd.core.preparation import Prepared
from pyflowd.core.profiles import profile_of
from pyflowd.core.result_desk import Lookup, ResultDesk
from pyflowd.core.result_reasons import FOUND
from pyflowd.core.run_book import RunBook
from pyflowd.core.runs import Run
from pyflowd.core.usage import Usage
from pyflowd.core.worker_pool import Worker
from pyflowd_client.protocol import events
from pyflowd_client.protocol.errors import ErrorCode, ErrorInfo
from pyflowd_client.protocol.options import WHOLE_GRAPH
from pyflowd_client.protocol.states import NodeState, RunState


class RunConductor:
    """The runs of the book, from their plans on.

    results: who knows which were kept.
    """

    def __init__(
        self,
        book: RunBook,
        desk: CallDesk,
        deadlines: Deadlines,
        herald: Herald,
        emit: Callable[[effects.Effect], None],
    ) -> None:
        self.results: ResultDesk
        self._book = book
        self._desk = desk
        self._deadlines = deadlines
        self._herald = herald
        self._emit = emit
        self._last = book.last_values

    def bound(self, run: Run) -> None:
        """Let the run end when its time is over."""
        if run.limits.run_timeout_s is not None:
            self._deadlines.set(run, run.submitted_at + run.limits.run_timeout_s)

    def start(self, run: Run, prepared: Prepared) -> None:
        """The plan stands: the first nodes are ready, or the graph is refused."""
        if run.selection is WHOLE_GRAPH:
            findings = judge(prepared, run.inputs)
        else:
            findings = judge_part(prepared, run, partial(self._last.of, run.origin))
        plan = findings.plan
        self._herald.diagnostics(run, findings.diagnostics)
        if plan is not None and plan.needs:
            workdir = profile_of(run.profile).workdir
            self._herald.diagnostics(run, missing(plan.needs, run.permissions, workdir))
        refusal = findings.refusal(run.options.partial)
        if refusal is not None or findings.binding is None or plan is None:
            self.finish(run, RunState.FAILED, refusal)
            return
        run.to(RunState.RUNNING)
        run.started_at = self._deadlines.now
        run.limits = self._book.granted(run, plan.limits)
        self.bound(run)
        run.codes, run.environments = prepared.codes, prepared.environments
        run.nodes = len(plan.nodes)
        run.executor = GraphExecutor(plan, findings.binding, self._last.holdings, findings.outer)
        run.may_keep = self.results.concerns(run, plan)
        last = tuple(plan.nodes[index].id for index in plan.last)
        self._herald.publish(run, events.RunStarted, graph=run.graph, nodes=run.nodes, last=last)
        ready, skipped = run.executor.start()
        self._herald.skipped(run, skipped)
        self._enqueue_nodes(run, ready)
        self._settle(run)

    def begin(self, call: Call, worker: Worker, in_hurry: bool) -> None:
        """A worker is there for a node."""
        work = call.work
        assert isinstance(work, NodeWork)
        run = self._book.runs[work.run]
        assert run.executor is not None
        node = run.executor.plan.nodes[work.node]
        if run.may_keep:
            self.results.begun(run, call, work, worker.zygote.fingerprint)
        self._herald.publish(run, events.NodeStarted, node=node.id, title=node.title)
        self._emit(
            effects.SendCall(
                zygote=worker.zygote.id,
                worker=worker.id,
                call=call.id,
                terms=run.terms(run.executor.plan, node, call.limits),
                inputs=run.executor.begin(work.node),
                lingers=not in_hurry,
                debugging=run.debugging,
            )
        )
        self._settle(run)

    def done(self, call: Call, done: stimuli.CallDone) -> None:
        """A node returned."""
        assert isinstance(call.work, NodeWork)
        usage = done.usage.with_peaks(call.peaks)
        run = self._book.runs[call.work.run]
        assert run.executor is not None
        node = run.executor.plan.nodes[call.work.node]
        if tuple(name for name, _ in done.outputs) != node.outputs:
            call.verdict = call.verdict or verdicts.bad_frame("other outputs than the node has")
        if call.verdict is not None:
            self._emit(effects.Release(payloads=tuple(value.payload for _, value in done.outputs)))
            self.fail(call, call.work, call.verdict, usage)
            return
        self._herald.rest_of_output(run, call)
        self._herald.warnings(run, call, done.warnings)
        if call.transcript is not None:
            self.results.keep(call, call.work, done)
        ready = run.executor.done(call.work.node, done.outputs)
        self._last.keep(run.origin, node.id, node.code, done.outputs)
        self._herald.finished(run, node, Ending(NodeState.DONE, None, call, usage, done.outputs))
        self._enqueue_nodes(run, ready)
        self._settle(run)

    def fail(self, call: Call, work: NodeWork, error: ErrorInfo, usage: Usage) -> None:
        """A node did not return, and takes with it what depends on it."""
        run = self._book.runs[work.run]
        assert run.executor is not None
        self._herald.rest_of_output(run, call)
        self.results.forget(work)
        if error.code is ErrorCode.CANCELLED and run.verdict is not None:
            run.executor.cancelled(work.node)
            self._herald.finished(run, node_at(run, work.node), Ending(NodeState.CANCELLED, error, call, usage))
        else:
            skipped = run.executor.failed(work.node)
            self._herald.finished(run, node_at(run, work.node), Ending(NodeState.FAILED, error, call, usage))
            self._herald.skipped(run, skipped)
        self._settle(run)

    def found(self, found: stimuli.ResultFound) -> None:
        """The result of a node was kept: it is as if it had just returned, with all that it wrote."""
        lookup = self.results.settle(found.lookup)
        run, index = self._waiting(lookup), lookup.work.node
        outputs = found.result.outputs
        is_fit = tuple(name for name, _ in outputs) == lookup.question.outputs
        if run is None or run.executor is None or not is_fit:
            self._emit(effects.Release(payloads=tuple(value.payload for _, value in outputs)))
            if run is not None:
                self._enqueue_node(run, index)
            return
        node = run.executor.plan.nodes[index]
        run.executor.begin(index)
        self.results.explain(run, node, FOUND)
        self._herald.kept(run, node, found.result)
        ready = run.executor.done(index, outputs)
        self._last.keep(run.origin, node.id, node.code, outputs)
        looked_s = self._deadlines.now - lookup.asked_at
        ending = Ending(NodeState.DONE, None, outputs=outputs, duration_s=looked_s, is_kept=True)
        self._herald.finished(run, node, ending)
        self._enqueue_nodes(run, ready)
        self._settle(run)

    def missing(self, missing: stimuli.ResultMissing) -> None:
        """No result was kept: the node waits for its turn."""
        lookup = self.results.settle(missing.lookup)
        run = self._waiting(lookup)
        if run is not None:
            self.results.missing(run, lookup, missing)
            self._enqueue_node(run, lookup.work.node)

    def _waiting(self, lookup: Lookup) -> Run | None:
        """The run of a node that still waits for its result; None when it was ended meanwhile."""
        run = self._book.runs.get(lookup.work.run)
        if run is None or run.executor is None:
            return None
        return run if run.executor.states[lookup.work.node] is NodeState.READY else None

    def end(self, run: Run, verdict: ErrorInfo) -> None:
        """End a run before its nodes are over: those that run are interrupted, the others do not begin."""
        if run.is_over or run.verdict is not None:
            return
        run.verdict = verdict
        if run.executor is None:
            self._finish_as_judged(run, RunState.FAILED)
            return
        self._cancel_pending(run, run.executor, verdict)
        self._desk.interrupt_group(run.id, verdict)
        self._settle(run)

    def lose(self, environment: EnvironmentId, error: ErrorInfo) -> None:
        """An environment cannot be used: the runs under way in it, or with nodes that wait for it, fail.

        Nodes may still run, in a fork server that came before: they are interrupted, and then the run is over.
        """
        waiting = self._desk.groups_waiting(environment)
        for run in list(self._book.active.values()):
            if (environment in run.environments or run.id in waiting) and run.executor is not None:
                run.verdict = run.verdict or error
                self._cancel_pending(run, run.executor, error)
                self._desk.interrupt_group(run.id, error)
                self._settle(run)

    def finish(self, run: Run, state: RunState, error: ErrorInfo | None = None) -> None:
        """Tell the end of a run."""
        run.to(state)
        duration_s = self._deadlines.now - run.submitted_at
        self._herald.publish(run, events.RunFinished, state=state, duration_s=duration_s, error=error)
        if run.executor is not None:
            self.results.leave(run.id)
            run.nodes_over, run.executor, run.codes = run.executor.nodes_over, None, {}
        self._deadlines.clear(run)
        forgotten = self._book.close(run)
        if forgotten is not None:
            self._emit(effects.CloseRun(run=forgotten))

    def _enqueue_nodes(self, run: Run, ready: Iterable[int]) -> None:
        assert run.executor is not None
        for index in ready:
            if not run.may_keep or not self.results.look_up(run, index):
                self._enqueue_node(run, index)

    def _enqueue_node(self, run: Run, index: int) -> None:
        assert run.executor is not None
        node = run.executor.plan.nodes[index]
        environment, limits = self._book.place(run, node)
        self._desk.enqueue(environment, run.id, NodeWork(run.id, index), limits)

    def _settle(self, run: Run) -> None:
        """End the run when its last node is over."""
        executor = run.executor
        if executor is not None and executor.is_over and not run.is_over:
            self._finish_as_judged(run, executor.verdict)

    def _finish_as_judged(self, run: Run, state: RunState) -> None:
        """Finish a run in `state`, unless we ended it: then as our verdict says."""
        if run.verdict is None:
            self.finish(run, state)
        elif run.verdict.code is ErrorCode.CANCELLED:
            self.finish(run, RunState.CANCELLED)
        else:
            self.finish(run, RunState.FAILED, run.verdict)

    def _cancel_pending(self, run: Run, executor: GraphExecutor, error: ErrorInfo) -> None:
        self._desk.drop(run.id)
        for index in executor.cancel_pending():
            self._herald.finished(run, node_at(run, index), Ending(NodeState.CANCELLED, error))
