"""Live sessions: whatever happens in whatever order, in the end there is what a fresh run would give."""

from dataclasses import dataclass, field

from hypothesis import HealthCheck, assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pyflowd.core.holdings import Holdings
from pyflowd.core.live_session import LiveSession
from pyflowd.core.values import Value
from pyflowd.graph.model import Graph
from pyflowd.graph.plan import Plan
from pyflowd_client.protocol.errors import ErrorCode, ErrorInfo
from pyflowd_client.protocol.ids import NodeId
from pyflowd_client.protocol.states import NodeState
from support.graphs import edge, node, plan_of, planned
from support.world import Payload

IDS = tuple(NodeId(name) for name in "abcdef")
PINS = ("x", "y")
FAILED = ErrorInfo(code=ErrorCode.EXCEPTION, message="no")


@dataclass
class Document:
    """A graph to be edited: versions of code by node (below 0: it fails), titles, edges (source, target, pin)."""

    versions: dict[NodeId, int]
    titles: dict[NodeId, str] = field(default_factory=dict)
    edges: set[tuple[NodeId, NodeId, str]] = field(default_factory=set)
    needs_x: set[NodeId] = field(default_factory=set)

    def plan(self) -> Plan:
        nodes = tuple(node(one, self.code(one), self.titles.get(one, "")) for one in self.versions)
        edges = tuple(
            edge(f"{source} > {target}") if pin == "order" else edge(f"{source}.output_1 > {target}.{pin}")
            for source, target, pin in sorted(self.edges)
        )
        plan, diagnostics = planned(Graph(title="", nodes=nodes, edges=edges))
        assert plan is not None, diagnostics
        return plan

    def code(self, one: NodeId) -> str:
        x = "x" if one in self.needs_x else "x=0"
        return f"@node_entry\ndef f({x}, y=0) -> str:\n    return {self.versions[one]}\n"

    def above(self, one: NodeId) -> list[NodeId]:
        return [source for source, target, _ in self.edges if target == one]

    def below(self, roots: set[NodeId]) -> set[NodeId]:
        found, stack = set(roots), list(roots)
        while stack:
            last = stack.pop()
            new = {target for source, target, _ in self.edges if source == last} - found
            found |= new
            stack += new
        return found

    def fresh_run(self, given: dict[tuple[NodeId, str], bytes]) -> dict[NodeId, str | None]:
        """What each node gives; None when it fails or is skipped."""
        values: dict[NodeId, str | None] = {}
        for one in sorted(self.versions):
            inputs = {pin: given[one, pin].decode() for pin in PINS if (one, pin) in given}
            for source, target, pin in self.edges:
                if target == one and pin != "order":
                    inputs.setdefault(pin, values[source] or "")
            is_lost = any(values[before] is None for before in self.above(one))
            is_lost |= one in self.needs_x and "x" not in inputs
            values[one] = None if is_lost or self.versions[one] < 0 else result(self.versions[one], inputs)
        return values


def result(version: int, inputs: dict[str, str]) -> str:
    """A pure function of a node."""
    return f"{version}({','.join(f'{pin}={inputs[pin]}' for pin in sorted(inputs))})"


class LiveMachine(RuleBasedStateMachine):
    """Rules are what clients and workers can do. `may_run`: nodes that are at or below a change, not executed since."""

    def __init__(self) -> None:
        super().__init__()
        self.document = Document({IDS[0]: 1, IDS[1]: 1}, edges={(IDS[0], IDS[1], "x")})
        self.holdings = Holdings()
        self.session = LiveSession(self.document.plan(), {}, "0", self.holdings)
        self.given: dict[tuple[NodeId, str], bytes] = {}
        self.may_run = set(self.document.versions)
        self.queue: list[NodeId] = []
        self.executions: dict[int, tuple[NodeId, int, dict[str, str]]] = {}  # number -> node, version, inputs
        self.payloads: list[Payload] = []
        self.changes = 0
        self.serve()

    # -- clients

    def change(self) -> str:
        self.changes += 1
        return str(self.changes)

    def pick(self, data: st.DataObject) -> NodeId:
        return data.draw(st.sampled_from(sorted(self.document.versions)))

    @rule(data=st.data(), pin=st.sampled_from(PINS), value=st.integers(0, 2))
    def set_input(self, data: st.DataObject, pin: str, value: int) -> None:
        one, text = self.pick(data), str(value).encode()
        if self.given.get((one, pin)) != text:
            self.may_run |= self.document.below({one})
        self.given[one, pin] = text
        self.session.set_input(one, pin, text, self.change())
        self.serve()

    @precondition(lambda self: self.given)
    @rule(data=st.data())
    def take_back(self, data: st.DataObject) -> None:
        one, pin = data.draw(st.sampled_from(sorted(self.given)))
        assume(one in self.document.versions)
        del self.given[one, pin]
        self.may_run |= self.document.below({one})
        self.session.set_input(one, pin, None, self.change())
        self.serve()

    @rule(data=st.data())
    def trigger(self, data: st.DataObject) -> None:
        one = self.pick(data)
        self.may_run |= self.document.below({one})
        self.session.trigger(one, self.change())
        self.serve()

    @rule()
    def run_all(self) -> None:
        self.may_run = set(self.document.versions)
        self.session.run_all(self.change())
        self.serve()

    @rule()
    def reset(self) -> None:
        self.may_run = set(self.document.versions)
        self.given.clear()
        self.session.reset(self.change())
        self.serve()

    @rule(does=st.booleans())
    def pause_or_resume(self, does: bool) -> None:
        (self.session.pause if does else self.session.resume)(self.change())
        self.serve()

    @rule(data=st.data(), version=st.integers(-1, 3), needs_x=st.booleans())
    def edit_code(self, data: st.DataObject, version: int, needs_x: bool) -> None:
        one = self.pick(data)
        before = self.document.code(one)
        self.document.versions[one] = version
        (self.document.needs_x.add if needs_x else self.document.needs_x.discard)(one)
        self.update({one} if self.document.code(one) != before else set())

    @rule(data=st.data())
    def add_a_node(self, data: st.DataObject) -> None:
        new = [one for one in IDS if one not in self.document.versions]
        assume(new)
        one = data.draw(st.sampled_from(new))
        self.document.versions[one] = 1
        self.update({one})

    @precondition(lambda self: len(self.document.versions) > 1)
    @rule(data=st.data())
    def remove_a_node(self, data: st.DataObject) -> None:
        one = self.pick(data)
        below = {target for source, target, _ in self.document.edges if source == one}
        del self.document.versions[one]
        self.document.edges = {edge for edge in self.document.edges if one not in edge[:2]}
        self.update(below)

    @rule(data=st.data(), pin=st.sampled_from([*PINS, "order"]))
    def turn_an_edge(self, data: st.DataObject, pin: str) -> None:
        """Add it, or take it away; a pin has one edge at most."""
        one, other = sorted((self.pick(data), self.pick(data)))
        assume(one != other)
        new = (one, other, pin)
        if new in self.document.edges:
            self.document.edges.remove(new)
        elif pin == "order" or not any(edge[1:] == (other, pin) for edge in self.document.edges):
            self.document.edges.add(new)
        else:
            assume(False)
        self.update({other})

    @rule(data=st.data(), title=st.sampled_from(["", "First", "Second"]))
    def give_a_title(self, data: st.DataObject, title: str) -> None:
        self.document.titles[self.pick(data)] = title
        self.update(set())

    def update(self, changed: set[NodeId]) -> None:
        self.may_run |= self.document.below(changed)
        self.session.replace(self.document.plan(), self.change())
        self.serve()

    # -- workers

    def serve(self) -> None:
        """What the daemon does after each change."""
        overtaken = self.session.overtaken()
        for one in overtaken.queued:
            self.queue.remove(one)
        assert all(number in self.executions for _, number in overtaken.executions)
        ready, skipped = self.session.ready()
        assert not self.session.is_paused or not (ready or skipped)
        self.queue += ready
        assert len(set(self.queue)) == len(self.queue)
        self.close_garbage()

    @precondition(lambda self: self.queue)
    @rule(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        one = data.draw(st.sampled_from(self.queue))
        self.queue.remove(one)
        assert one in self.may_run
        self.may_run.remove(one)
        assert all(self.session.nodes[before].state is NodeState.DONE for before in self.document.above(one))
        self.begin_node(one)

    def begin_node(self, one: NodeId) -> None:
        number, inputs = self.session.begin(one), self.session.inputs(one)
        texts = {pin: (item if isinstance(item, bytes) else item.read()).decode() for pin, item in inputs}
        self.executions[number] = one, self.document.versions[one], texts

    @precondition(lambda self: self.executions)
    @rule(data=st.data())
    def end(self, data: st.DataObject) -> None:
        self.end_execution(data.draw(st.sampled_from(sorted(self.executions))))

    def end_execution(self, number: int) -> None:
        one, version, inputs = self.executions.pop(number)
        if version < 0:
            self.session.failed(one, number, FAILED)
        else:
            payload = Payload(result(version, inputs).encode())
            self.payloads.append(payload)
            if not self.session.done(one, number, [("output_1", Value(payload=payload, type="str"))]):
                payload.close()
        self.serve()

    def close_garbage(self) -> None:
        for payload in self.holdings.collect():
            payload.close()

    # -- promises

    @invariant()
    def at_most_one_execution_of_a_node_is_current(self) -> None:
        current = [node.execution for node in self.session.nodes.values() if node.execution]
        assert len(set(current)) == len(current)
        assert all(self.executions[number][0] == one for one, number in self.current().items())
        under_way = [one for one, _, _ in self.executions.values()]
        kept = {one for one in under_way if self.session.nodes.get(one) and self.session.nodes[one].under_way}
        assert all(node.state is not NodeState.RUNNING or one in kept for one, node in self.session.nodes.items())

    def current(self) -> dict[NodeId, int]:
        return {one: node.execution for one, node in self.session.nodes.items() if node.execution}

    @invariant()
    def nothing_is_closed_that_is_still_a_value(self) -> None:
        for one in self.session.nodes.values():
            assert all(value.payload.read() for _, value in one.outputs)

    def teardown(self) -> None:
        if self.session.is_paused:
            self.session.resume("last")
        self.serve()
        while self.queue or self.executions:
            while self.queue:
                self.begin_node(self.queue.pop())
            self.end_execution(next(iter(self.executions)))
        assert self.session.is_settled
        found = {
            one: node.outputs[0][1].payload.read().decode() if node.outputs else None
            for one, node in self.session.nodes.items()
        }
        assert found == self.document.fresh_run(self.given)
        self.session.close()
        self.close_garbage()
        assert all(payload.closed == 1 for payload in self.payloads)  # type: ignore[attr-defined]


TestLive = LiveMachine.TestCase
TestLive.settings = settings(
    max_examples=150, stateful_step_count=40, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def test_a_moved_or_renamed_node_is_not_executed() -> None:
    session = LiveSession(plan_of(node("a", "@node_entry\ndef f(x=1) -> int:\n    return x")), {}, "0", Holdings())
    [ready], _ = session.ready()
    number = session.begin(ready)
    session.done(ready, number, [("output_1", Value(payload=Payload(b"1"), type="int"))])
    assert session.is_settled
    moved = node("a", "@node_entry\ndef f(x=1) -> int:\n    return x", title="Renamed", extra={"pos": [7, 8]})
    session.replace(plan_of(moved), "1")
    assert session.ready() == ([], [])
    assert session.is_settled
    assert session.nodes[NodeId("a")].plan.title == "Renamed"


def test_what_is_below_a_failure_says_whose_it_is_and_recovers() -> None:
    code = "@node_entry\ndef f(x=1) -> int:\n    return x"
    parts = (node("a", code), node("b", code), "a.output_1 > b.x")
    session = LiveSession(plan_of(*parts), {}, "0", Holdings())
    session.ready()
    number = session.begin(NodeId("a"))
    assert session.failed(NodeId("a"), number, FAILED)
    _, [(skipped, error)] = session.ready()
    assert (skipped, error.message) == ("b", "'B' was skipped: depends on 'A', which failed")
    session.set_input(NodeId("a"), "x", b"2", "1")
    [ready], _ = session.ready()
    number, inputs = session.begin(ready), session.inputs(ready)
    assert inputs == [("x", b"2")]
    assert session.done(ready, number, [("output_1", Value(payload=Payload(b"3"), type="int"))])
    [below], _ = session.ready()
    assert [item[1].read() for item in session.inputs(below)] == [b"3"]  # type: ignore[union-attr]


def test_an_execution_that_is_overtaken_is_named_once_with_whether_its_code_is_out_of_date() -> None:
    session = LiveSession(plan_of(node("a", "@node_entry\ndef f(x=1) -> int:\n    return x")), {}, "0", Holdings())
    session.ready()
    number = session.begin(NodeId("a"))
    session.set_input(NodeId("a"), "x", b"2", "1")
    assert session.overtaken().executions == {("a", number): False}
    assert session.overtaken().executions == {}
    session.replace(plan_of(node("a", "@node_entry\ndef f(x=1) -> int:\n    return -x")), "2")
    assert session.overtaken().executions == {("a", number): True}
    assert session.ready() == ([], [])  # not before it has ended
    assert not session.failed(NodeId("a"), number, FAILED)
    assert session.ready()[0] == ["a"]
