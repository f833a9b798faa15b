"""GraphExecutor: one execution of one plan. It answers what is ready, what is lost, and whether it is over.

It knows nothing of workers, time or clients. A node runs once, when everything before it is done; a node that
fails takes with it what depends on it, and nothing else.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyflowd.core.holdings import Holdings
from pyflowd.core.machines import NODE_MOVES, move
from pyflowd.core.values import Payload, Value
from pyflowd.graph.plan import Binding, Plan
from pyflowd_client.protocol.states import FINAL_NODE_STATES, NodeState, RunState

Outer = Mapping[int, Mapping[str, Payload]]
NOTHING_OUTER: Outer = {}


@dataclass(frozen=True, slots=True)
class Skipped:
    """A node that will not run, and why."""

    node: int
    reason: str


class GraphExecutor:
    """States are indexed like `plan.nodes`. It holds the values that nodes still need, in `holdings`.

    outer: node index -> pin -> a value from outside of the plan.
    """

    def __init__(self, plan: Plan, binding: Binding, holdings: Holdings, outer: Outer = NOTHING_OUTER) -> None:
        self.plan = plan
        self.binding = binding
        self.states = [NodeState.WAITING] * len(plan.nodes)
        self.nodes_over = 0
        self._waiting_for = [len(node.predecessors) for node in plan.nodes]
        self._values: dict[int, tuple[Payload, ...]] = {}
        self._uses = self._count_uses()
        self._holdings = holdings
        self._outer = dict(outer)
        self._failed = 0
        for payloads in self._outer.values():
            holdings.hold(payloads.values())

    @property
    def is_over(self) -> bool:
        """True when every node is in a final state."""
        return self.nodes_over == len(self.states)

    @property
    def verdict(self) -> RunState:
        """How the run ended, if nobody cancelled it."""
        return RunState.FAILED if self._failed else RunState.SUCCEEDED

    def start(self) -> tuple[list[int], list[Skipped]]:
        """The nodes that are ready at once, and those that can never run."""
        skipped: list[Skipped] = []
        for index, diagnostic in self.binding.unrunnable.items():
            if self.states[index] is NodeState.WAITING:
                skipped.append(self._skip(index, diagnostic.message))
                skipped += self._skip_dependants(index)
        ready = [
            index
            for index, count in enumerate(self._waiting_for)
            if not count and self.states[index] is NodeState.WAITING
        ]
        for index in ready:
            self._move(index, NodeState.READY)
        return ready, skipped

    def begin(self, index: int) -> list[tuple[str, Payload | bytes]]:
        """The node's code begins; returns its inputs, JSON texts by pin."""
        self._move(index, NodeState.RUNNING)
        inputs = self.inputs(index)
        self._give_up_sources(index)
        return inputs

    def inputs(self, index: int) -> list[tuple[str, Payload | bytes]]:
        """What a node that has not begun will get, JSON texts by pin."""
        given = self.binding.literals.get(index, {})
        inputs: list[tuple[str, Payload | bytes]] = [*given.items(), *self._outer.get(index, {}).items()]
        for item in self.plan.nodes[index].inputs:
            if item.pin in given:
                continue
            if item.source is not None:
                inputs.append((item.pin, self._values[item.source.node][item.source.output]))
            elif item.literal is not None:
                inputs.append((item.pin, item.literal))
        return inputs

    def done(self, index: int, outputs: Sequence[tuple[str, Value]]) -> list[int]:
        """The node returned; the nodes that are ready now."""
        self._move(index, NodeState.DONE)
        self._values[index] = payloads = tuple(value.payload for _, value in outputs)
        self._holdings.hold(payloads)
        if not self._uses[index]:
            self._drop(index)
        ready = []
        for successor in self.plan.nodes[index].successors:
            self._waiting_for[successor] -= 1
            if not self._waiting_for[successor] and self.states[successor] is NodeState.WAITING:
                self._move(successor, NodeState.READY)
                ready.append(successor)
        return ready

    def failed(self, index: int) -> list[Skipped]:
        """The node failed; what is lost with it."""
        self._move(index, NodeState.FAILED)
        self._failed += 1
        return self._skip_dependants(index)

    def cancelled(self, index: int) -> None:
        """The running node was ended on request."""
        self._move(index, NodeState.CANCELLED)

    def cancel_pending(self) -> list[int]:
        """Nothing new shall begin; the nodes that are cancelled by that."""
        pending = [index for index, state in enumerate(self.states) if state in (NodeState.WAITING, NodeState.READY)]
        for index in pending:
            self._move(index, NodeState.CANCELLED)
            self._give_up_sources(index)
        return pending

    def _skip(self, index: int, reason: str) -> Skipped:
        self._move(index, NodeState.SKIPPED)
        self._give_up_sources(index)
        return Skipped(index, reason)

    def _skip_dependants(self, index: int) -> list[Skipped]:
        reason = skip_reason(self.plan.nodes[index].title, self.states[index])
        skipped, stack = [], [index]
        while stack:
            for successor in self.plan.nodes[stack.pop()].successors:
                if self.states[successor] is NodeState.WAITING:
                    skipped.append(self._skip(successor, reason))
                    stack.append(successor)
        return skipped

    def _move(self, index: int, target: NodeState) -> None:
        state = move(NODE_MOVES, "node", self.plan.nodes[index].title, self.states[index], target)
        self.states[index] = state
        if state in FINAL_NODE_STATES:
            self.nodes_over += 1

    def _count_uses(self) -> list[int]:
        uses = [0] * len(self.plan.nodes)
        for node in self.plan.nodes:
            for item in node.inputs:
                if item.source is not None:
                    uses[item.source.node] += 1
        return uses

    def _give_up_sources(self, index: int) -> None:
        for item in self.plan.nodes[index].inputs:
            if item.source is not None:
                self._uses[item.source.node] -= 1
                if not self._uses[item.source.node]:
                    self._drop(item.source.node)
        if index in self._outer:
            self._holdings.let_go(self._outer.pop(index).values())

    def _drop(self, index: int) -> None:
        self._holdings.let_go(self._values.pop(index, ()))


def skip_reason(title: str, fate: NodeState) -> str:
    """Why a node is skipped that depends on one with this title and end."""
    return f"depends on '{title}', which {'failed' if fate is NodeState.FAILED else 'was skipped'}"
