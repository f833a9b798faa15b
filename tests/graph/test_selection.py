"""Parts of a plan: which nodes are selected, and what they get from those that are not."""

import networkx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyflowd.graph.diagnostics import Diagnostic, DiagnosticCode
from pyflowd.graph.plan import Binding, Plan, bind
from pyflowd.graph.selection import OuterInput, Part, bind_part, part_of
from pyflowd_client.protocol.options import Selection
from support.graphs import ADD, MAKE, PAIR, node, plan_of, reroute

COUNT = 6
NAMES = [f"n{number}" for number in range(COUNT)]
PAIRS = st.sets(st.tuples(st.integers(0, COUNT - 1), st.integers(0, COUNT - 1)).filter(lambda pair: pair[0] < pair[1]))
SOME = st.lists(st.sampled_from(NAMES), max_size=2).map(tuple)
SELECTIONS = st.builds(Selection, targets=SOME, below=SOME, only=SOME)


def wired(pairs: set[tuple[int, int]]) -> Plan:
    """A plan with these edges, each of which carries a value as long as there is a free pin, and else only orders."""
    edges, free = [], {name: ["a", "b"] for name in NAMES}
    for source, target in sorted(pairs):
        pins = free[NAMES[target]]
        edges.append(f"n{source}.output_1 > n{target}.{pins.pop()}" if pins else f"n{source} > n{target}")
    return plan_of(*(node(name, gui_state={"a": 1, "b": 1}) for name in NAMES), *edges)


def cut(plan: Plan, **selection: tuple[str, ...]) -> Part:
    part, refusals = part_of(plan, Selection(**selection))
    assert part is not None, refusals
    return part


def ids(plan: Plan) -> list[str]:
    return [node.id for node in plan.nodes]


@settings(deadline=None)
@given(pairs=PAIRS, selection=SELECTIONS)
def test_targets_come_with_all_they_need_and_beginnings_with_all_that_depends_on_them(
    pairs: set[tuple[int, int]], selection: Selection
) -> None:
    plan = wired(pairs)
    order = networkx.DiGraph((NAMES[a], NAMES[b]) for a, b in pairs)
    order.add_nodes_from(NAMES)
    expected = {*selection.targets, *selection.below, *selection.only}
    expected.update(*(networkx.ancestors(order, name) for name in selection.targets))
    expected.update(*(networkx.descendants(order, name) for name in selection.below))
    assert ids(cut(plan, **{name: getattr(selection, name) for name in Selection.FIELDS}).plan) == [
        name for name in ids(plan) if name in expected
    ]


@settings(deadline=None)
@given(pairs=PAIRS, selection=SELECTIONS)
def test_every_input_of_a_part_comes_from_where_it_came_from_in_the_whole(
    pairs: set[tuple[int, int]], selection: Selection
) -> None:
    plan = wired(pairs)
    part, _ = part_of(plan, selection)
    assert part is not None
    inside = set(ids(part.plan))
    assert part.left_out == set(ids(plan)) - inside
    outer = {(item.node, item.pin): item for item in part.outer}
    assert len(outer) == len(part.outer)
    for index, place in part.places.items():
        whole, node = plan.nodes[index], part.plan.nodes[place]
        assert (node.index, node.id) == (place, whole.id)
        for neighbours, all_of_them in ((node.predecessors, whole.predecessors), (node.successors, whole.successors)):
            assert [part.plan.nodes[other].id for other in neighbours] == [
                plan.nodes[other].id for other in all_of_them if plan.nodes[other].id in inside
            ]
        kept = {item.pin: item for item in node.inputs}
        for item in whole.inputs:
            if item.source is None:
                assert kept[item.pin] == item
            elif plan.nodes[item.source.node].id in inside:
                source = kept[item.pin].source
                assert source is not None
                assert part.plan.nodes[source.node].id == plan.nodes[item.source.node].id
            else:
                taken = outer.pop((place, item.pin))
                assert (taken.source, taken.output) == (plan.nodes[item.source.node].id, "output_1")
                assert item.pin not in kept
    assert not outer


def test_the_last_nodes_of_a_part_are_those_that_nothing_in_it_depends_on_and_those_that_were_named() -> None:
    plan = wired({(0, 1), (1, 2), (2, 3)})

    def last(**selection: tuple[str, ...]) -> list[str]:
        part = cut(plan, **selection).plan
        return [part.nodes[index].id for index in part.last]

    assert last(targets=("n2",)) == ["n2"]
    assert last(targets=("n1", "n2")) == ["n1", "n2"]
    assert last(below=("n1",)) == ["n3"]
    assert last(only=("n0", "n1")) == ["n0", "n1"]


def test_a_name_is_an_id_or_a_title_that_only_one_node_has() -> None:
    plan = plan_of(node("a", MAKE, title="b"), node("b", MAKE, title="a"), node("c", MAKE, title="Third one"))
    assert ids(cut(plan, only=("a", "Third one")).plan) == ["a", "c"]


@pytest.mark.parametrize("where", Selection.FIELDS)
def test_names_of_no_node_and_of_several_are_refused_each_once(where: str) -> None:
    plan = plan_of(node("t1", MAKE, title="T"), node("t2", MAKE, title="T"))
    part, refusals = part_of(plan, Selection(**{where: ("ghost", "T", "ghost", "t1", "")}))
    assert part is None
    assert [item.code for item in refusals] == [DiagnosticCode.BAD_SELECTION] * 3
    assert '"ghost"' in refusals[0].message
    assert "t1, t2" in refusals[1].message


def test_a_hundred_thousand_wrong_names_are_counted_and_not_told_one_by_one() -> None:
    _, refusals = part_of(plan_of(node("a", MAKE)), Selection(only=tuple(map(str, range(100_000)))))
    assert len(refusals) == 101


def bound(plan: Plan, part: Part, inputs: dict[str, str], *known: str) -> Binding:
    """The binding when the last values of these nodes are known."""
    return bind_part(plan, part, inputs, lambda item: item.source in known)


def codes(diagnostics: tuple[Diagnostic, ...]) -> list[DiagnosticCode]:
    return [item.code for item in diagnostics]


CHAIN = (node("x", MAKE), node("y"), node("z"), "x.output_1 > y.a", "y.output_1 > z.a")


def test_a_value_that_nobody_has_is_an_error_that_names_node_and_pin_and_says_what_to_do() -> None:
    plan = plan_of(*CHAIN)
    part = cut(plan, below=("y",))
    binding = bound(plan, part, {})
    [told] = binding.diagnostics
    assert (told.code, told.node, told.title) == (DiagnosticCode.NO_LAST_VALUE, "y", "Y")
    assert binding.unrunnable == {0: told}
    for words in ('"a" from "X"', "Run the graph first", "--target y", "--input 'y.a=VALUE'"):
        assert words in told.message
    assert bound(plan, part, {}, "x").is_complete


def test_what_is_passed_goes_before_what_is_remembered_by_the_names_of_the_whole_graph() -> None:
    plan = plan_of(*CHAIN)
    part = cut(plan, below=("y",))
    binding = bound(plan, part, {"Y.a": "1", "z.b": "2"})
    assert (binding.literals, binding.is_complete) == ({0: {"a": b"1"}, 1: {"b": b"2"}}, True)


def test_a_value_for_a_node_that_is_left_out_is_told_and_not_used() -> None:
    plan = plan_of(*CHAIN)
    binding = bound(plan, cut(plan, only=("x",)), {"y.b": "1"})
    [told] = binding.diagnostics
    assert (told.code, told.node, told.severity) == (DiagnosticCode.UNUSED_INPUT, "y", "warning")
    assert (binding.literals, binding.is_complete) == ({}, True)


def test_a_value_that_fits_no_pin_of_the_whole_graph_is_a_bad_input() -> None:
    plan = plan_of(*CHAIN)
    for target in ("ghost.a", "y.ghost"):
        assert codes(bound(plan, cut(plan, only=("x",)), {target: "1"}).diagnostics) == [DiagnosticCode.BAD_INPUT]


def test_an_input_that_nothing_feeds_is_missing_as_ever() -> None:
    plan = plan_of(node("x", MAKE), node("y"))
    assert codes(bound(plan, cut(plan, only=("y",)), {}).diagnostics) == [DiagnosticCode.MISSING_INPUT]
    assert bound(plan, cut(plan, only=("y",)), {"y.a": "1"}).is_complete


def test_what_is_wrong_with_nodes_that_are_left_out_keeps_no_other_from_running() -> None:
    plan = plan_of(node("bad", "def f(:"), node("lost"), node("x"), "x.output_1 > lost.ghost", "bad.output_1 > x.a")
    assert len(bind(plan, {}).diagnostics) > 2
    part = cut(plan, only=("x",))
    assert bound(plan, part, {}, "bad").diagnostics == ()
    assert codes(bound(plan, cut(plan, only=("bad",)), {}).diagnostics) == [DiagnosticCode.SYNTAX_ERROR]


def test_the_pin_of_a_value_from_outside_is_named_where_it_can_be_known() -> None:
    plan = plan_of(node("p", PAIR), node("bad", "def f(:"), node("y"), "p.output_2 > y.a", "bad.output_2 > y.b")
    outer = {item.pin: item for item in cut(plan, only=("y",)).outer}
    assert outer["a"] == OuterInput(
        node=0, pin="a", source=plan.nodes[0].id, title="P", code=plan.nodes[0].code, output="name"
    )
    assert outer["b"].output is None


def test_an_edge_that_only_orders_is_fulfilled_where_it_comes_from_outside() -> None:
    plan = plan_of(node("x", MAKE), node("y", MAKE), "x > y")
    part = cut(plan, only=("y",))
    assert (part.outer, part.plan.nodes[0].predecessors) == ((), ())
    assert ids(cut(plan, targets=("y",)).plan) == ["x", "y"]


def test_values_come_through_reroutes_from_outside() -> None:
    plan = plan_of(node("x", MAKE), reroute("r"), node("y"), "x.output_1 > r.input", "r.output > y.a")
    [item] = cut(plan, only=("y",)).outer
    assert (item.source, item.output) == ("x", "output_1")


def test_a_part_needs_what_the_graph_and_its_own_nodes_need() -> None:
    plan = plan_of(
        node("x", MAKE, extra={"permissions": {"env": ["X"]}}), node("y", ADD, extra={"permissions": {"env": ["Y"]}})
    )
    assert [need.target for need in cut(plan, only=("x",)).plan.needs] == ["X"]
