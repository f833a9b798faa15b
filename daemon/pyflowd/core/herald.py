"""Herald: what clients are told, as effects. Replies once, events numbered; it decides nothing."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, Protocol

from pyflowd.core import effects
from pyflowd.core.calls import Call, LiveWork, OfNodes
from pyflowd.core.deadlines import Deadlines
from pyflowd.core.graph_executor import Skipped
from pyflowd.core.ids import SessionId
from pyflowd.core.kept_results import KeptResult
from pyflowd.core.runs import Run
from pyflowd.core.usage import Usage
from pyflowd.core.values import Kept, Value
from pyflowd.graph.diagnostics import Diagnostic
from pyflowd_client.protocol import events, replies
from pyflowd_client.protocol.errors import ErrorCode, ErrorInfo
from pyflowd_client.protocol.ids import NodeId
from pyflowd_client.protocol.states import NodeState


class Subject(Protocol):
    """The node that is spoken of."""

    @property
    def id(self) -> NodeId:
        """Its id."""

    @property
    def title(self) -> str:
        """Its title."""


class Ending(NamedTuple):
    """How a node of a run ended; no call when it never began. duration_s: if it is not that of its call.

    is_kept: its result was, and it was not executed.
    """

    state: NodeState
    error: ErrorInfo | None
    call: Call | None = None
    usage: Usage = Usage()
    outputs: tuple[tuple[str, Value | Kept], ...] = ()
    duration_s: float | None = None
    is_kept: bool = False

    def lasted_s(self, now: float) -> float:
        """How long it took."""
        if self.duration_s is not None:
            return self.duration_s
        return now - self.call.started_at if self.call else 0.0


class Herald:
    """Speaks for the controller, whose clock is monotonic; what it says carries the wall clock."""

    def __init__(self, deadlines: Deadlines, emit: Callable[[effects.Effect], None], wall_offset_s: float) -> None:
        self._deadlines = deadlines
        self._emit = emit
        self._wall_offset_s = wall_offset_s

    @property
    def now(self) -> float:
        """Monotonic seconds."""
        return self._deadlines.now

    def answer(self, session: SessionId, request: int, reply: replies.Reply) -> None:
        """The one reply of a request."""
        self._emit(effects.Answer(session=session, request=request, reply=reply))

    def refuse(self, session: SessionId, request: int, error: ErrorInfo) -> None:
        """The reply of a request that is not carried out."""
        self.answer(session, request, replies.Refused(error=error))

    def publish(self, run: Run, kind: type[events.Event], /, **content: Any) -> None:
        """The next event of a run."""
        run.last_seq += 1
        content["run"], content["seq"] = run.id, run.last_seq
        content["time"] = self._deadlines.now + self._wall_offset_s
        self._emit(effects.Publish(kind=kind, content=content))

    def diagnostics(self, run: Run, items: Iterable[Diagnostic], change: str | None = None) -> None:
        """What there is to say about the graph."""
        for item in items:
            self.publish(
                run,
                events.Diagnostic,
                severity=item.severity.value,
                code=item.code.value,
                message=item.message,
                node=item.node,
                title=item.title,
                change=change,
            )

    def warnings(self, run: Run, call: Call, messages: Iterable[str]) -> None:
        """What a worker found odd about a node that is done all the same."""
        self._warn(run, node_of(run, call), messages, _change(call))

    def output(self, run: Run, call: Call, texts: Sequence[tuple[str, str]]) -> None:
        """What a node writes, as (stream, text)."""
        if call.transcript is not None:
            call.transcript += texts
        for stream, text in texts:
            node = node_of(run, call)
            self.publish(run, events.NodeOutput, node=node.id, stream=stream, text=text, change=_change(call))

    def rest_of_output(self, run: Run, call: Call) -> None:
        """What a node had not ended with a line when it ended itself, and the end of what was too much."""
        if call.output is not None:
            self.output(run, call, call.output.finish())

    def progressed(self, run: Run, call: Call, fraction: float, message: str) -> None:
        """How far a node says that it is."""
        node = node_of(run, call)
        self.publish(run, events.NodeProgress, node=node.id, fraction=fraction, message=message, change=_change(call))

    def skipped(self, run: Run, items: Iterable[Skipped]) -> None:
        """Nodes that will not run."""
        for item in items:
            node = node_at(run, item.node)
            error = ErrorInfo(code=ErrorCode.SKIPPED, message=f"'{node.title}' was skipped: {item.reason}")
            self.finished(run, node, Ending(NodeState.SKIPPED, error))

    def finished(self, run: Run, node: Subject, ending: Ending, change: str | None = None) -> None:
        """A node is over."""
        self.publish(
            run,
            events.NodeFinished,
            node=node.id,
            title=node.title,
            state=ending.state,
            outputs=dict(ending.outputs),
            error=ending.error,
            cached=ending.is_kept,
            duration_s=ending.lasted_s(self._deadlines.now),
            cpu_s=ending.usage.cpu_s,
            peak_memory_bytes=ending.usage.peak_memory_bytes,
            peak_processes=ending.usage.peak_processes,
            scratch_bytes=ending.usage.scratch_bytes,
            change=change,
        )

    def kept(self, run: Run, node: Subject, result: KeptResult) -> None:
        """What a node wrote, and what was odd about it, when it was executed."""
        for stream, text in result.texts:
            self.publish(run, events.NodeOutput, node=node.id, stream=stream, text=text)
        self._warn(run, node, result.warnings)

    def _warn(self, run: Run, node: Subject, messages: Iterable[str], change: str | None = None) -> None:
        for message in messages:
            self.publish(
                run,
                events.Diagnostic,
                severity="warning",
                code="node",
                message=message,
                node=node.id,
                title=node.title,
                change=change,
            )


def node_of(run: Run, call: Call) -> Subject:
    """The node that a call executes."""
    assert isinstance(call.work, OfNodes)
    return call.work if isinstance(call.work, LiveWork) else node_at(run, call.work.node)


def node_at(run: Run, index: int) -> Subject:
    """The node at this place of a run's plan."""
    assert run.executor is not None
    return run.executor.plan.nodes[index]


def _change(call: Call) -> str | None:
    return call.work.change if isinstance(call.work, LiveWork) else None
