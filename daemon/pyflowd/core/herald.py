"""Herald: what clients are told, as effects. Replies once, events numbered; it decides nothing."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from pyflowd.core import effects
from pyflowd.core.calls import Call, NodeWork
from pyflowd.core.graph_executor import Skipped
from pyflowd.core.ids import SessionId
from pyflowd.core.kept_results import KeptResult
from pyflowd.core.runs import Run
from pyflowd.core.usage import Usage
from pyflowd.core.values import Value
from pyflowd.graph.diagnostics import Diagnostic
from pyflowd.graph.plan import PlanNode
from pyflowd_client.protocol import events, replies
from pyflowd_client.protocol.errors import ErrorCode, ErrorInfo
from pyflowd_client.protocol.states import NodeState


class Ending(NamedTuple):
    """How a node of a run ended; no call when it never began. asked_at: when the result was looked up that was kept."""

    state: NodeState
    error: ErrorInfo | None
    call: Call | None = None
    usage: Usage = Usage()
    outputs: tuple[tuple[str, Value], ...] = ()
    asked_at: float | None = None


class Herald:
    """Speaks for the controller. `now` is monotonic; what it says carries the wall clock."""

    def __init__(self, emit: Callable[[effects.Effect], None], wall_offset_s: float) -> None:
        self.now = 0.0
        self._emit = emit
        self._wall_offset_s = wall_offset_s

    def answer(self, session: SessionId, request: int, reply: replies.Reply) -> None:
        """The one reply of a request."""
        self._emit(effects.Answer(session=session, request=request, reply=reply))

    def refuse(self, session: SessionId, request: int, error: ErrorInfo) -> None:
        """The reply of a request that is not carried out."""
        self.answer(session, request, replies.Refused(error=error))

    def publish(self, run: Run, kind: type[events.Event], **content: Any) -> None:
        """The next event of a run."""
        time = self.now + self._wall_offset_s
        self._emit(effects.Publish(event=kind(run=run.id, seq=run.next_seq(), time=time, **content)))

    def diagnostics(self, run: Run, items: Iterable[Diagnostic]) -> None:
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
            )

    def warnings(self, run: Run, call: Call, messages: Iterable[str]) -> None:
        """What a worker found odd about a node that is done all the same."""
        self._warn(run, node_of(run, call), messages)

    def output(self, run: Run, call: Call, texts: Sequence[tuple[str, str]]) -> None:
        """What a node writes, as (stream, text)."""
        if call.transcript is not None:
            call.transcript += texts
        for stream, text in texts:
            self.publish(run, events.NodeOutput, node=node_of(run, call).id, stream=stream, text=text)

    def skipped(self, run: Run, items: Iterable[Skipped]) -> None:
        """Nodes that will not run."""
        for item in items:
            node = _node(run, item.node)
            error = ErrorInfo(code=ErrorCode.SKIPPED, message=f"'{node.title}' was skipped: {item.reason}")
            self.finished(run, item.node, Ending(NodeState.SKIPPED, error))

    def finished(self, run: Run, index: int, ending: Ending) -> None:
        """A node is over."""
        node = _node(run, index)
        self.publish(
            run,
            events.NodeFinished,
            node=node.id,
            title=node.title,
            state=ending.state,
            outputs=dict(ending.outputs),
            error=ending.error,
            cached=ending.asked_at is not None,
            duration_s=self._duration_s(ending),
            cpu_s=ending.usage.cpu_s,
            peak_memory_bytes=ending.usage.peak_memory_bytes,
            peak_processes=ending.usage.peak_processes,
            scratch_bytes=ending.usage.scratch_bytes,
        )

    def kept(self, run: Run, index: int, result: KeptResult) -> None:
        """What a node wrote, and what was odd about it, when it was executed."""
        node = _node(run, index)
        for stream, text in result.texts:
            self.publish(run, events.NodeOutput, node=node.id, stream=stream, text=text)
        self._warn(run, node, result.warnings)

    def _warn(self, run: Run, node: PlanNode, messages: Iterable[str]) -> None:
        for message in messages:
            self.publish(
                run, events.Diagnostic, severity="warning", code="node", message=message, node=node.id, title=node.title
            )

    def _duration_s(self, ending: Ending) -> float:
        if ending.call is not None:
            return self.now - ending.call.started_at
        return 0.0 if ending.asked_at is None else self.now - ending.asked_at


def node_of(run: Run, call: Call) -> PlanNode:
    """The node that a call executes."""
    assert isinstance(call.work, NodeWork)
    return _node(run, call.work.node)


def _node(run: Run, index: int) -> PlanNode:
    assert run.executor is not None
    return run.executor.plan.nodes[index]
