"""The examples as documents: they read, plan and convert without a complaint, and their README tells of each."""

import ast
import re
from pathlib import Path

import pytest

from pyflowd.graph.document import Reading, read_document, write_document
from pyflowd.graph.interface import CodeInterface, InputPin, OutputPin
from pyflowd.graph.model import Graph
from pyflowd.graph.plan import Plan, bind
from pyflowd.graph.planning import build_plan, code_sources
from pyflowd.worker_side.inspection import inspect_source

FOLDER = Path(__file__).parents[2] / "examples"
README = FOLDER / "README.md"
EXAMPLES = sorted(path for path in FOLDER.iterdir() if path.suffix in {".md", ".json"} and path != README)

each_example = pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)


def reading_of(path: Path) -> Reading:
    return read_document(path.read_text(encoding="utf-8"), path.name)


def graph_of(path: Path) -> Graph:
    graph = reading_of(path).graph
    assert graph is not None
    return graph


def interface_of(source: str) -> CodeInterface:
    read, _ = inspect_source(source.encode(), "example")
    assert read["problem"] is None
    return CodeInterface(
        inputs=tuple(InputPin(**pin) for pin in read["inputs"]),
        outputs=tuple(OutputPin(**pin) for pin in read["outputs"]),
    )


def plan_of(graph: Graph) -> Plan:
    interfaces = {code: interface_of(source) for code, source in code_sources(graph).items()}
    planning = build_plan(graph, interfaces)
    assert planning.plan is not None, planning.diagnostics
    return planning.plan


@each_example
def test_an_example_reads_without_a_complaint(path: Path) -> None:
    assert reading_of(path).diagnostics == ()


@each_example
def test_an_example_can_run_as_it_is(path: Path) -> None:
    plan = plan_of(graph_of(path))
    binding = bind(plan, {})
    assert (plan.diagnostics, binding.diagnostics, binding.is_complete) == ((), (), True)


@each_example
def test_an_example_survives_conversion_to_the_other_format_and_back(path: Path) -> None:
    graph = graph_of(path)
    other = "json" if path.suffix == ".md" else "md"
    assert read_document(write_document(graph, other), None).graph == graph


@each_example
def test_the_code_of_an_example_suits_every_supported_python(path: Path) -> None:
    for source in code_sources(graph_of(path)).values():
        ast.parse(source, feature_version=(3, 8))


def test_the_readme_shows_a_command_for_every_example() -> None:
    shown = set(re.findall(r"^pyflowctl run examples/(\S+)", README.read_text(encoding="utf-8"), re.MULTILINE))
    assert shown == {path.name for path in EXAMPLES}


def test_the_simulations_of_the_monte_carlo_example_wait_for_nothing_but_their_seed() -> None:
    plan = plan_of(graph_of(FOLDER / "monte_carlo.md"))
    simulations = [node for node in plan.nodes if node.title.startswith("Simulate")]
    assert len(simulations) == 4
    assert {plan.nodes[index].title for node in simulations for index in node.predecessors} == {"Project", "Deal"}
