"""Which environment nodes run in: what the graph declares against what who runs it chose."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyflowd.core.judgement import check_result
from pyflowd.core.preparation import Prepared
from pyflowd.graph.dependencies import Dependencies
from pyflowd.graph.diagnostics import DiagnosticCode, Severity
from pyflowd.graph.environment_specs import DEFAULT, EnvironmentSpec
from pyflowd.graph.interface import code_hash
from pyflowd.graph.model import Graph, Node
from pyflowd.graph.placement import MOST_ENVIRONMENTS, NOWHERE_ELSE, Placement, in_words, place
from pyflowd.graph.plan import bind
from pyflowd.graph.planning import Planning, build_plan, code_sources
from pyflowd_client.protocol.ids import NodeId
from pyflowd_client.protocol.options import EnvironmentChoice
from support.graphs import MAKE, edge, interface_of, node, planned, reroute, texts, whole_graphs

PATH = "/opt/python/bin/python3"


def block(*requirements: str, python: str = "") -> str:
    lines = [f"dependencies = {list(requirements)}", *([f"requires-python = '{python}'"] if python else [])]
    return "\n".join(("# /// script", *(f"# {line}" for line in lines), "# ///", MAKE))


def whole(*nodes: Node, extra: Any = None, **dependencies: Any) -> Graph:
    return Graph(title="t", nodes=nodes or (node("a", MAKE),), dependencies=dependencies or None, extra=extra or {})


def placed(graph: Graph, python: str | None = None, **choice: Any) -> Placement:
    return place(graph, EnvironmentChoice(**choice), python)


def own(graph: Graph, python: str | None = None, **choice: Any) -> EnvironmentSpec:
    """The graph's own environment, when there is nothing to complain of."""
    found = placed(graph, python, **choice)
    assert not [item for item in found.diagnostics if item.severity is not Severity.INFO]
    assert not found.of_node
    return found.specs[0]


def plan(graph: Graph, placement: Placement) -> Planning:
    return build_plan(
        graph,
        {code: interface_of(source) for code, source in code_sources(graph, placement).items()},
        placement=placement,
    )


def test_nothing_said_is_the_daemons_default_without_a_word() -> None:
    assert placed(whole()) == NOWHERE_ELSE
    assert placed(whole(), allow_builds=True) == NOWHERE_ELSE
    assert own(whole()) == DEFAULT


NUMPY = {"requirements": ["Numpy"], "optional": ["b"], "python": ">=3.10"}


@pytest.mark.parametrize(
    ("declared", "python", "choice", "spec"),
    [
        ({}, "3.9", {}, EnvironmentSpec(python="3.9")),
        ({}, "3.8+", {}, EnvironmentSpec(python=">=3.8")),
        ({}, PATH, {}, EnvironmentSpec(python=PATH)),
        ({"python": ">=3.10"}, None, {}, EnvironmentSpec(python=">=3.10")),
        ({"python": ">=3.10"}, "3.12", {}, EnvironmentSpec(python="3.12")),
        (NUMPY, None, {}, EnvironmentSpec(python=">=3.10", requirements=("numpy",), optional=("b",))),
        (NUMPY, "3.12", {}, EnvironmentSpec(python="3.12", requirements=("numpy",), optional=("b",))),
        (NUMPY, PATH, {}, EnvironmentSpec(python=PATH)),
        (
            NUMPY,
            PATH,
            {"requirements": ("b", "/x")},
            EnvironmentSpec(python=PATH, requirements=("/x", "b", "numpy")),
        ),
        ({"optional": ["b"]}, None, {}, EnvironmentSpec(optional=("b",))),
        ({}, None, {"requirements": ("B", "b")}, EnvironmentSpec(requirements=("b",))),
        ({}, "3.9", {"requirements": ("b",)}, EnvironmentSpec(requirements=("b",), python="3.9")),
        (NUMPY, None, {"name": "plots"}, EnvironmentSpec(name="plots")),
        (
            {"requirements": ["a"]},
            None,
            {"allow_builds": True},
            EnvironmentSpec(requirements=("a",), allow_builds=True),
        ),
        ({"python": "3.9"}, None, {"allow_builds": True}, EnvironmentSpec(python="3.9")),
        ({"environment": "plots", "requirements": ["a"]}, None, {}, EnvironmentSpec(name="plots")),
        (
            {"environment": "plots", "requirements": ["a"]},
            "3.9",
            {},
            EnvironmentSpec(python="3.9", requirements=("a",)),
        ),
        ({"environment": "plots"}, None, {"requirements": ("b",)}, EnvironmentSpec(requirements=("b",))),
        ({"environment": "plots"}, None, {"name": "other"}, EnvironmentSpec(name="other")),
        ({"environment": ">=3.10", "python": "<3.13"}, None, {}, EnvironmentSpec(python="<3.13,>=3.10")),
        (
            {"environment": {"requirements": ["b"], "python": "3.9"}, "requirements": ["a"]},
            None,
            {},
            EnvironmentSpec(python="3.9", requirements=("a", "b")),
        ),
    ],
)
def test_the_graphs_own_environment(declared: Any, python: str | None, choice: Any, spec: EnvironmentSpec) -> None:
    assert own(whole(**declared), python, **choice) == spec


def test_environment_may_stand_beside_the_nodes_as_well() -> None:
    assert own(whole(extra={"environment": "plots"})) == EnvironmentSpec(name="plots")
    assert own(whole(extra={"environment": "plots"}, environment="plots")) == EnvironmentSpec(name="plots")
    found = placed(whole(extra={"environment": "plots"}, environment="other"))
    assert [item.code for item in found.refusals] == [DiagnosticCode.BAD_ENVIRONMENT]
    assert "twice" in found.refusals[0].message


def test_blocks_in_nodes_add_to_the_graphs_environment() -> None:
    nodes = node("a", block("Numpy>=2", python=">=3.9")), node("b", block("pandas", "numpy>=2")), node("c", MAKE)
    graph = whole(*nodes, requirements=["pandas"], python="<3.14")
    assert own(graph) == EnvironmentSpec(python="<3.14,>=3.9", requirements=("numpy>=2", "pandas"))


@pytest.mark.parametrize(("python", "choice"), [(None, {}), (None, {"name": "plots"}), (PATH, {})])
def test_what_a_graph_requires_is_known_wherever_it_runs(python: str | None, choice: Any) -> None:
    graph = whole(node("a", block("b")), requirements=["a"], python=">=3.10")
    found = placed(graph, python, **choice)
    assert found.required == Dependencies(requirements=("a", "b"), python=">=3.10")


@pytest.mark.parametrize(
    ("python", "choice", "code", "said"),
    [
        (None, {"name": "plots", "requirements": ("b",)}, "bad_environment", "pyflowctl env install plots ..."),
        ("3.9", {"name": "plots"}, "bad_environment", "either --env or --python"),
        (None, {"name": "3.9"}, "bad_environment", "cannot be the name"),
        (None, {"name": "../x"}, "bad_environment", "cannot be the name"),
        ("snake", {}, "bad_environment", '"snake" is neither the absolute path'),
        ("bin/python", {}, "bad_environment", "neither the absolute path"),
        ("/x\0", {}, "bad_environment", "NUL"),
        (None, {"requirements": ("./x",)}, "bad_dependencies", 'requirement "./x" cannot be used'),
        (None, {"requirements": ("b=1",)}, "bad_dependencies", "PEP 508"),
        (None, {"requirements": tuple(f"a{number}" for number in range(1001))}, "bad_dependencies", "more than 1,000"),
    ],
)
def test_a_request_that_cannot_be_met_is_refused(python: str | None, choice: Any, code: str, said: str) -> None:
    graph = whole()
    found = placed(graph, python, **choice)
    assert [item.code for item in found.refusals] == [code]
    assert said in found.refusals[0].message
    planning = plan(graph, found)
    assert planning.plan is None
    assert planning.diagnostics == found.diagnostics == found.refusals


def test_a_request_may_say_where_a_package_of_the_graph_comes_from() -> None:
    graph = whole(requirements=["x @ https://example.org/x.whl"])
    assert placed(graph).refusals
    given = "x @ https://example.com/x.whl"
    assert own(graph, requirements=(given,)) == EnvironmentSpec(requirements=(given,))


@pytest.mark.parametrize(("python", "choice"), [(None, {"name": "plots"}), (PATH, {})])
def test_what_cannot_be_required_does_not_matter_where_nothing_is_installed(python: str | None, choice: Any) -> None:
    graph = whole(node("a", block("./x")), requirements=["./y"], python="snake")
    found = placed(graph, python, **choice)
    assert not found.refusals
    assert not found.problems
    told = [Severity.INFO] if choice else []  # who names an interpreter knows which it is
    assert [item.severity for item in found.diagnostics] == [Severity.WARNING] * 3 + told


def test_another_python_than_the_graph_asks_for_is_told() -> None:
    found = placed(whole(python=">=3.10"), "3.9")
    assert found.specs == (EnvironmentSpec(python="3.9"),)
    assert not found.refusals
    assert "The graph asks for Python >=3.10, and was given 3.9." in [item.message for item in found.diagnostics]


@pytest.mark.parametrize(
    ("environment", "spec"),
    [
        ("plots", EnvironmentSpec(name="plots")),
        ("3.9", EnvironmentSpec(python="3.9")),
        (">= 3.10", EnvironmentSpec(python=">=3.10")),
        ({}, DEFAULT),
        ({"python": "3.9"}, EnvironmentSpec(python="3.9")),
        (
            {"requirements": ["B", "a"], "optional": {"x": ["c"]}, "python": "3.8+"},
            EnvironmentSpec(requirements=("a", "b"), optional=("c",), python=">=3.8", allow_builds=True),
        ),
    ],
)
def test_a_node_has_its_own_environment_whatever_was_chosen_for_the_graph(
    environment: Any, spec: EnvironmentSpec
) -> None:
    graph = whole(node("a", MAKE, extra={"environment": environment}), node("b", MAKE), requirements=["numpy"])
    for python, choice, others in (
        (None, {}, EnvironmentSpec(requirements=("numpy",), allow_builds=True)),
        (None, {"name": "other"}, EnvironmentSpec(name="other")),
        (PATH, {}, EnvironmentSpec(python=PATH)),
    ):
        found = placed(graph, python, allow_builds=True, **choice)
        assert found.specs == (others, spec)
        assert found.of_node == {"a": 1}
        assert not found.refusals
        assert not found.problems


def test_equal_environments_are_one() -> None:
    graph = whole(
        node("a", MAKE, extra={"environment": {"requirements": ["b", "a"]}}),
        node("b", MAKE, extra={"environment": {"requirements": ["A", "b", "a"]}}),
        node("c", MAKE, extra={"environment": {"requirements": ["numpy"]}}),
        reroute("r"),
        requirements=["Numpy"],
    )
    found = placed(graph)
    assert found.specs == (EnvironmentSpec(requirements=("numpy",)), EnvironmentSpec(requirements=("a", "b")))
    assert found.of_node == {"a": 1, "b": 1}


def test_the_block_of_a_node_with_its_own_environment_adds_to_that() -> None:
    found = placed(whole(node("a", block("x", python=">=3.9"), extra={"environment": {"requirements": ["y"]}})))
    assert found.specs == (DEFAULT, EnvironmentSpec(python=">=3.9", requirements=("x", "y")))
    found = placed(whole(node("a", block("x"), extra={"environment": "3.9"})))
    assert found.specs == (DEFAULT, EnvironmentSpec(python="3.9", requirements=("x",)))


def test_a_named_environment_must_have_what_a_block_requires() -> None:
    found = placed(whole(node("a", block("x"), extra={"environment": "plots"})))
    assert found.specs == (DEFAULT, EnvironmentSpec(name="plots"))
    assert [item.severity for item in found.diagnostics] == [Severity.WARNING, Severity.INFO]
    assert "must be there" in found.diagnostics[0].message


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ("/usr/bin/python3", "--python"),
        ("./venv", "--python"),
        ("~", "--python"),
        (r"C:\Python", "--python"),
        ("", "neither the name of an environment nor a version"),
        ("3.13t", "neither the name of an environment nor a version"),
        ("two words", "neither the name of an environment nor a version"),
        (3.9, "neither a text nor an object"),
        (["a"], "neither a text nor an object"),
        ({"requirement": ["a"]}, 'it has "requirement". There are: requirements, optional, python.'),
        ({"name": "plots"}, "There are"),
        ({"requirements": ["./x"]}, "--with"),
        ({"requirements": "x"}, "not a list of texts"),
        ({"python": "/usr/bin/python3"}, "no version of Python"),
    ],
)
def test_a_node_whose_environment_is_not_understood_does_not_run_and_the_others_do(environment: Any, said: str) -> None:
    graph = Graph(
        title="t",
        nodes=(node("a", MAKE, extra={"environment": environment}), node("b"), node("c", MAKE)),
        edges=(edge("a.output_1 > b.a"),),
    )
    found = placed(graph)
    assert found.specs == (DEFAULT,)
    assert not found.refusals
    assert set(found.problems) == {"a"}
    assert said in found.problems["a"].message
    planning = plan(graph, found)
    assert planning.plan is not None
    assert [item.message for item in planning.diagnostics] == [found.problems["a"].message]
    binding = bind(planning.plan, {})
    assert [planning.plan.nodes[index].id for index in binding.unrunnable] == ["a"]
    refused = placed(whole(extra={"environment": environment}))
    assert said in refused.refusals[0].message


def test_pythons_that_exclude_each_other_stop_the_node_that_came_last() -> None:
    graph = whole(node("a", block("x", python="<3.10")), node("b", block("y")), python=">=3.10")
    found = placed(graph)
    assert set(found.problems) == {"a"}
    assert found.specs == (EnvironmentSpec(python=">=3.10", requirements=("y",)),)


def test_a_graph_has_not_endlessly_many_environments() -> None:
    nodes = [node(f"n{number}", MAKE, extra={"environment": f"e{number}"}) for number in range(MOST_ENVIRONMENTS + 1)]
    found = placed(whole(*nodes, node("again", MAKE, extra={"environment": "e0"})))
    assert len(found.specs) == MOST_ENVIRONMENTS
    assert set(found.problems) == {f"n{MOST_ENVIRONMENTS - 1}", f"n{MOST_ENVIRONMENTS}"}
    assert found.of_node["again"] == found.of_node["n0"] == 1


def test_problems_of_many_nodes_are_no_refusal() -> None:
    nodes = [node(f"n{number}", MAKE, extra={"environment": 1}) for number in range(300)]
    graph = whole(*nodes, node("b", MAKE))
    found = placed(graph)
    assert len(found.problems) == 300
    assert not found.refusals
    planning = plan(graph, found)
    assert planning.plan is not None
    assert sum(item.problem is not None for item in planning.plan.nodes) == 300
    assert len(planning.diagnostics) == len(found.diagnostics) == 101


def test_the_same_code_in_two_environments_has_two_names() -> None:
    graph = whole(node("a", MAKE), node("b", MAKE, extra={"environment": "3.9"}), node("c", MAKE), reroute("r"))
    found = placed(graph)
    names = found.code_hashes(graph)
    assert names[0] == names[2] == code_hash(MAKE)
    assert names[1] not in (names[0], "")
    assert names[3] == ""
    planning = plan(graph, found)
    assert planning.plan is not None
    assert planning.plan.sources == {names[0]: MAKE, names[1]: MAKE}
    assert [(item.environment, item.code) for item in planning.plan.nodes] == [
        (0, names[0]),
        (1, names[1]),
        (0, names[0]),
    ]


def test_the_name_of_code_depends_on_which_environment_and_not_on_its_number() -> None:
    both = whole(
        node("a", MAKE, extra={"environment": "3.8"}), node("b", MAKE, extra={"environment": "3.9"}), node("c", MAKE)
    )
    one = whole(node("b", MAKE, extra={"environment": "3.9"}), node("c", MAKE))
    other = whole(node("a", MAKE, extra={"environment": "3.8"}), node("c", MAKE))
    in_both, in_one, in_other = (placed(graph).code_hashes(graph) for graph in (both, one, other))
    assert [in_other[0], *in_one] == in_both
    assert in_one[0] != in_other[0]


def test_a_plan_without_environments_is_as_it_was() -> None:
    graph = Graph(title="t", nodes=(node("a", MAKE), node("b")), edges=(edge("a.output_1 > b.a"),))
    assert plan(graph, NOWHERE_ELSE).plan == plan(graph, placed(graph)).plan == planned(graph)[0]


def test_a_check_tells_what_a_graph_and_its_nodes_run_in() -> None:
    graph = whole(
        node("a", block("pandas")),
        node("b", MAKE, extra={"environment": "plots"}),
        node("c", MAKE, extra={"environment": {}}),
        requirements=["numpy>=2"],
        optional=["x"],
        python=">=3.10",
        system=["ffmpeg"],
        notes="Read me.",
    )
    planning = plan(graph, placed(graph))
    assert planning.plan is not None
    checked = check_result(Prepared(planning.plan, ()), {})
    assert checked.runnable
    assert [(item.severity, item.code, item.node, item.message) for item in checked.findings] == [
        (
            "info",
            "environment_needed",
            None,
            "The graph runs in: Python >=3.10 with numpy>=2, pandas, x (optional)",
        ),
        ("info", "system_needed", None, "The graph needs on the system: ffmpeg"),
        ("info", "dependency_notes", None, "The graph has notes on what it needs: Read me."),
        ("info", "environment_needed", "b", '"B" runs in: the environment "plots"'),
        ("info", "environment_needed", "c", '"C" runs in: the Python of the daemon'),
    ]


def test_an_environment_in_words_is_not_too_long() -> None:
    assert in_words(EnvironmentSpec(requirements=("a", "b"))) == "Python with a, b"
    assert in_words(EnvironmentSpec(python=PATH)) == f"Python {PATH}"
    many = in_words(EnvironmentSpec(requirements=tuple(f"a{number}" for number in range(1000))))
    assert many.endswith("a19 and 980 more")


some_text = texts | st.sampled_from(["a", ">=3.9", "3.9", PATH, "a @ https://example.org/a.whl", "-e /x"])
environments = (
    st.none()
    | some_text
    | st.dictionaries(
        st.sampled_from(["requirements", "optional", "python", "x"]), st.lists(some_text, max_size=2) | some_text
    )
)


@given(
    graph=whole_graphs,
    stated=st.lists(environments, min_size=5, max_size=5),
    python=st.none() | some_text,
    choice=st.builds(
        EnvironmentChoice,
        name=st.none() | some_text,
        requirements=st.lists(some_text, max_size=2).map(tuple),
        allow_builds=st.booleans(),
    ),
)
@settings(deadline=None, max_examples=80)
def test_placing_never_raises_and_all_it_says_of_nodes_is_about_nodes_of_the_graph(
    graph: Graph, stated: list[Any], python: str | None, choice: EnvironmentChoice
) -> None:
    nodes = tuple(  # two with the same id are refused elsewhere
        replace(item, id=NodeId(f"{number}"), code=block("a") + item.code, extra={**item.extra, "environment": told})
        for number, (item, told) in enumerate(zip(graph.nodes, stated, strict=False))
    )
    graph = replace(graph, nodes=nodes, extra={**graph.extra, "environment": stated[-1]})
    found = place(graph, choice, python)
    ids = {item.id for item in nodes if not item.is_reroute}
    assert found.of_node.keys() | found.problems.keys() <= ids
    assert set(found.of_node.values()) == set(range(1, len(found.specs)))
    assert len(set(found.specs)) == len(found.specs)
    errors = [item for item in found.diagnostics if item.severity is Severity.ERROR]
    assert [*found.refusals] == [item for item in errors if item.node is None]
    assert found.problems.keys() == {item.node for item in errors} - {None}
    assert place(graph, choice, python) == found
