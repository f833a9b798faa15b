"""LiveSession: a graph that is executed again wherever it changes. What is stale, what may begin, which value counts.

    waiting   stale: it has to be executed, once everything above it is done
    ready     it may begin, and waits for a worker
    running   its latest execution is under way; older ones of the same node may still be ending
    done, failed, skipped      until something at or above it changes: then it is waiting again

A change makes a node and all below it stale, whatever they are doing: an execution that is overtaken by a change counts
for nothing, and the node begins anew only when that has ended. So of many changes the latest is executed, and at most
one execution of a node is under way. It knows nothing of workers, time or clients. Nodes are known by their ids, which
outlive a change of the graph.
"""

import heapq
from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter

from pyflowd.core.effects import NodeTerms, Ref
from pyflowd.core.graph_executor import skip_reason
from pyflowd.core.holdings import Holdings
from pyflowd.core.ids import EnvironmentId
from pyflowd.core.limits import Limits
from pyflowd.core.machines import LIVE_NODE_MOVES, mover
from pyflowd.core.values import Kept, Payload, Value
from pyflowd.graph.plan import Plan, PlanNode, Source, missing_input
from pyflowd_client.protocol.errors import ErrorCode, ErrorInfo
from pyflowd_client.protocol.ids import NodeId
from pyflowd_client.protocol.states import NodeState

UNDECIDED = frozenset({NodeState.WAITING, NodeState.READY, NodeState.RUNNING})
UNDECIDED_TOGETHER = UNDECIDED - {NodeState.READY}
GOOD = frozenset({NodeState.DONE, NodeState.READY})  # of a node above: its values are there, or will be
ID_OF = attrgetter("plan.id")  # a node
NOTHING_ABOVE: frozenset[NodeState] = frozenset()

Outputs = Sequence[tuple[str, Value | Kept]]
Given = Mapping[tuple[NodeId, str], bytes]


@dataclass(slots=True, eq=False)
class LiveNode:
    """A node as it stands.

    change: which change made it stale last. execution: the number of the one that counts, 0 while there is none.
    under_way: that of the one that has not ended, whether it counts or not, else 0. outputs: the last ones, with what
    the shell holds of them. where: it is executed, and with which limits; terms: what its calls have in common; once
    somebody has found that out.
    """

    plan: PlanNode
    change: str
    state: NodeState = NodeState.WAITING
    execution: int = 0
    under_way: int = 0
    outputs: Outputs = ()
    payloads: tuple[Payload, ...] = ()
    where: tuple[EnvironmentId, Limits] | None = None
    terms: NodeTerms | None = None
    error: ErrorInfo | None = None

    to = mover(LIVE_NODE_MOVES, "live node", lambda node: node.plan.title)


@dataclass(slots=True)
class Overtaken:
    """What changes have made pointless since it was last asked for.

    executions: (node, number) of those under way, to be ended; whether their code is out of date too.
    queued: nodes that need no worker any more, for now.
    """

    executions: dict[tuple[NodeId, int], bool] = field(default_factory=dict)
    queued: list[NodeId] = field(default_factory=list)


class LiveSession:
    """One graph, from its first plan through all changes. `given` are the values that clients set."""

    def __init__(self, plan: Plan, given: Given, change: str, holdings: Holdings) -> None:
        self.plan = plan
        self.nodes: dict[NodeId, LiveNode] = {}
        self._in_order: list[LiveNode] = []  # as in the plan
        self.given: dict[tuple[NodeId, str], bytes] = dict(given)
        self.change = change
        self.is_paused = False
        self.executed_count = self.failed_count = 0
        self._opening = dict(given)
        self._executions = 0
        self._candidates: set[NodeId] = set()
        self._overtaken = Overtaken()
        self.has_overtaken = False
        self._holdings = holdings
        self.replace(plan, change)

    # -- changes

    def set_input(self, node: NodeId, pin: str, text: bytes | None, change: str) -> None:
        """Give a parameter a value, or (None) take back what was given. The same value again changes nothing."""
        before = self.given.get((node, pin))
        self.change = change
        if text == before:
            return
        if text is None:
            del self.given[node, pin]
        else:
            self.given[node, pin] = text
        self._make_stale([self.nodes[node]], change)

    def trigger(self, node: NodeId, change: str) -> None:
        """Execute a node and what is below it."""
        self.change = change
        self._make_stale([self.nodes[node]], change)

    def run_all(self, change: str) -> None:
        """Execute everything."""
        self.change = change
        self._make_stale(self.nodes.values(), change)

    def reset(self, change: str) -> None:
        """Forget all values, and what was given since the session was opened."""
        self.change = change
        self.given = dict(self._opening)
        self._make_stale(self.nodes.values(), change)
        for node in self.nodes.values():
            self._drop_outputs(node)

    def replace(self, plan: Plan, change: str) -> None:
        """Another graph, compared node by node: what is the same keeps its state, unless something above is not."""
        self.change = change
        before, old, self.plan = self.nodes, _signatures(self.nodes), plan
        self.nodes = {node.id: before.get(node.id) or LiveNode(node, change) for node in plan.nodes}
        for planned in plan.nodes:
            node = self.nodes[planned.id]
            if node.plan.code != planned.code:
                self._overtake(node, is_outdated=True)
            node.plan, node.where, node.terms = planned, None, None
        self._in_order = list(self.nodes.values())
        for node_id in before.keys() - self.nodes.keys():
            self._overtake(before[node_id], is_outdated=True)
            self._drop_outputs(before[node_id])
        changed = [node_id for node_id, now in _signatures(self.nodes).items() if old.get(node_id) != now]
        self._make_stale([self.nodes[node_id] for node_id in changed], change)

    def redo(self, nodes: Iterable[NodeId]) -> None:
        """Execute these again, for their values are lost. What is below them has what it needed."""
        for node_id in nodes:
            self.nodes[node_id].to(NodeState.WAITING)
            self._candidates.add(node_id)

    def pause(self, change: str) -> None:
        """Let nothing begin; what runs goes on."""
        self.change = change
        self.is_paused = True
        for node in self.nodes.values():
            if node.state is NodeState.READY:
                self._unqueue(node)
                self._candidates.add(node.plan.id)

    def resume(self, change: str) -> None:
        """Let begin what is stale."""
        self.change = change
        self.is_paused = False

    def close(self) -> None:
        """Nothing is executed any more, and no value is kept."""
        self.is_paused = True
        for node in self.nodes.values():
            self._overtake(node, is_outdated=True)
            self._drop_outputs(node)

    # -- executions

    def ready(self, *, together: bool = False) -> tuple[list[NodeId], list[tuple[NodeId, ErrorInfo]]]:
        """The nodes that are to be executed from now on, and those that cannot be, with the reason; each is told once.

        In the order of the graph, so that everything above a node is settled before it is looked at.
        together: they are executed in this order, so that a node need not wait for those before it to be done.
        """
        if self.is_paused or not self._candidates:
            return [], []
        undecided = UNDECIDED_TOGETHER if together else UNDECIDED
        ready: list[NodeId] = []
        skipped: list[tuple[NodeId, ErrorInfo]] = []
        candidates, self._candidates = self._candidates, set()
        heap = sorted([self.nodes[node_id].plan.index for node_id in candidates if node_id in self.nodes])
        last = -1
        while heap:
            index = heapq.heappop(heap)
            node = self._in_order[index]
            if index == last or node.state is not NodeState.WAITING or node.under_way:
                continue
            last = index
            above = node.plan.predecessors
            states = {self._in_order[before].state for before in above} if above else NOTHING_ABOVE
            if not states.isdisjoint(undecided):
                continue
            error = None
            if node.plan.missing or node.plan.problem is not None or not states <= GOOD:
                error = self._obstacle(node, is_cut_off=not states <= GOOD)
            if error is None:
                node.to(NodeState.READY)
                ready.append(node.plan.id)
            else:
                node.to(NodeState.SKIPPED)
                node.error = error
                self._drop_outputs(node)
                skipped.append((node.plan.id, error))
            if error is not None or together:
                for below in node.plan.successors:
                    heapq.heappush(heap, below)
        return ready, skipped

    def unready(self, node_id: NodeId) -> None:
        """A node that was ready has not begun, and has to wait again."""
        node = self.nodes.get(node_id)
        if node is not None and node.state is NodeState.READY:
            node.to(NodeState.WAITING)
            self._candidates.add(node_id)

    def inputs(self, node_id: NodeId, held: Container[NodeId] = ()) -> list[tuple[str, Payload | bytes | Ref]]:
        """The inputs of a node, by pin: JSON texts; by reference what comes from nodes whose objects are held."""
        node = self.nodes[node_id]
        inputs: list[tuple[str, Payload | bytes | Ref]] = []
        linked = {item.pin: item for item in node.plan.inputs} if node.plan.inputs else {}
        for pin in node.plan.parameters:
            given, item = self.given.get((node_id, pin)), linked.get(pin)
            if given is not None:
                inputs.append((pin, given))
            elif item is not None and item.source is not None:
                inputs.append((pin, self._value(item.source, held)))
            elif item is not None and item.literal is not None:
                inputs.append((pin, item.literal))
        return inputs

    def kept_above(self, node_ids: Iterable[NodeId], held: Container[NodeId]) -> list[NodeId]:
        """The nodes whose values these need, and that are nowhere any more: they were objects in a process."""
        above = {self._in_order[index].plan.id for one in node_ids for index in self.nodes[one].plan.predecessors}
        return sorted(
            one
            for one in above
            if one not in held and any(isinstance(value, Kept) for _, value in self.nodes[one].outputs)
        )

    def begin(self, node_id: NodeId) -> int:
        """A ready node's code begins: the number of this execution."""
        node = self.nodes[node_id]
        node.to(NodeState.RUNNING)
        node.error = None
        self._executions += 1
        node.execution = node.under_way = self._executions
        self.executed_count += 1
        return node.execution

    def done(self, node_id: NodeId, execution: int, outputs: Outputs) -> bool:
        """The node returned. False when it was overtaken: then nobody holds the outputs."""
        node = self._ended(node_id, execution)
        if node is None:
            return False
        node.to(NodeState.DONE)
        self._holdings.let_go(node.payloads)
        node.outputs, node.payloads = tuple(outputs), payloads_of(outputs)
        self._holdings.hold(node.payloads)
        if node.plan.successors:
            self._look_below(node)
        return True

    def failed(self, node_id: NodeId, execution: int, error: ErrorInfo) -> bool:
        """The node failed. False when it was overtaken."""
        node = self._ended(node_id, execution)
        if node is None:
            return False
        self._fail(node, error)
        return True

    def again(self, node_id: NodeId, execution: int) -> None:
        """The node was ended through no fault of its own: it has to wait again."""
        node = self._ended(node_id, execution)
        if node is not None:
            node.to(NodeState.WAITING)
            self._candidates.add(node_id)

    def lose(self, node_id: NodeId, error: ErrorInfo) -> None:
        """A ready node cannot be executed after all."""
        self._fail(self.nodes[node_id], error)

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left to do."""
        for node in self.nodes.values():  # noqa: SIM110 - `any` takes twice as long for a few nodes
            if node.under_way or node.state in UNDECIDED:
                return False
        return True

    def are_done(self, indexes: Iterable[int]) -> bool:
        """Whether the nodes at these places of the plan are done."""
        return all(self._in_order[index].state is NodeState.DONE for index in indexes)

    def overtaken(self) -> Overtaken:
        """What has become pointless, once."""
        overtaken, self._overtaken, self.has_overtaken = self._overtaken, Overtaken(), False
        return overtaken

    # -- within

    def _make_stale(self, roots: Iterable[LiveNode], change: str) -> None:
        stack = list(roots)
        seen = set(map(ID_OF, stack))
        while stack:
            node = stack.pop()
            if node.under_way or node.state is NodeState.READY:
                self._overtake(node)
            node.change = change
            if node.state is not NodeState.WAITING:
                node.to(NodeState.WAITING)
            self._candidates.add(node.plan.id)
            for index in node.plan.successors:
                below = self._in_order[index]
                if below.plan.id not in seen:
                    seen.add(below.plan.id)
                    stack.append(below)

    def _overtake(self, node: LiveNode, *, is_outdated: bool = False) -> None:
        """What the node is doing counts for nothing."""
        if node.state is NodeState.READY:
            self._unqueue(node)
        elif node.under_way:
            key = (node.plan.id, node.under_way)
            self._overtaken.executions[key] = is_outdated or self._overtaken.executions.get(key, False)
            self.has_overtaken = True
            node.execution = 0

    def _unqueue(self, node: LiveNode) -> None:
        self._overtaken.queued.append(node.plan.id)
        self.has_overtaken = True
        node.to(NodeState.WAITING)

    def _ended(self, node_id: NodeId, execution: int) -> LiveNode | None:
        """The node whose execution has ended, if that counts."""
        node = self.nodes.get(node_id)
        if node is None or node.under_way != execution:
            return None
        node.under_way = 0
        if node.execution == execution:
            node.execution = 0
            return node
        self._candidates.add(node_id)
        return None

    def _fail(self, node: LiveNode, error: ErrorInfo) -> None:
        node.to(NodeState.FAILED)
        node.error = error
        self.failed_count += 1
        self._drop_outputs(node)
        self._look_below(node)

    def _look_below(self, node: LiveNode) -> None:
        for index in node.plan.successors:
            self._candidates.add(self._in_order[index].plan.id)

    def _obstacle(self, node: LiveNode, *, is_cut_off: bool) -> ErrorInfo | None:
        """Why a node cannot be executed now that all above it is decided. is_cut_off: not all of that is good."""
        if is_cut_off:
            above = [self._in_order[before] for before in node.plan.predecessors]
            lost = next(one for one in above if one.state not in GOOD)
            message = f"'{node.plan.title}' was skipped: {skip_reason(lost.plan.title, lost.state)}"
            return ErrorInfo(code=ErrorCode.SKIPPED, message=message)
        lacking = [pin for pin in node.plan.missing if (node.plan.id, pin) not in self.given]
        problem = node.plan.problem or (missing_input(node.plan, lacking) if lacking else None)
        return None if problem is None else ErrorInfo(code=ErrorCode.SKIPPED, message=problem.message)

    def _value(self, source: Source, held: Container[NodeId]) -> Payload | Ref:
        node = self._in_order[source.node]
        if node.plan.id not in held and node.outputs:
            value = node.outputs[source.output][1]
            if isinstance(value, Value):
                return value.payload
        return Ref(node=node.plan.id, output=source.output)

    def _drop_outputs(self, node: LiveNode) -> None:
        self._holdings.let_go(node.payloads)
        node.outputs = node.payloads = ()


def payloads_of(outputs: Outputs) -> tuple[Payload, ...]:
    """What the shell holds of them."""
    return tuple([value.payload for _, value in outputs if isinstance(value, Value)])


def _signatures(nodes: Mapping[NodeId, LiveNode]) -> dict[NodeId, tuple[object, ...]]:
    """All of each node that its outputs depend on, besides what is given and the values above it."""
    ids = {node.plan.index: node_id for node_id, node in nodes.items()}
    return {node_id: _signature(node.plan, ids) for node_id, node in nodes.items()}


def _signature(node: PlanNode, ids: Mapping[int, NodeId]) -> tuple[object, ...]:
    inputs = [
        (item.pin, item.literal if item.source is None else (ids[item.source.node], item.source.output))
        for item in node.inputs
    ]
    above = frozenset(ids[index] for index in node.predecessors)
    problem = None if node.problem is None else node.problem.code
    return node.code, inputs, node.outputs, above, node.missing, problem
