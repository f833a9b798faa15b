"""What one run adds to a plan: the client's inputs, and what cannot run without more of them."""

import pytest

from pyflowd.graph.diagnostics import DiagnosticCode
from pyflowd.graph.plan import bind
from support.graphs import MAKE, node, plan_of

WIDGETS = "def get_values(widgets):\n    return {'a': widgets['a'].value()}"


def test_a_value_goes_to_the_node_of_that_id_or_title_as_it_is() -> None:
    plan = plan_of(node("x.1", title="Net. Price"), node("y", title="Other"))
    binding = bind(plan, {"x.1.a": "[NaN,\u00fc] not even JSON", "Net. Price.b": '"\udc80"', "Other.a": "1"})
    assert binding.literals == {0: {"a": "[NaN,ü] not even JSON".encode(), "b": b'"\\udc80"'}, 1: {"a": b"1"}}
    assert (binding.is_complete, binding.unrunnable, binding.diagnostics) == (True, {}, ())


def test_an_id_goes_before_a_title() -> None:
    assert bind(plan_of(node("a", title="b"), node("b", title="a")), {"a.a": "1"}).literals == {0: {"a": b"1"}}


@pytest.mark.parametrize("target", ["ghost.a", "x.c", "a", "", ".", "x.", ".a", "TWIN.a"])
def test_a_value_that_fits_no_pin_is_a_bad_input(target: str) -> None:
    plan = plan_of(node("x", gui_state={"a": 1}), node("t1", MAKE, title="TWIN"), node("t2", MAKE, title="TWIN"))
    binding = bind(plan, {target: "1"})
    (diagnostic,) = binding.diagnostics
    assert (diagnostic.code, binding.is_complete, binding.literals) == (DiagnosticCode.BAD_INPUT, False, {})
    assert f'"{target}"' in diagnostic.message


def test_an_ambiguous_title_names_the_ids_to_use_instead() -> None:
    (diagnostic,) = bind(plan_of(node("t1", MAKE, title="T"), node("t2", MAKE, title="T")), {"T.a": "1"}).diagnostics
    assert "t1, t2" in diagnostic.message


def test_a_missing_input_makes_its_node_unrunnable_but_does_not_list_what_depends_on_it() -> None:
    binding = bind(plan_of(node("x"), node("y"), "x.output_1 > y.a"), {})
    (diagnostic,) = binding.diagnostics
    assert binding.unrunnable == {0: diagnostic}
    assert (diagnostic.code, diagnostic.node, diagnostic.title) == (DiagnosticCode.MISSING_INPUT, "x", "X")
    assert '"X"' in diagnostic.message
    assert '"a"' in diagnostic.message


def test_passing_the_missing_input_makes_it_complete() -> None:
    assert bind(plan_of(node("x")), {"x.a": "1"}).is_complete


def test_passing_an_input_whose_edge_is_wrong_lets_its_node_run() -> None:
    binding = bind(plan_of(node("x"), "ghost.output_1 > x.a"), {"x.a": "1"})
    assert (binding.unrunnable, binding.is_complete) == ({}, False)


@pytest.mark.parametrize(
    ("handler", "state", "code"),
    [
        (WIDGETS, {}, DiagnosticCode.GUI_WITHOUT_STATE),
        (WIDGETS, {"b": 1}, DiagnosticCode.MISSING_INPUT),
        ("def set_values(widgets, outputs): ...", {}, DiagnosticCode.MISSING_INPUT),
        ("", {}, DiagnosticCode.MISSING_INPUT),
    ],
)
def test_a_value_that_only_the_widgets_have_is_told_apart(
    handler: str, state: dict[str, int], code: DiagnosticCode
) -> None:
    plan = plan_of(node("x", gui_get_values_code=handler, gui_state=state))
    assert [diagnostic.code for diagnostic in bind(plan, {}).diagnostics] == [code]


def test_a_node_whose_code_cannot_run_is_unrunnable_whatever_is_passed_to_it() -> None:
    plan = plan_of(node("bad", "def f(:"), node("x"), "bad.output_1 > x.a")
    binding = bind(plan, {"bad.anything": "1"})
    assert binding.unrunnable == {0: plan.nodes[0].problem}
    assert [diagnostic.code for diagnostic in binding.diagnostics] == [DiagnosticCode.SYNTAX_ERROR]
