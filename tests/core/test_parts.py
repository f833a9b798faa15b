"""Runs of parts of a graph: what they execute, what they are given, what is told."""

import hashlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyflowd.core.effects import SendCall
from pyflowd.core.graph_executor import GraphExecutor, Outer
from pyflowd.core.holdings import Holdings
from pyflowd.core.ids import EnvironmentId, WorkerId
from pyflowd.core.last_values import ROOM_BYTES, LastOutputs, LastValues
from pyflowd.core.parts import judge_part
from pyflowd.core.preparation import Prepared
from pyflowd.core.runs import Run
from pyflowd.core.values import Value
from pyflowd.graph.diagnostics import Diagnostic, DiagnosticCode, Severity
from pyflowd.graph.plan import Binding, Plan
from pyflowd_client.protocol import events
from pyflowd_client.protocol.errors import ErrorCode
from pyflowd_client.protocol.ids import NodeId
from pyflowd_client.protocol.options import WHOLE_GRAPH, Selection
from pyflowd_client.protocol.states import NodeState, RunState
from support.graphs import MAKE, node, plan_of
from support.world import BROKEN, GOOD, Payload, World, shape

CHAIN = shape(3, {(0, 1), (1, 2)})
ALONE = Selection(only=("n1",))


def whole_run(document: str = CHAIN, **options: object) -> World:
    """A world in which a graph was executed."""
    world = World(**options)  # type: ignore[arg-type]
    world.submit(document, origin="g")
    world.settle()
    return world


def told(world: World, request: int) -> list[events.Event]:
    return world.events[world.run_of(request)]


def codes(world: World, request: int) -> list[str]:
    return [event.code for event in told(world, request) if isinstance(event, events.Diagnostic)]


def ending(world: World, request: int) -> events.RunFinished:
    last = told(world, request)[-1]
    assert isinstance(last, events.RunFinished)
    return last


def call_of(world: World, worker: WorkerId) -> SendCall:
    call = world.processes[worker].call
    assert isinstance(call, SendCall)
    return call


def test_a_part_is_told_as_if_there_were_nothing_else() -> None:
    world = whole_run()
    request = world.submit(CHAIN, origin="g", selection=Selection(below=("n1",)))
    world.settle()
    [started] = [event for event in told(world, request) if isinstance(event, events.RunStarted)]
    assert (started.nodes, started.last) == (2, ("n2",))
    finished = [event for event in told(world, request) if isinstance(event, events.NodeFinished)]
    assert [(event.node, event.state) for event in finished] == [("n1", NodeState.DONE), ("n2", NodeState.DONE)]
    assert ending(world, request).state is RunState.SUCCEEDED
    world.check_over()


def test_what_a_node_gave_last_is_given_to_a_part_as_often_as_it_is_asked_for() -> None:
    world = whole_run()
    given = world.payloads[0]
    for _ in range(3):
        world.submit(CHAIN, origin="g", selection=ALONE)
        [worker] = world.busy()
        assert dict(call_of(world, worker).inputs) == {"x": given}
        assert not given.closed
        world.answer(worker)
    world.settle()
    world.check_over()


def test_a_part_that_is_run_renews_what_its_nodes_gave() -> None:
    world = whole_run()
    world.submit(CHAIN, origin="g", selection=ALONE)
    world.settle()
    world.submit(CHAIN, origin="g", selection=Selection(only=("n2",)))
    [worker] = world.busy()
    assert dict(call_of(world, worker).inputs) == {"x": world.payloads[3]}
    assert [payload.closed for payload in world.payloads] == [0, 1, 0, 0]


def test_without_a_value_nothing_is_run_and_the_node_is_named() -> None:
    world = whole_run()
    request = world.submit(CHAIN, origin="another", selection=ALONE)
    assert codes(world, request) == ["no_last_value"]
    error = ending(world, request).error
    assert error is not None
    assert error.code is ErrorCode.BAD_GRAPH
    assert not world.busy()


def test_partially_only_what_lacks_a_value_is_skipped() -> None:
    world = whole_run()
    request = world.submit(CHAIN, origin="new", selection=Selection(only=("n0", "n2")), partial=True)
    world.settle()
    finished = [event for event in told(world, request) if isinstance(event, events.NodeFinished)]
    assert [(event.node, event.state) for event in finished] == [("n2", NodeState.SKIPPED), ("n0", NodeState.DONE)]


@pytest.mark.parametrize("name", ["ghost", "Twin"])
def test_a_name_of_no_node_or_of_several_is_refused_even_partially(name: str) -> None:
    world = whole_run()
    document = CHAIN.replace("Node 0", "Twin").replace("Node 1", "Twin")
    request = world.submit(document, origin="g", selection=Selection(targets=(name,)), partial=True)
    world.settle()
    assert codes(world, request) == ["bad_selection"]
    error = ending(world, request).error
    assert error is not None
    assert error.code is ErrorCode.BAD_INPUT
    assert len(told(world, request)) == 2


def test_a_selection_that_says_nothing_means_the_whole_graph() -> None:
    world = whole_run()
    request = world.submit(CHAIN, origin="g", selection=Selection())
    world.settle()
    assert sum(isinstance(event, events.NodeFinished) for event in told(world, request)) == 3


def test_a_node_that_fails_keeps_its_older_value() -> None:
    world = whole_run()
    world.submit(CHAIN, origin="g")
    world.fail(world.busy()[0])
    world.settle()
    request = world.submit(CHAIN, origin="g", selection=ALONE)
    world.settle()
    assert ending(world, request).state is RunState.SUCCEEDED


def test_nodes_that_were_done_before_a_run_was_ended_are_remembered() -> None:
    world = whole_run(shape(1, set()))
    request = world.submit(CHAIN, origin="ended", run_timeout_s=5.0)
    world.answer(world.busy()[0])
    world.wait(6.0)
    world.settle()
    assert ending(world, request).state is RunState.FAILED
    request = world.submit(CHAIN, origin="ended", selection=ALONE)
    world.settle()
    assert ending(world, request).state is RunState.SUCCEEDED


def test_a_value_of_code_that_has_changed_is_used_and_told() -> None:
    world = whole_run()
    request = world.submit(CHAIN.replace(GOOD, "better", 1), origin="g", selection=ALONE)
    world.settle()
    assert ending(world, request).state is RunState.SUCCEEDED
    diagnostics = [event for event in told(world, request) if isinstance(event, events.Diagnostic)]
    assert [(event.code, event.severity, event.node) for event in diagnostics] == [
        ("last_values", "info", None),
        ("earlier_code", "warning", "n0"),
    ]
    assert '"Node 0"' in diagnostics[0].message
    again = world.submit(CHAIN, origin="g", selection=ALONE)
    world.settle()
    assert codes(world, again) == ["last_values"]


def test_a_given_value_goes_first_and_what_is_not_used_is_not_told_of() -> None:
    world = whole_run()
    request = world.submit(CHAIN.replace(GOOD, "better", 1), {"n1.x": "7"}, origin="g", selection=ALONE)
    world.warm()
    world.fork()
    while not isinstance(world.processes[world.busy()[0]].call, SendCall):
        world.answer(world.busy()[0])
    [worker] = world.busy()
    assert dict(call_of(world, worker).inputs) == {"x": b"7"}
    assert codes(world, request) == []
    world.settle()
    world.check_over()


def test_a_broken_node_that_is_left_out_keeps_no_part_from_running_and_gives_what_it_gave() -> None:
    world = whole_run()
    request = world.submit(CHAIN.replace(GOOD, BROKEN, 1), origin="g", selection=ALONE)
    world.settle()
    assert ending(world, request).state is RunState.SUCCEEDED
    assert codes(world, request) == ["last_values", "earlier_code"]


def test_what_a_reader_found_wrong_with_a_node_that_is_left_out_keeps_no_part_from_running() -> None:
    plan = plan_of(node("x", MAKE), node("y", MAKE))
    found = tuple(
        Diagnostic(severity=Severity.ERROR, code=DiagnosticCode.INVALID_FIELD, message="no", node=name)
        for name in (NodeId("x"), NodeId("y"))
    )
    world = World()
    request = world.submit("", selection=Selection(only=("y",)))
    findings = judge_part(Prepared(plan, found), world.controller.runs[world.run_of(request)], lambda _: None)
    assert findings.diagnostics == found[1:]


def test_an_edge_that_only_orders_is_fulfilled_when_its_beginning_is_left_out() -> None:
    document = shape(3, {(0, 2), (1, 2)})  # the second edge finds no free pin
    world = whole_run()
    request = world.submit(document, {"n2.x": "1"}, origin="new", selection=Selection(only=("n2",)))
    world.settle()
    assert ending(world, request).state is RunState.SUCCEEDED


def test_what_is_remembered_survives_a_cancelled_part_and_is_given_back_once() -> None:
    world = whole_run()
    request = world.submit(CHAIN, origin="g", selection=Selection(below=("n1",)), run_timeout_s=1.0)
    world.wait(1.0)
    world.settle()
    assert ending(world, request).state is RunState.FAILED
    assert not world.payloads[0].closed
    world.check_over()


def test_what_there_is_no_room_for_is_not_remembered() -> None:
    world = whole_run(last_values_bytes=0)
    request = world.submit(CHAIN, origin="g", selection=ALONE)
    world.settle()
    assert codes(world, request) == ["no_last_value"]
    assert [payload.closed for payload in world.payloads] == [1, 1, 1]


# -- pure graphs: a part gives what the whole gave

COUNT = 6
NAMES = [f"n{number}" for number in range(COUNT)]
PAIRS = st.sets(st.tuples(st.integers(0, COUNT - 1), st.integers(0, COUNT - 1)).filter(lambda pair: pair[0] < pair[1]))
SOME = st.lists(st.sampled_from(NAMES), max_size=2).map(tuple)
INPUTS = st.dictionaries(st.sampled_from([f"{name}.b" for name in NAMES]), st.sampled_from(["7", "8"]), max_size=3)


def pure_plan(pairs: set[tuple[int, int]]) -> Plan:
    """Up to two edges into each node carry values, the others order."""
    edges, free = [], {name: ["a", "b"] for name in NAMES}
    for source, target in sorted(pairs):
        pins = free[NAMES[target]]
        edges.append(f"n{source}.output_1 > n{target}.{pins.pop()}" if pins else f"n{source} > n{target}")
    return plan_of(*(node(name, gui_state={"a": 1, "b": 1}) for name in NAMES), *edges)


def executed(plan: Plan, binding: Binding, outer: Outer, last: LastValues) -> dict[str, bytes]:
    """What each node gives, which follows from its id and its inputs alone."""
    executor = GraphExecutor(plan, binding, last.holdings, outer)
    ready, skipped = executor.start()
    assert not skipped
    given = {}
    while ready:
        index = ready.pop()
        inputs = sorted((pin, v if isinstance(v, bytes) else v.read()) for pin, v in executor.begin(index))
        text = hashlib.sha256(repr((plan.nodes[index].id, inputs)).encode()).hexdigest().encode()
        outputs = (("output_1", Value(payload=Payload(text), type="str")),)
        ready += executor.done(index, outputs)
        last.keep("g", plan.nodes[index].id, plan.nodes[index].code, outputs)
        last.put_away()
        given[plan.nodes[index].id] = text
        for payload in last.holdings.collect():
            payload.close()
    assert executor.is_over
    return given


@settings(deadline=None)
@given(pairs=PAIRS, inputs=INPUTS, selection=st.builds(Selection, targets=SOME, below=SOME, only=SOME))
def test_a_part_of_a_pure_graph_gives_what_the_whole_gave(
    pairs: set[tuple[int, int]], inputs: dict[str, str], selection: Selection
) -> None:
    prepared, last = Prepared(pure_plan(pairs), ()), LastValues(Holdings(), ROOM_BYTES)

    def recall(node_id: NodeId) -> LastOutputs | None:
        return last.of("g", node_id)

    def run(part: Selection) -> dict[str, bytes]:
        asked = World()
        request = asked.submit("", inputs, selection=part, environment=EnvironmentId("/x"))
        one: Run = asked.controller.runs[asked.run_of(request)]
        findings = judge_part(prepared, one, recall)
        assert findings.plan is not None
        assert findings.binding is not None
        assert findings.binding.is_complete
        return executed(findings.plan, findings.binding, findings.outer, last)

    whole = run(WHOLE_GRAPH)
    assert whole.keys() == set(NAMES)
    part = run(selection)
    assert part == {name: whole[name] for name in part}
    assert len(last.holdings) == COUNT


def test_a_value_of_the_right_name_is_taken_when_the_pins_have_changed_their_order() -> None:
    last = LastValues(Holdings(), ROOM_BYTES)
    payloads = [Payload(b"1"), Payload(b"2")]
    outputs = tuple((name, Value(payload=one, type="int")) for name, one in zip(("q", "p"), payloads, strict=True))
    plan = plan_of(
        node("x", MAKE.replace("-> int:", '-> Tuple[int, int]:\n    """@outputs: p, q"""')), node("y"), "x.p > y.a"
    )
    last.keep("g", NodeId("x"), plan.nodes[0].code, outputs)
    world = World()
    request = world.submit("", selection=Selection(only=("y",)))
    findings = judge_part(
        Prepared(plan, ()), world.controller.runs[world.run_of(request)], lambda name: last.of("g", name)
    )
    assert findings.outer == {0: {"a": payloads[1]}}
