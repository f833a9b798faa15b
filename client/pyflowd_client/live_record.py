"""What is known of a live session: its nodes with their values, errors and inputs, as of the last event seen.

It takes events in order and asks nobody. Events tell what becomes of a node, not which nodes there are: so after the
session has begun, when its graph has changed, and when events were lost, `needs_present` says that it wants to be told
the session as it is. It works on events as they came: typed ones would cost more than what they are for.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from pyflowd_client.protocol.codec import EventRecord, from_wire
from pyflowd_client.protocol.errors import ErrorCode, ErrorInfo
from pyflowd_client.protocol.ids import NodeId
from pyflowd_client.protocol.replies import LiveFollowing
from pyflowd_client.protocol.states import FINAL_RUN_STATES, ChangeKind, NodeState, RunState

T = TypeVar("T")

_NODE_STATES = {str(state): state for state in NodeState}
_RUN_STATES = {str(state): state for state in RunState}
_AT_WORK = frozenset({NodeState.READY, NodeState.RUNNING})
_IN_TROUBLE = frozenset({NodeState.FAILED, NodeState.SKIPPED})
_HARMLESS = frozenset({ChangeKind.OPENED, ChangeKind.RUN_ALL})


class LiveNodeRecord:
    """One node. `outputs` are its last, `inputs` what the session was given for it, by pin.

    change: the change that led to its state. runs: how often it was seen to end. fraction, message: how far it is.
    """

    __slots__ = (
        "change",
        "duration_s",
        "error",
        "fraction",
        "inputs",
        "message",
        "outputs",
        "runs",
        "started",
        "state",
        "title",
    )

    def __init__(self, title: str) -> None:
        self.title = title
        self.state = NodeState.WAITING
        self.change: str | None = None
        self.inputs: dict[str, Any] = {}
        self.outputs: dict[str, Any] = {}
        self.error: ErrorInfo | None = None
        self.duration_s: float | None = None
        self.started: float | None = None  # seconds since the epoch
        self.fraction: float | None = None
        self.message = ""
        self.runs = 0

    def forget(self) -> None:
        """Nothing is known of it but that it exists."""
        self.state, self.error, self.duration_s, self.fraction = NodeState.WAITING, None, None, None
        self.inputs, self.outputs = {}, {}


class ByNode(Mapping[str, T]):
    """One thing that is known of nodes: `values["Report"]["text"]`. It shows what is known now, and changes with it.

    A node is found by its id, or by its title when no other node has it. Iterating gives titles, and ids where
    titles are shared.
    """

    def __init__(self, nodes: "dict[NodeId, LiveNodeRecord]", pick: Callable[[LiveNodeRecord], T | None]) -> None:
        self._nodes = nodes
        self._pick = pick

    def __getitem__(self, node: str) -> T:
        found = self._nodes.get(NodeId(node))
        if found is None:
            titled = [one for one, record in self._nodes.items() if record.title == node]
            if len(titled) > 1:
                raise KeyError(f"{len(titled)} nodes are called {node!r}; use an id: {', '.join(titled)}")
            if not titled:
                raise KeyError(f"no node has the id or title {node!r}")
            found = self._nodes[titled[0]]
        picked = self._pick(found)
        if picked is None:
            raise KeyError(f"there is none for {node!r}")
        return picked

    def __iter__(self) -> Iterator[str]:
        titles = [record.title for record in self._nodes.values()]
        for node, record in self._nodes.items():
            if self._pick(record) is not None:
                is_clear = titles.count(record.title) == 1 and record.title not in self._nodes
                yield record.title if is_clear else node

    def __len__(self) -> int:
        return sum(self._pick(record) is not None for record in self._nodes.values())

    def __repr__(self) -> str:
        return repr(dict(self))


class LiveRecord:
    """One live session so far."""

    def __init__(self) -> None:
        self.state = RunState.QUEUED
        self.graph = ""
        self.isolation: str | None = None
        self.is_paused = False
        self.error: ErrorInfo | None = None
        self.nodes: dict[NodeId, LiveNodeRecord] = {}  # in the order of execution, as far as that is known
        self.timers: dict[str, float] = {}  # by node, seconds
        self.seq = 0  # of the last event seen
        self.settled_seq = 0  # when there was nothing left to do, or 0
        self.settled_change: str | None = None
        self.values = ByNode[dict[str, Any]](self.nodes, lambda node: node.outputs or None)
        self.errors = ByNode[ErrorInfo](self.nodes, _trouble)
        self.states = ByNode[NodeState](self.nodes, lambda node: node.state)
        self.needs_present = False  # events alone no longer tell what the session is like
        self._has_lost = False
        self._present: LiveFollowing | None = None  # ahead of the events seen

    @property
    def is_over(self) -> bool:
        """Whether the session has ended."""
        return self.state in FINAL_RUN_STATES

    @property
    def is_at_rest(self) -> bool:
        """Whether no node works, and none will without a change."""
        busy = {NodeState.RUNNING} if self.is_paused else _AT_WORK
        return not any(node.state in busy for node in self.nodes.values())

    def take(self, record: EventRecord) -> None:
        """The next event."""
        self.seq = record.seq
        take = _TAKERS.get(str(record.wire.get("event")))
        if take is not None:
            take(self, record.wire)
        if self._present is not None and self._present.last_seq <= self.seq:
            present, self._present = self._present, None
            self.present(present)

    def present(self, told: LiveFollowing) -> None:
        """The session as it is after the event `last_seq`; kept until that one was seen, of no use if others were."""
        if self.seq and told.last_seq != self.seq:
            self._present = told if told.last_seq > self.seq else None
            return
        has_lost = self.seq == 0 or self._has_lost
        self.seq = told.last_seq
        self.state, self.graph = told.state, told.graph
        self.isolation, self.is_paused = told.isolation, told.is_paused
        before = dict(self.nodes)
        self.nodes.clear()
        for node in told.nodes:
            kept = self.nodes[node.node] = before.get(node.node) or LiveNodeRecord(node.title)
            kept.title, kept.state, kept.change = node.title, node.state, node.change
            kept.inputs, kept.outputs, kept.error = node.inputs, node.outputs, node.error
        self.timers = {node.node: node.every_s for node in told.nodes if node.every_s is not None}
        if has_lost and self.is_at_rest:
            self.settled_seq = self.seq
        self.needs_present = self._has_lost = False

    def give_up_present(self) -> None:
        """Nobody tells."""
        self.needs_present = False

    def _take_run_started(self, wire: dict[str, Any]) -> None:
        self.state, self.graph = RunState.RUNNING, str(wire.get("graph", ""))
        self.needs_present = True

    def _take_node_started(self, wire: dict[str, Any]) -> None:
        node = self._node(wire)
        node.state, node.started, node.fraction, node.message = NodeState.RUNNING, wire.get("time"), None, ""
        node.change = wire.get("change", node.change)

    def _take_node_progress(self, wire: dict[str, Any]) -> None:
        node = self._node(wire)
        node.fraction, node.message = wire.get("fraction"), str(wire.get("message", ""))

    def _take_node_finished(self, wire: dict[str, Any]) -> None:
        node = self._node(wire)
        node.state = _NODE_STATES.get(str(wire.get("state")), node.state)
        error = wire.get("error")
        node.error = None if error is None else from_wire(ErrorInfo, error, strict=False)
        node.change = wire.get("change", node.change)
        node.duration_s, node.fraction = wire.get("duration_s"), None
        node.runs += 1
        if node.state is NodeState.DONE:
            node.outputs = wire.get("outputs", {})
        elif node.error is None or node.error.code is not ErrorCode.SUPERSEDED:  # that one is executed again
            node.outputs = {}

    def _take_live_changed(self, wire: dict[str, Any]) -> None:
        kind, name = wire.get("kind"), wire.get("node")
        if kind == ChangeKind.PAUSED:
            self.is_paused = True
        elif kind == ChangeKind.RESUMED:
            self.is_paused = False
        elif kind == ChangeKind.GRAPH_UPDATED:
            self.needs_present = True
        elif kind == ChangeKind.GRAPH_RESET:
            self.needs_present = True  # what the session was opened with stays given
            for node in self.nodes.values():
                node.forget()
        elif kind == ChangeKind.TIMER_SET and type(name) is str:
            self._set_timer(name, wire.get("every_s"))
        elif type(wire.get("pin")) is str and name in self.nodes:
            self._set_input(self.nodes[NodeId(str(name))], wire)
        elif name is None and kind not in _HARMLESS:
            self.needs_present = True  # whoever changed the session has another word for it

    def _set_timer(self, node: str, every_s: float | None) -> None:
        if every_s is None:
            self.timers.pop(node, None)
        else:
            self.timers[node] = every_s

    def _set_input(self, node: LiveNodeRecord, wire: dict[str, Any]) -> None:
        if "value" in wire:
            node.inputs[wire["pin"]] = wire["value"]
        else:
            node.inputs.pop(wire["pin"], None)

    def _take_live_settled(self, wire: dict[str, Any]) -> None:
        self.settled_seq, self.settled_change = self.seq, wire.get("change")

    def _take_events_lost(self, wire: dict[str, Any]) -> None:
        self.needs_present = self._has_lost = True

    def _take_run_finished(self, wire: dict[str, Any]) -> None:
        self.state = _RUN_STATES.get(str(wire.get("state")), RunState.FAILED)
        self.needs_present = False  # nor will anybody tell
        error = wire.get("error")
        self.error = None if error is None else from_wire(ErrorInfo, error, strict=False)

    def _node(self, wire: dict[str, Any]) -> LiveNodeRecord:
        node, title = NodeId(str(wire.get("node"))), wire.get("title")
        record = self.nodes.get(node)
        if record is None:
            record = self.nodes[node] = LiveNodeRecord(str(title or node))
        elif type(title) is str:
            record.title = title
        return record


def _trouble(node: LiveNodeRecord) -> ErrorInfo | None:
    return node.error if node.state in _IN_TROUBLE else None


_TAKERS: dict[str, Callable[[LiveRecord, dict[str, Any]], None]] = {
    "run_started": LiveRecord._take_run_started,
    "node_started": LiveRecord._take_node_started,
    "node_progress": LiveRecord._take_node_progress,
    "node_finished": LiveRecord._take_node_finished,
    "live_changed": LiveRecord._take_live_changed,
    "live_settled": LiveRecord._take_live_settled,
    "events_lost": LiveRecord._take_events_lost,
    "run_finished": LiveRecord._take_run_finished,
}
