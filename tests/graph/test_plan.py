"""What a plan says of a graph: the order, where inputs come from, and what is wrong. Pins are really read from code."""

import pytest

from pyflowd.graph.diagnostics import DiagnosticCode, Severity
from pyflowd.graph.interface import CodeInterface, InputPin, OutputPin
from pyflowd.graph.model import Graph
from pyflowd.graph.plan import Plan, PlanNode, Source
from pyflowd.graph.planning import build_plan, code_sources
from support.graphs import ADD, MAKE, PAIR, edge, graph, interface_of, node, plan_of, planning_of, reroute

LARGE = 10_000


def ids(plan: Plan) -> list[str]:
    return [item.id for item in plan.nodes]


def codes(plan: Plan) -> list[DiagnosticCode]:
    return [diagnostic.code for diagnostic in plan.diagnostics]


def named(plan: Plan, node_id: str) -> PlanNode:
    return next(item for item in plan.nodes if item.id == node_id)


def origin(plan: Plan, node_id: str, pin: str) -> tuple[str, str] | None:
    """(node, output) that feeds an input."""
    source = next((item.source for item in named(plan, node_id).inputs if item.pin == pin), None)
    return (plan.nodes[source.node].id, plan.nodes[source.node].outputs[source.output]) if source else None


def test_a_node_comes_after_all_that_it_depends_on_else_in_document_order() -> None:
    plan = plan_of(
        node("c"), node("z", MAKE), node("b"), node("a", MAKE), "a.output_1 > b.a", "b > c", "z.output_1 > c.a"
    )
    assert ids(plan) == ["z", "a", "b", "c"]
    assert named(plan, "c").predecessors == (0, 2)
    assert [item.successors for item in plan.nodes] == [(3,), (2,), (3,), ()]
    assert plan.last == (3,)


def test_data_edges_order_even_where_execution_edges_say_nothing() -> None:
    plan = plan_of(
        node("d"), node("b"), node("c"), node("a"), "a > b", "a > c", "b > d", "b.output_1 > d.a", "c.output_1 > d.b"
    )
    assert ids(plan) == ["a", "b", "c", "d"]


def test_predecessors_and_successors_are_those_over_all_kinds_of_edges() -> None:
    plan = plan_of(node("a"), node("b"), node("c"), node("d"), "a.output_1 > b.a", "b > c")
    assert [item.predecessors for item in plan.nodes] == [(), (0,), (1,), ()]
    assert [item.successors for item in plan.nodes] == [(1,), (2,), (), ()]


def test_outputs_are_found_by_name_and_always_by_position() -> None:
    plan = plan_of(node("p", PAIR), node("x"), node("y"), "p.name > x.a", "p.output_2 > x.b", "p.count > y.a")
    assert [origin(plan, *pin) for pin in (("x", "a"), ("x", "b"), ("y", "a"))] == [
        ("p", "name"),
        ("p", "name"),
        ("p", "count"),
    ]


def test_an_input_is_a_connection_before_a_saved_value_before_a_default() -> None:
    plan = plan_of(
        node("m", MAKE), node("x", gui_state={"a": 1, "b": float("nan"), "label": "no parameter"}), "m.output_1 > x.a"
    )
    first, second = named(plan, "x").inputs
    assert (first.pin, first.source, first.literal) == ("a", Source(node=0, output=0), None)
    assert (second.pin, second.source, second.literal) == ("b", None, b"NaN")
    assert plan_of(node("x", gui_state={"a": "ü\udc80"})).nodes[0].inputs[0].literal == b'"\\u00fc\\udc80"'


def test_a_required_parameter_without_a_value_is_missing_and_one_with_a_default_is_not() -> None:
    assert plan_of(node("x")).nodes[0].missing == ("a",)


def test_reroutes_pass_values_and_order_through() -> None:
    plan = plan_of(
        node("x"), reroute("r2"), reroute("r1"), node("p", PAIR), node("y"), reroute("e"),
        "p.name > r1.input", "r1.output > r2.input", "r2.output > x.a", "p.exec_out > e.input", "e.output > y.exec_in",
    )  # fmt: skip
    assert (ids(plan), codes(plan)) == (["p", "x", "y"], [])
    assert origin(plan, "x", "a") == ("p", "name")
    assert (named(plan, "y").predecessors, named(plan, "y").inputs) == ((0,), ())


def test_a_reroute_that_leads_from_nowhere_or_to_nowhere_is_told_and_feeds_nothing() -> None:
    plan = plan_of(
        node("m", MAKE), reroute("from"), reroute("to"), node("x"), "from.output > x.a", "m.output_1 > to.input"
    )
    assert codes(plan) == [DiagnosticCode.DANGLING_REROUTE] * 2
    assert named(plan, "x").missing == ("a",)


def test_groups_change_nothing() -> None:
    grouped = Graph(nodes=graph(node("m", MAKE)).nodes, groups=({"uuid": "m", "member_node_uuids": ["m"]},))
    plan = build_plan(grouped, {code: interface_of(source) for code, source in code_sources(grouped).items()}).plan
    assert plan is not None
    assert ids(plan) == ["m"]


def test_of_two_edges_into_one_input_the_first_counts_with_a_warning() -> None:
    plan = plan_of(
        node("m", MAKE), node("n", MAKE), node("x"), "n.output_1 > x.a", "m.output_1 > x.a", "m > x", "n > x"
    )
    assert origin(plan, "x", "a") == ("n", "output_1")
    assert [(item.severity, item.code) for item in plan.diagnostics] == [(Severity.WARNING, DiagnosticCode.DOUBLE_EDGE)]


@pytest.mark.parametrize(
    ("wrong", "code", "mentioned"),
    [
        ("ghost.output_1 > x.a", DiagnosticCode.UNKNOWN_NODE, ("ghost", '"X".a')),
        ("m.output_1 > ghost.a", DiagnosticCode.UNKNOWN_NODE, ("ghost", '"M".output_1')),
        ("m.output_2 > x.a", DiagnosticCode.UNKNOWN_PIN, ('"M".output_2', '"X".a')),
        ("m.output_1 > x.c", DiagnosticCode.UNKNOWN_PIN, ('"M".output_1', '"X".c', "a, b")),
        ("m.exec_out > x.a", DiagnosticCode.UNKNOWN_PIN, ('"M".exec_out', '"X".a')),
        ("m.output_1 > x.exec_in", DiagnosticCode.UNKNOWN_PIN, ('"M".output_1', '"X".exec_in')),
    ],
)
def test_an_edge_that_does_not_fit_is_an_error_that_names_it(
    wrong: str, code: DiagnosticCode, mentioned: tuple[str, ...]
) -> None:
    plan = plan_of(node("m", MAKE), node("x"), wrong)
    (diagnostic,) = plan.diagnostics
    assert (diagnostic.severity, diagnostic.code) == (Severity.ERROR, code)
    assert all(text in diagnostic.message for text in mentioned)


@pytest.mark.parametrize("wrong", ["ghost.output_1 > x.b", "m.output_9 > x.b", "m.exec_out > x.b"])
def test_an_input_whose_edge_is_wrong_is_missing_even_with_a_default_or_a_saved_value(wrong: str) -> None:
    plan = plan_of(node("m", MAKE), node("x", gui_state={"a": 1, "b": 2}), wrong)
    assert named(plan, "x").missing == ("b",)


def test_a_good_edge_after_a_wrong_one_counts() -> None:
    plan = plan_of(node("m", MAKE), node("x"), "ghost.output_1 > x.a", "m.output_1 > x.a")
    assert (origin(plan, "x", "a"), named(plan, "x").missing) == (("m", "output_1"), ())


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("def f(:", DiagnosticCode.SYNTAX_ERROR),
        ("def f(): ...", DiagnosticCode.NO_ENTRY),
        ("", DiagnosticCode.NO_ENTRY),
        ("@node_entry\nasync def f(): ...", DiagnosticCode.ASYNC_ENTRY),
    ],
)
def test_code_that_cannot_be_a_node_is_one_error_and_its_edges_are_none(code: str, expected: DiagnosticCode) -> None:
    plan = plan_of(node("m", MAKE), node("bad", code), node("x"), "m.output_1 > bad.any", "bad.thing > x.a", "bad > x")
    assert codes(plan) == [expected]
    problem = named(plan, "bad").problem
    assert problem is not None
    assert (problem.node, problem.title) == ("bad", "BAD")
    assert named(plan, "x").missing == ()
    assert (named(plan, "bad").predecessors, named(plan, "x").predecessors) == ((0,), (1,))


def test_a_cycle_is_refused_by_the_titles_on_it() -> None:
    plan, (diagnostic,) = planning_of(
        node("free"), node("a"), node("b"), reroute("r"), "a.output_1 > r.input", "r.output > b.a", "b > a", "free > a"
    )
    assert (plan, diagnostic.code) == (None, DiagnosticCode.CYCLE)
    assert '"A" -> "r" -> "B" -> "A"' in diagnostic.message
    assert "FREE" not in diagnostic.message


@pytest.mark.parametrize("edges", [["a > a"], ["a.output_1 > a.a"], ["r.output > r.input"]])
def test_a_node_that_waits_for_itself_is_a_cycle(edges: list[str]) -> None:
    plan, diagnostics = planning_of(node("a"), reroute("r"), *edges)
    assert plan is None
    assert diagnostics[0].code is DiagnosticCode.CYCLE


def test_nodes_with_one_id_are_refused_by_their_titles() -> None:
    plan, (diagnostic,) = planning_of(node("a", title="First"), node("a", title="Second"), node("b"))
    assert (plan, diagnostic.code) == (None, DiagnosticCode.DUPLICATE_ID)
    assert "First" in diagnostic.message
    assert "Second" in diagnostic.message


def test_a_graph_without_code_is_refused_as_empty() -> None:
    for parts in ([], [reroute("r")]):
        plan, diagnostics = planning_of(*parts)
        assert (plan, [diagnostic.code for diagnostic in diagnostics]) == (None, [DiagnosticCode.EMPTY])


def test_equal_codes_are_one_source() -> None:
    plan = plan_of(node("a"), node("b"), node("m", MAKE))
    assert sorted(plan.sources.values()) == sorted([ADD, MAKE])
    assert plan.sources[plan.nodes[0].code] == ADD


@pytest.mark.parametrize("shape", ["chain", "fan", "reroutes", "ring"])
def test_large_graphs_are_planned_without_recursion(shape: str) -> None:
    nodes = [node(f"n{number}") if shape != "reroutes" else reroute(f"n{number}") for number in range(LARGE)]
    out, into = ("output", "input") if shape == "reroutes" else ("output_1", "a")
    pairs = [(0 if shape == "fan" else number, number + 1) for number in range(LARGE - 1)]
    edges = [edge(f"n{source}.{out} > n{target}.{into}") for source, target in pairs]
    if shape == "ring":
        edges.append(edge(f"n{LARGE - 1} > n0"))
    if shape == "reroutes":
        nodes += [node("m", MAKE), node("x")]
        edges += [edge("m.output_1 > n0.input"), edge(f"n{LARGE - 1}.output > x.a")]
    whole = Graph(nodes=tuple(nodes), edges=tuple(edges))
    plan = build_plan(whole, {code: interface_of(source) for code, source in code_sources(whole).items()}).plan
    if shape == "ring":
        assert plan is None
        return
    assert plan is not None
    assert len(plan.nodes) == (2 if shape == "reroutes" else LARGE)
    assert shape != "reroutes" or origin(plan, "x", "a") == ("m", "output_1")


def test_an_interface_is_all_that_a_plan_knows_of_code() -> None:
    whole = graph(node("a", "syntax of another age ::"))
    (code,) = code_sources(whole)
    interface = CodeInterface(
        inputs=(InputPin(name="x", type="any", required=False),), outputs=(OutputPin(name="y", type="any"),)
    )
    plan = build_plan(whole, {code: interface}).plan
    assert plan is not None
    assert (plan.nodes[0].parameters, plan.nodes[0].outputs, plan.diagnostics) == (("x",), ("y",), ())
