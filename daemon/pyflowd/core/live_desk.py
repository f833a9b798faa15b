"""LiveDesk: what clients ask of live sessions: to open, change, follow and close one; and the timers that they set.

It says who may change what, and tells everybody what was changed. What follows from that is the conductor's business.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

from pyflowd.core import effects, stimuli, verdicts
from pyflowd.core.deadlines import Deadlines
from pyflowd.core.herald import Herald
from pyflowd.core.live_calls import SHARED
from pyflowd.core.live_conductor import LiveConductor
from pyflowd.core.live_session import UNDECIDED, LiveSession
from pyflowd.core.live_state import Linger, LiveState, Timer
from pyflowd.core.preparation import Prepared
from pyflowd.core.run_book import ISOLATIONS, RunBook
from pyflowd.core.runs import Run
from pyflowd.core.waiters import UpdateWaiter, Waiter
from pyflowd.graph.plan import nodes_by_name, read_inputs
from pyflowd_client.protocol import events, replies, requests
from pyflowd_client.protocol.errors import ErrorCode, ErrorInfo
from pyflowd_client.protocol.ids import NodeId, RunId
from pyflowd_client.protocol.options import NO_DEBUGGING, WHOLE_GRAPH, LiveOptions, RunOptions
from pyflowd_client.protocol.states import ChangeKind, LiveAction, RunState

LEAST_PERIOD_S = 0.01
DAEMON = "pyflowd"  # the author of what nobody asked for just now
ABOUT_NODES = frozenset({LiveAction.TRIGGER, LiveAction.EVERY, LiveAction.SET_INPUT})
KINDS: Mapping[LiveAction, ChangeKind] = {
    LiveAction.SET_INPUT: ChangeKind.VALUE_CHANGED,
    LiveAction.UPDATE_GRAPH: ChangeKind.GRAPH_UPDATED,
    LiveAction.TRIGGER: ChangeKind.NODE_TRIGGER,
    LiveAction.EVERY: ChangeKind.TIMER_SET,
    LiveAction.PAUSE: ChangeKind.PAUSED,
    LiveAction.RESUME: ChangeKind.RESUMED,
    LiveAction.RESET: ChangeKind.GRAPH_RESET,
    LiveAction.RUN_ALL: ChangeKind.RUN_ALL,
}


class _RefusedError(Exception):
    """The request makes no sense; nothing was changed."""

    def __init__(self, message: str, code: ErrorCode = ErrorCode.BAD_INPUT) -> None:
        super().__init__(message)
        self.error = ErrorInfo(code=code, message=message)


class LiveDesk:
    """The requests about live sessions. `prepare` gets a plan for a waiter."""

    def __init__(
        self,
        book: RunBook,
        conductor: LiveConductor,
        deadlines: Deadlines,
        herald: Herald,
        prepare: Callable[[stimuli.Submission, Waiter], None],
        emit: Callable[[effects.Effect], None],
    ) -> None:
        self._book = book
        self._conductor = conductor
        self._deadlines = deadlines
        self._herald = herald
        self._prepare = prepare
        self._emit = emit

    def open(self, asked: stimuli.LiveAsked) -> None:
        """A client wants a session."""
        refusal = self._book.refusal(asked.submission, asked.options)
        refusal = refusal or _refusal(asked.live) or _uncached(asked.options)
        if refusal is not None:
            self._herald.refuse(asked.session, asked.request, refusal)
            return
        submission = replace(asked.submission, is_urgent=True)
        run = self._book.open(submission, asked.options, self._deadlines.now)
        run.live = LiveState(submission, asked.live, self._conductor.execution(asked.live.isolation))
        self._herald.answer(asked.session, asked.request, replies.RunAccepted(run=run.id))
        most = asked.options.max_value_bytes
        self._emit(effects.OpenRun(run=run.id, session=asked.session, max_value_bytes=most, is_live=True))
        change = run.live.name_of_next_change()
        self._herald.publish(run, events.LiveChanged, change=change, kind=ChangeKind.OPENED, author=asked.author)
        self._prepare(submission, run.id)

    def open_once(self, asked: stimuli.RunSubmitted) -> None:
        """A client wants a graph executed, in one process."""
        refusal = self._book.refusal(asked.submission, asked.options)
        is_whole = asked.submission.selection is WHOLE_GRAPH and asked.debugging is NO_DEBUGGING
        refusal = refusal or _uncached(asked.options)
        if refusal is None and not is_whole:
            message = "With the isolation `shared` there are neither parts of a graph nor debuggers."
            refusal = ErrorInfo(code=ErrorCode.BAD_INPUT, message=message)
        if refusal is not None:
            self._herald.refuse(asked.session, asked.request, refusal)
            return
        run = self._book.open(asked.submission, asked.options, self._deadlines.now)
        run.live = LiveState(
            asked.submission, LiveOptions(isolation=SHARED), self._conductor.execution(SHARED), is_once=True
        )
        self._herald.answer(asked.session, asked.request, replies.RunAccepted(run=run.id))
        most = asked.options.max_value_bytes
        self._emit(effects.OpenRun(run=run.id, session=asked.session, max_value_bytes=most))
        if run.limits.run_timeout_s is not None:
            self._deadlines.set(run, self._deadlines.now + run.limits.run_timeout_s)
        self._prepare(asked.submission, run.id)

    def update(self, asked: stimuli.LiveUpdateAsked) -> None:
        """A client changes a session."""
        try:
            run, live, session = self._find(asked.update.run)
            if asked.update.action is LiveAction.UPDATE_GRAPH:
                self._prepare_graph(asked, live)
                return
            node = self._check(asked.update, session)
        except _RefusedError as refused:
            self._herald.refuse(asked.session, asked.request, refused.error)
            return
        change = live.name_of_next_change(asked.update.change)
        self._tell(run, asked, node, change)
        if node is None:
            self._apply(run, session, asked.update.action, change)
        else:
            self._apply_to_node(run, session, asked.update, node, change)
        self._conductor.go_on(run)
        self._herald.answer(asked.session, asked.request, replies.LiveUpdated(run=run.id, change=change))

    def prepared(self, waiter: UpdateWaiter, prepared: Prepared) -> None:
        """Another graph of a session was planned; a later one may have been before."""
        asked = waiter.asked
        try:
            run, live, _ = self._find(asked.update.run)
            if waiter.number < live.latest_update:
                raise _RefusedError("A later change has replaced the graph already.", ErrorCode.SUPERSEDED)
            change = live.name_of_next_change(asked.update.change)
            error = self._conductor.replace(run, prepared, change)
        except _RefusedError as refused:
            error = refused.error
        if error is not None:
            self._herald.refuse(asked.session, asked.request, error)
            return
        live.latest_update = waiter.number
        run.graph = asked.update.name or run.graph
        self._herald.answer(asked.session, asked.request, replies.LiveUpdated(run=run.id, change=change))
        self._tell(run, asked, None, change)
        self._conductor.go_on(run)

    def given_up(self, waiter: UpdateWaiter, error: ErrorInfo) -> None:
        """Another graph of a session cannot be planned."""
        self._herald.refuse(waiter.asked.session, waiter.asked.request, error)

    def follow(self, asked: stimuli.LiveFollowAsked) -> None:
        """A client wants to see a session, and what comes."""
        run = self._known(asked.run)
        if run is None or run.live is None:
            self._herald.refuse(asked.session, asked.request, _unknown(asked.run))
            return
        self._emit(effects.Join(session=asked.session, request=asked.request, reply=_snapshot(run, run.live)))
        self.followed(run)

    def close(self, asked: stimuli.LiveCloseAsked) -> None:
        """A client ends a session."""
        run = self._known(asked.run)
        if run is None or run.live is None or run.is_over:
            self._herald.refuse(asked.session, asked.request, _unknown(asked.run))
            return
        self._herald.answer(asked.session, asked.request, replies.Done())
        self._conductor.finish(run, RunState.CANCELLED if run.live.session is None else RunState.SUCCEEDED)

    # -- who is there

    def unfollowed(self, told: stimuli.RunUnfollowed) -> None:
        """Nobody follows a run any more, or somebody does again: a session stays for a while."""
        run = self._known(told.run)
        if run is None or run.live is None or run.is_over:
            return
        if told.is_followed:
            self.followed(run)
        elif run.live.linger is None:
            run.live.linger = Linger(run.id)
            self._deadlines.set(run.live.linger, self._deadlines.now + run.live.options.linger_s)

    def followed(self, run: Run) -> None:
        """Somebody does."""
        assert run.live is not None
        if run.live.linger is not None:
            self._deadlines.clear(run.live.linger)
            run.live.linger = None

    def abandoned(self, linger: Linger) -> None:
        """Nobody has come back."""
        self._conductor.finish(self._book.runs[linger.run], RunState.CANCELLED, verdicts.abandoned())

    def tick(self, timer: Timer) -> None:
        """A timer triggers its node, unless that is at work, or waits to be: ticks are never queued."""
        run = self._book.runs[timer.run]
        assert run.live is not None
        session = run.live.session
        if session is None or timer.node not in session.nodes:
            run.live.timers.pop(timer.node, None)
            return
        self._deadlines.set(timer, self._deadlines.now + timer.every_s)
        node = session.nodes[timer.node]
        if session.is_paused or node.under_way or node.state in UNDECIDED:
            return
        change = run.live.name_of_next_change()
        self._herald.publish(
            run, events.LiveChanged, change=change, kind=ChangeKind.TIMER_TICK, author=DAEMON, node=timer.node
        )
        session.trigger(timer.node, change)
        self._conductor.go_on(run)

    # -- within

    def _known(self, run_id: RunId) -> Run | None:
        """The live session of this name, open or over; a run that only shares a process is none."""
        run = self._book.runs.get(run_id)
        return None if run is None or run.live is None or run.live.is_once else run

    def _find(self, run_id: RunId) -> tuple[Run, LiveState, LiveSession]:
        run = self._known(run_id)
        if run is not None and run.live is not None and run.live.session is not None:
            return run, run.live, run.live.session
        if run is None or run.is_over:
            raise _RefusedError(_unknown(run_id).message, ErrorCode.UNKNOWN_RUN)
        raise _RefusedError("The session has no plan yet: wait for its run_started.", ErrorCode.BUSY)

    def _prepare_graph(self, asked: stimuli.LiveUpdateAsked, live: LiveState) -> None:
        if asked.update.document is None:
            raise _RefusedError("`update_graph` needs a `document`.")
        live.updates += 1
        submission = live.submission.with_document(asked.update.document, asked.update.name or live.submission.name)
        self._prepare(submission, UpdateWaiter(asked, live.updates))

    def _check(self, update: requests.UpdateLive, session: LiveSession) -> NodeId | None:
        """The node that a change is about, if it is about one."""
        if update.action not in ABOUT_NODES:
            return None
        found = session.nodes.get(NodeId(update.node or ""))
        node = (found or session.nodes[_node_called(update, session)]).plan
        period_s = update.every_s if update.action is LiveAction.EVERY else None
        if period_s is not None and not LEAST_PERIOD_S <= period_s < float("inf"):
            raise _RefusedError(f"`every_s` must be a number of seconds, {LEAST_PERIOD_S:g} at least.")
        if update.action is not LiveAction.SET_INPUT:
            return node.id
        if not update.pin:
            raise _RefusedError("`set_input` needs a `pin`.")
        if update.pin not in node.parameters:
            _, remarks = read_inputs(session.plan, {f"{node.id}.{update.pin}": "null"})
            if remarks:  # else nobody knows its pins, for its code cannot run
                raise _RefusedError(remarks[0].message)
        return node.id

    def _apply_to_node(
        self, run: Run, session: LiveSession, update: requests.UpdateLive, node: NodeId, change: str
    ) -> None:
        if update.action is LiveAction.SET_INPUT:
            text = None if update.value is None else update.value.encode("utf-8", "backslashreplace")
            session.set_input(node, update.pin or "", text, change)
        elif update.action is LiveAction.TRIGGER:
            session.trigger(node, change)
        else:
            self._set_timer(run, node, update.every_s)
            session.change = change

    def _apply(self, run: Run, session: LiveSession, action: LiveAction, change: str) -> None:
        match action:
            case LiveAction.PAUSE:
                session.pause(change)
            case LiveAction.RESUME:
                session.resume(change)
            case LiveAction.RESET:
                self._conductor.reset(run, change)
            case _:
                session.run_all(change)

    def _set_timer(self, run: Run, node: NodeId, every_s: float | None) -> None:
        assert run.live is not None
        before = run.live.timers.pop(node, None)
        if before is not None:
            self._deadlines.clear(before)
        if every_s is not None:
            timer = run.live.timers[node] = Timer(run.id, node, every_s)
            self._deadlines.set(timer, self._deadlines.now + every_s)

    def _tell(self, run: Run, asked: stimuli.LiveUpdateAsked, node: NodeId | None, change: str) -> None:
        update = asked.update
        self._herald.publish(
            run,
            events.LiveChanged,
            change=change,
            kind=update.kind or KINDS[update.action],
            author=asked.author,
            node=node,
            pin=update.pin if update.action is LiveAction.SET_INPUT else None,
            value=update.value if update.action is LiveAction.SET_INPUT else None,
            every_s=update.every_s if update.action is LiveAction.EVERY else None,
        )


def _refusal(live: LiveOptions) -> ErrorInfo | None:
    if live.isolation not in ISOLATIONS:
        message = f"`isolation` must be one of: {', '.join(ISOLATIONS)}."
        return ErrorInfo(code=ErrorCode.BAD_INPUT, message=message)
    if not 0 <= live.linger_s < float("inf"):
        return ErrorInfo(code=ErrorCode.BAD_INPUT, message="`linger_s` must be a number of seconds, 0 or more.")
    return None


def _uncached(options: RunOptions) -> ErrorInfo | None:
    """What a process has kept from earlier executions is in no key."""
    if not options.cache and not options.explain:
        return None
    message = "Results are kept only of nodes that have fresh processes, in runs: without `cache` and `explain`."
    return ErrorInfo(code=ErrorCode.BAD_INPUT, message=message)


def _unknown(run: RunId) -> ErrorInfo:
    return ErrorInfo(code=ErrorCode.UNKNOWN_RUN, message=f"No live session '{run}' is open here.")


def _node_called(update: requests.UpdateLive, session: LiveSession) -> NodeId:
    """The node that a change is about, by its title."""
    if not update.node:
        raise _RefusedError(f"`{update.action}` needs a `node`.")
    found = nodes_by_name(session.plan).get(update.node, [])
    if not found:
        raise _RefusedError(f'The graph has no node "{update.node}". Use the id or title of a node with code.')
    if len(found) > 1:
        raise _RefusedError(f'{len(found)} nodes are called "{update.node}". Use the id of one.')
    return session.plan.nodes[found[0]].id


def _snapshot(run: Run, live: LiveState) -> replies.LiveFollowing:
    """A session as it is; values are still as the core knows them."""
    session = live.session
    nodes = () if session is None else tuple(session.nodes[node.id] for node in session.plan.nodes)
    given: dict[NodeId, dict[str, bytes]] = {}
    for (node_id, pin), text in (session.given if session else {}).items():
        given.setdefault(node_id, {})[pin] = text
    return replies.LiveFollowing(
        run=run.id,
        state=run.state,
        last_seq=run.last_seq,
        graph=run.graph,
        isolation=live.options.isolation,
        is_paused=session.is_paused if session else live.options.is_paused,
        nodes=tuple(
            replies.LiveNode(
                node=node.plan.id,
                title=node.plan.title,
                state=node.state,
                change=node.change,
                inputs=given.get(node.plan.id, {}),
                outputs=dict(node.outputs),
                error=node.error,
                every_s=live.timers[node.plan.id].every_s if node.plan.id in live.timers else None,
            )
            for node in nodes
        ),
    )
