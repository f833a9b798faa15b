"""How nodes of live sessions are executed in one process: programs, one after the other, with objects by reference.

    ready nodes, in order > one call > its steps, told one by one > its end

The first step that is not over is the one under way. A change that makes a step pointless ends the program, and what
it had left to do waits again. When the process is lost, so are the objects in it: what was JSON is given to the next
one as JSON, and what was not is made again when somebody needs it.
"""

from collections import deque
from collections.abc import Callable, Container
from dataclasses import dataclass, field

from pyflowd.core import effects, stimuli, verdicts
from pyflowd.core.call_desk import CallDesk
from pyflowd.core.call_output import CallOutput
from pyflowd.core.calls import Call, LiveWork, Place
from pyflowd.core.ids import EnvironmentId, WorkerId
from pyflowd.core.live_calls import OVERTAKEN_PATIENCE_S, LiveTeller, begin_node
from pyflowd.core.live_session import LiveSession
from pyflowd.core.run_book import RunBook
from pyflowd.core.runs import Run
from pyflowd.core.usage import Usage
from pyflowd.core.worker_pool import Worker
from pyflowd.graph.interface import CodeHash
from pyflowd.graph.plan import Plan
from pyflowd_client.protocol.errors import ErrorCode, ErrorInfo
from pyflowd_client.protocol.ids import NodeId, RunId
from pyflowd_client.protocol.states import NodeState

OF_PROFILES = {"processes", "scratch_bytes", "scratch_files"}


@dataclass(slots=True, eq=False)
class SharedProcess:
    """The process of a session, and its program.

    code: what it has loaded of each node. held: the nodes whose objects it has. steps: the nodes of the program that
    are not over, queued or under way. call: once a worker has it. is_at_work: the first of the steps has begun.
    """

    worker: WorkerId | None = None
    code: dict[NodeId, CodeHash] = field(default_factory=dict)
    held: set[NodeId] = field(default_factory=set)
    steps: deque[NodeId] = field(default_factory=deque)
    call: Call | None = None
    is_at_work: bool = False

    def is_now(self, worker: WorkerId | None) -> None:
        """Another process, or none, which has nothing of what the former had."""
        self.worker = worker
        self.code.clear()
        self.held.clear()


class Programs:
    """The shared processes, by session."""

    def __init__(
        self,
        book: RunBook,
        desk: CallDesk,
        teller: LiveTeller,
        emit: Callable[[effects.Effect], None],
    ) -> None:
        self._book = book
        self._desk = desk
        self._teller = teller
        self._emit = emit
        self._processes: dict[RunId, SharedProcess] = {}

    def let_begin(self, run: Run, session: LiveSession) -> None:
        """Let what is ready wait its turn, unless a program is under way: then it is the next one's."""
        process = self._process(run)
        if process.steps or process.call is not None:
            return
        if process.worker not in self._desk.pool.workers:
            process.is_now(None)
        ready, skipped = session.ready(together=True)
        lost = session.kept_above(ready, process.held | set(ready))
        if lost:
            for node_id in ready:
                session.unready(node_id)
            session.redo(lost)
            ready, more = session.ready(together=True)
            skipped += more
        for node_id, error in skipped:
            self._teller.skipped(run, session, node_id, error)
        if ready:
            process.steps = deque(ready)
            place = Place(stays=True, on=process.worker, is_urgent=True)
            first = session.nodes[ready[0]]
            work = LiveWork(run.id, ready[0], first.plan.title, first.change)
            self._desk.enqueue(run.environments[0], run.id, work, run.limits, place)

    def end_overtaken(self, run: Run, session: LiveSession, verdict: ErrorInfo) -> None:
        """End the program, if it would do something pointless."""
        overtaken = session.overtaken()
        process = self._process(run)
        if not overtaken.executions and not set(overtaken.queued) & set(process.steps):
            return
        if process.call is None:
            self._desk.drop(run.id)
            self._put_off(process, session)
        else:
            is_outdated = any(overtaken.executions.values()) or not overtaken.executions
            self._desk.overtake(process.call, verdict, 0.0 if is_outdated else OVERTAKEN_PATIENCE_S)

    def begin(self, run: Run, session: LiveSession, call: Call, worker: Worker) -> None:
        """A worker is there for a program."""
        process = self._process(run)
        if worker.id != process.worker:
            process.is_now(worker.id)
        process.call = call
        forgotten = tuple(node_id for node_id in process.code if node_id not in session.nodes)
        for node_id in forgotten:
            del process.code[node_id]
            process.held.discard(node_id)
        at_hand = process.held.union(process.steps)
        self._emit(
            effects.SendProgram(
                zygote=worker.zygote.id,
                worker=worker.id,
                call=call.id,
                steps=tuple([self._step(run, session, process, node_id, at_hand) for node_id in process.steps]),
                seed=run.options.seed,
                limits=call.limits,
                variables=run.variables,
                forgotten=forgotten,
            )
        )
        self._begin_step(run, session, process)

    def over(self, run: Run, call: Call, over: stimuli.StepsOver) -> None:
        """Steps are over."""
        process = self._processes.get(run.id)
        session = None if run.live is None else run.live.session
        for number, outcome in enumerate(over.outcomes, 1):
            if session is None or process is None or process.call is not call or not process.steps:
                self._teller.release(outcome.outputs if isinstance(outcome, stimuli.StepDone) else ())
                continue
            node_id = process.steps.popleft()
            self._take(run, session, process, node_id, outcome)
            self._begin_step(run, session, process, is_over=number < len(over.outcomes))

    def done(self, run: Run | None, call: Call, done: stimuli.CallDone) -> None:
        """A program is over."""
        self._teller.release(done.outputs)
        self._ended(run, call, verdicts.bad_frame("a program that is over before its steps are"), done.usage)

    def fail(self, run: Run | None, call: Call, error: ErrorInfo, usage: Usage) -> None:
        """A program is over before its end, perhaps with its process."""
        if error.code is ErrorCode.WORKER_LOST and call.place.on == call.worker:
            error = verdicts.process_gone()
        self._ended(run, call, error, usage)

    def forget(self, run: Run, node: NodeId | None = None) -> None:
        """The process is of no use any more. Other code of a node is no reason: it is loaded by the next program."""
        process = self._processes.get(run.id)
        if process is None or node is not None:
            return
        if process.worker is not None:
            self._desk.dismiss(process.worker)
        if run.is_over:
            del self._processes[run.id]
        else:
            process.is_now(None)

    def lose(self, run: Run, session: LiveSession, environment: EnvironmentId) -> list[NodeId]:
        """The nodes of a program that waited for an environment."""
        process = self._process(run)
        if run.environments[0] != environment or process.call is not None:
            return []
        self._desk.drop(run.id)
        lost = [node_id for node_id in process.steps if session.nodes[node_id].state is NodeState.READY]
        process.steps.clear()
        return lost

    def leave(self, environment: EnvironmentId) -> None:
        """An environment has changed: a process that has the former one is of no use any more."""
        for run_id in list(self._processes):
            run = self._book.runs[run_id]
            if environment in run.environments:
                self.forget(run)

    # -- within

    def _process(self, run: Run) -> SharedProcess:
        return self._processes.setdefault(run.id, SharedProcess())

    def _step(
        self, run: Run, session: LiveSession, process: SharedProcess, node_id: NodeId, at_hand: Container[NodeId]
    ) -> effects.Step:
        node = session.nodes[node_id].plan
        is_loaded = process.code.get(node_id) == node.code
        process.code[node_id] = node.code
        return effects.Step(
            node=node_id,
            title=node.title,
            code=run.codes[node.code].code,
            source=session.plan.sources[node.code],
            outputs=node.outputs,
            inputs=session.inputs(node_id, at_hand),
            is_loaded=is_loaded,
        )

    def _begin_step(self, run: Run, session: LiveSession, process: SharedProcess, *, is_over: bool = False) -> None:
        """The next step is under way; not if something above it has failed, for then the worker skips it.

        is_over: it is not any more, as is told next; nobody needs to be told now.
        """
        if not process.steps or process.call is None or process.call.verdict is not None:
            return
        node = session.nodes.get(process.steps[0])
        if node is None or node.state is not NodeState.READY:
            return
        if not session.are_done(node.plan.predecessors):
            return
        call, limits = process.call, self._book.granted(run, node.plan.limits)
        call.output = CallOutput(limits.output_bytes)
        work = begin_node(run, session, call, node.plan.id)
        process.is_at_work = True
        if not is_over:
            self._teller.begun(run, work)
            self._desk.extend(call, limits.timeout_s)

    def _take(
        self, run: Run, session: LiveSession, process: SharedProcess, node_id: NodeId, outcome: stimuli.StepOutcome
    ) -> None:
        call = process.call
        assert call is not None
        process.held.discard(node_id)
        has_begun, process.is_at_work = process.is_at_work, False
        if not has_begun:
            session.unready(node_id)
            self._teller.release(outcome.outputs if isinstance(outcome, stimuli.StepDone) else ())
        elif isinstance(outcome, stimuli.StepDone):
            if self._teller.done(run, session, call, outcome):
                process.held.add(node_id)
        elif isinstance(outcome, stimuli.StepFailed):
            error = verdicts.judged(outcome.error, call.verdict, call.limits)
            self._teller.not_done(run, session, call, error, outcome.usage)
        else:  # what it needed is not there after all
            above = session.nodes[node_id].plan.predecessors if node_id in session.nodes else ()
            process.held.difference_update(session.plan.nodes[index].id for index in above)
            self._teller.not_done(run, session, call, verdicts.superseded(), Usage())

    def _ended(self, run: Run | None, call: Call, error: ErrorInfo, usage: Usage) -> None:
        process = None if run is None else self._processes.get(run.id)
        if call.worker is not None and (process is None or process.worker != call.worker):
            self._desk.dismiss(call.worker)
        if run is None or process is None or process.call is not call:
            return
        process.call = None
        was_at_work, process.is_at_work = process.is_at_work, False
        if error.code is ErrorCode.SUPERSEDED and call.verdict is None:
            process.is_now(None)  # it has not taken the program
        session = None if run.live is None else run.live.session
        if session is None:
            return
        if was_at_work:
            self._teller.not_done(run, session, call, call.verdict or error, usage)
            process.steps.popleft()
        self._put_off(process, session)

    def _put_off(self, process: SharedProcess, session: LiveSession) -> None:
        """What a program has not begun waits again."""
        for node_id in process.steps:
            session.unready(node_id)
        process.steps.clear()


def obstacle(plan: Plan) -> ErrorInfo | None:
    """Why the nodes of a graph cannot share a process."""
    for node in plan.nodes:
        what = "environment" if node.environment else next(iter(OF_PROFILES & node.limits.keys()), None)
        if what is not None:
            message = f"The nodes cannot share a process: '{node.title}' has another `{what}` than the graph."
            return ErrorInfo(code=ErrorCode.BAD_GRAPH, message=message)
    return None
