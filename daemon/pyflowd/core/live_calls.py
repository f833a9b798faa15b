"""How nodes of live sessions are executed: one call each, in a process of its own, which may be kept for the next."""

from collections.abc import Callable
from operator import itemgetter
from typing import Any, Protocol, cast

from pyflowd.core import effects, stimuli, verdicts
from pyflowd.core.call_desk import CallDesk
from pyflowd.core.calls import Call, LiveWork, Place
from pyflowd.core.herald import Ending, Herald
from pyflowd.core.ids import EnvironmentId
from pyflowd.core.live_session import LiveSession, Outputs, payloads_of
from pyflowd.core.residents import Residents
from pyflowd.core.run_book import RunBook
from pyflowd.core.runs import Run
from pyflowd.core.usage import Usage
from pyflowd.core.values import Value
from pyflowd.core.worker_pool import Worker
from pyflowd_client.protocol import events
from pyflowd_client.protocol.errors import ErrorCode, ErrorInfo
from pyflowd_client.protocol.ids import NodeId
from pyflowd_client.protocol.states import NodeState

RESIDENT, SHARED = "resident", "shared"
# Most nodes take less: then the next execution begins sooner than an interrupt could end this one.
OVERTAKEN_PATIENCE_S = 0.05
NAME_OF = itemgetter(0)  # an output
Outcome = stimuli.CallDone | stimuli.StepDone


class Execution(Protocol):
    """A way to execute the nodes of a session."""

    def let_begin(self, run: Run, session: LiveSession) -> None:
        """Let what is ready wait its turn."""

    def end_overtaken(self, run: Run, session: LiveSession, verdict: ErrorInfo) -> None:
        """End what has become pointless."""

    def begin(self, run: Run, session: LiveSession, call: Call, worker: Worker) -> None:
        """A worker is there."""

    def done(self, run: Run | None, call: Call, done: stimuli.CallDone) -> None:
        """A call is over, well."""

    def fail(self, run: Run | None, call: Call, error: ErrorInfo, usage: Usage) -> None:
        """A call is over, not well."""

    def forget(self, run: Run, node: NodeId | None = None) -> None:
        """A node has other code now, or (None) all begins anew, or ends."""

    def lose(self, run: Run, session: LiveSession, environment: EnvironmentId) -> list[NodeId]:
        """An environment cannot be used: the nodes that waited for it, and do not wait any more."""


class LiveTeller:
    """What becomes of nodes of live sessions, told to the session and to everybody."""

    def __init__(self, book: RunBook, herald: Herald, emit: Callable[[effects.Effect], None]) -> None:
        self._book = book
        self._herald = herald
        self._emit = emit

    def begun(self, run: Run, work: LiveWork) -> None:
        """A node's code begins."""
        self._herald.publish(run, events.NodeStarted, node=work.id, title=work.title, change=work.change)

    def done(self, run: Run, session: LiveSession, call: Call, outcome: Outcome) -> bool:
        """A node returned; whether that counts."""
        work = call.work
        assert isinstance(work, LiveWork)
        node = session.nodes.get(work.id)
        names = tuple(map(NAME_OF, outcome.outputs))
        if call.verdict is None and node is not None and names != node.plan.outputs:
            call.verdict = verdicts.bad_frame("other outputs than the node has")
        if call.verdict is not None or not session.done(work.id, work.execution, outcome.outputs):
            self.release(outcome.outputs)
            self.not_done(run, session, call, call.verdict or verdicts.superseded(), outcome.usage)
            return False
        assert node is not None
        self._herald.rest_of_output(run, call)
        if outcome.warnings:
            self._herald.warnings(run, call, outcome.warnings)
        usage = outcome.usage.with_peaks(call.peaks)
        duration_s = outcome.duration_s if isinstance(outcome, stimuli.StepDone) else None
        ending = Ending(NodeState.DONE, None, call, usage, outcome.outputs, duration_s)
        self._herald.finished(run, work, ending, work.change)
        if not node.plan.successors and session.is_settled:
            self._emit(effects.FLUSH)
        plain = tuple([(name, value) for name, value in outcome.outputs if isinstance(value, Value)])
        if len(plain) == len(outcome.outputs):
            self._book.last_values.keep(run.origin, work.id, node.plan.code, plain)
        return True

    def not_done(self, run: Run, session: LiveSession, call: Call, error: ErrorInfo, usage: Usage) -> None:
        """A node did not return. What was ended without having been overtaken waits again."""
        work = cast(LiveWork, call.work)
        self._herald.rest_of_output(run, call)
        if error.code is ErrorCode.SUPERSEDED:
            session.again(work.id, work.execution)
            counts = False
        else:
            counts = session.failed(work.id, work.execution, error)
        state = NodeState.FAILED if counts else NodeState.CANCELLED
        is_shown = counts or error.code is ErrorCode.SUPERSEDED
        shown = error if is_shown else verdicts.superseded()
        self._herald.finished(run, work, Ending(state, shown, call, usage.with_peaks(call.peaks)), work.change)

    def skipped(self, run: Run, session: LiveSession, node_id: NodeId, error: ErrorInfo) -> None:
        """A node cannot be executed."""
        node = session.nodes[node_id]
        self._herald.finished(run, node.plan, Ending(NodeState.SKIPPED, error), node.change or None)

    def release(self, outputs: Outputs) -> None:
        """Nobody takes these outputs."""
        self._emit(effects.Release(payloads=payloads_of(outputs)))


def begin_node(run: Run, session: LiveSession, call: Call, node_id: NodeId) -> LiveWork:
    """A node's code is to begin: what the call does from now on."""
    execution = session.begin(node_id)
    node = session.nodes[node_id]
    work = call.work = LiveWork(run.id, node_id, node.plan.title, node.change or None, execution)
    return work


class NodeCalls:
    """Fresh and resident nodes."""

    def __init__(
        self,
        book: RunBook,
        desk: CallDesk,
        residents: Residents,
        teller: LiveTeller,
        emit: Callable[[effects.Effect], None],
    ) -> None:
        self._book = book
        self._desk = desk
        self._residents = residents
        self._teller = teller
        self._emit = emit

    def let_begin(self, run: Run, session: LiveSession) -> None:
        """Let what is ready wait its turn."""
        ready, skipped = session.ready()
        for node_id, error in skipped:
            self._teller.skipped(run, session, node_id, error)
        assert run.live is not None
        for node_id in ready:
            node = session.nodes[node_id]
            where = node.where
            if where is None:
                where = node.where = self._book.place(run, node.plan)
            environment, limits = where
            key = (run.id, node_id)
            if run.live.options.isolation == RESIDENT:
                place = self._residents.place(key, node.plan.code, environment)
            else:
                place = Place(is_urgent=True)
            self._desk.enqueue(environment, key, LiveWork(run.id, node_id, node.plan.title, node.change), limits, place)

    def end_overtaken(self, run: Run, session: LiveSession, verdict: ErrorInfo) -> None:
        """End what has become pointless."""
        overtaken = session.overtaken()
        for node_id in overtaken.queued:
            self._desk.drop((run.id, node_id))
        for (node_id, execution), is_outdated in overtaken.executions.items():
            for call in self._desk.running((run.id, node_id)):
                if isinstance(call.work, LiveWork) and call.work.execution == execution:
                    self._desk.overtake(call, verdict, 0.0 if is_outdated else OVERTAKEN_PATIENCE_S)

    def begin(self, run: Run, session: LiveSession, call: Call, worker: Worker) -> None:
        """A worker is there for a node: it gets the latest values."""
        assert isinstance(call.work, LiveWork)
        work = begin_node(run, session, call, call.work.id)
        node = session.nodes[work.id]
        terms = node.terms
        if terms is None:
            terms = node.terms = run.terms(session.plan, node.plan, call.limits)
        stays, is_loaded = call.place.stays, call.place.on == worker.id
        inputs: Any = session.inputs(work.id)  # no references, for nobody else's objects are held
        self._emit(
            effects.SendCall(
                zygote=worker.zygote.id,
                worker=worker.id,
                call=call.id,
                terms=terms,
                inputs=inputs,
                lingers=True,
                stays=stays,
                is_loaded=is_loaded,
            )
        )
        self._teller.begun(run, work)
        if stays and not is_loaded:
            self._residents.begun((run.id, work.id), call, node.plan.code)

    def done(self, run: Run | None, call: Call, done: stimuli.CallDone) -> None:
        """A node returned."""
        session = self._ended(run, call)
        if run is None or session is None:
            self._teller.release(done.outputs)
        else:
            self._teller.done(run, session, call, done)

    def fail(self, run: Run | None, call: Call, error: ErrorInfo, usage: Usage) -> None:
        """A node did not return."""
        session = self._ended(run, call)
        if run is None or session is None:
            return
        if error.code is ErrorCode.WORKER_LOST and call.place.on == call.worker:
            self._residents.dismiss((run.id, cast(LiveWork, call.work).id))
            error = verdicts.process_gone()
        self._teller.not_done(run, session, call, error, usage)

    def forget(self, run: Run, node: NodeId | None = None) -> None:
        """What is kept for a node, or for all, is of no use any more."""
        if node is None:
            self._residents.dismiss_all(run.id)
        else:
            self._residents.dismiss((run.id, node))

    def lose(self, run: Run, session: LiveSession, environment: EnvironmentId) -> list[NodeId]:
        """The nodes that waited for an environment."""
        lost = [
            node_id
            for node_id, node in session.nodes.items()
            if node.state is NodeState.READY and self._book.place(run, node.plan)[0] == environment
        ]
        for node_id in lost:
            self._desk.drop((run.id, node_id))
        return lost

    def _ended(self, run: Run | None, call: Call) -> LiveSession | None:
        """A call is over: its worker is kept or not. The session that it belongs to, if that is not over."""
        assert isinstance(call.work, LiveWork)
        if call.place.stays and call.worker is not None:
            self._residents.settle((call.work.run, call.work.id), call.worker)
        return None if run is None or run.live is None else run.live.session
