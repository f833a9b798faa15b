"""What graphs and their nodes require, in all the shapes that are found, and what is said of those that are none."""

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyflowd.graph.dependencies import (
    MOST_REQUIREMENTS,
    NOTHING,
    Dependencies,
    DependencyReader,
    Owner,
    united,
)
from pyflowd.graph.diagnostics import DiagnosticCode, Severity
from pyflowd.graph.document import Format, read_document, write_document
from pyflowd.graph.environment_specs import EnvironmentSpec
from pyflowd.graph.model import Graph
from support.graphs import MAKE, graph, node, whole_graphs

THE_GRAPH = Owner()
EDITORS_OWN = {
    "requirements": ["torch>=2.0.0+cu118", "Pillow>=8.0.0", "numpy>=1.21.0"],
    "optional": ["nvidia-ml-py3>=11.0.0"],
    "python": ">=3.8",
    "system": ["CUDA Toolkit 11.8 or 12.x"],
    "notes": "Install from: pip install torch --index-url https://example.org",
}
EVERY_SHAPE: list[dict[str, Any]] = [
    {},
    EDITORS_OWN,
    {"requirements": []},
    {"optional": {"gpu": ["a"], "web": ["b"]}, "system": "ffmpeg"},
    {"environment": "plots"},
    {"requirements": ["a"], "environment": {"requirements": ["b"], "python": "3.9"}},
]


def read(stated: Any, owner: Owner = THE_GRAPH) -> tuple[Dependencies, DependencyReader]:
    reader = DependencyReader()
    return reader.of_graph(Graph(nodes=(node("a"),), dependencies=stated), owner), reader


def read_code(*lines: str, owner: Owner | None = None) -> tuple[Dependencies, DependencyReader]:
    holder = node("a", "\n".join(("import os", "# /// script", *(f"# {line}" for line in lines), "# ///", MAKE)))
    reader = DependencyReader()
    return reader.of_code(holder, owner or Owner(holder)), reader


def complaints(reader: DependencyReader) -> list[tuple[Severity, str]]:
    assert {item.code for item in reader.diagnostics} <= {DiagnosticCode.BAD_DEPENDENCIES}
    return [(item.severity, item.message) for item in reader.diagnostics]


def test_the_editors_own_are_read_and_what_cannot_be_compared_is_told() -> None:
    found, reader = read(EDITORS_OWN)
    assert found == Dependencies(
        requirements=("numpy>=1.21.0", "pillow>=8.0.0", "torch>=2.0.0"),
        optional=("nvidia-ml-py3>=11.0.0",),
        python=">=3.8",
        system=("CUDA Toolkit 11.8 or 12.x",),
        notes="Install from: pip install torch --index-url https://example.org",
    )
    [(severity, message)] = complaints(reader)
    assert severity is Severity.WARNING
    assert message.startswith('The graph requires "torch>=2.0.0+cu118": ')
    assert message.endswith('it is read as "torch>=2.0.0".')


@pytest.mark.parametrize(
    ("stated", "expected"),
    [
        (None, NOTHING),
        ({}, NOTHING),
        ({"requirements": None, "python": None}, NOTHING),
        ({"python": "", "notes": " \n"}, NOTHING),
        ({"requirements": ["", "# only this", "numpy  # why"]}, Dependencies(requirements=("numpy",))),
        ({"optional": {"gpu": ["B"], "web": ["a"]}}, Dependencies(optional=("a", "b"))),
        ({"requirements": ["a"], "optional": ["A"]}, Dependencies(requirements=("a",))),
        ({"python": "3.8+"}, Dependencies(python=">=3.8")),
        ({"system": "ffmpeg\n6"}, Dependencies(system=("ffmpeg 6",))),
        ({"system": {"linux": ["b"], "mac": ["a", "b"]}}, Dependencies(system=("b", "a"))),
        ({"notes": ["one\ntwo", "\x1b"]}, Dependencies(notes="one two ?")),
    ],
)
def test_shapes_with_a_clear_meaning_are_understood(stated: Any, expected: Dependencies) -> None:
    found, reader = read(stated)
    assert found == expected
    assert not complaints(reader)


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ({"requirements": "numpy"}, '"requirements" that is not a list'),
        ({"optional": [1]}, '"optional" that is not a list'),
        ({"optional": {"gpu": "a"}}, '"optional" that is not a list'),
        ({"requirements": ["numpy=1"]}, 'requires "numpy=1": it is no requirement'),
        ({"requirements": ["x @ https://example.org/x.whl"]}, "must be given by who runs the graph: --with"),
        ({"requirements": ["-r more.txt"]}, "--with"),
        ({"optional": ["./x"]}, "--with"),
        ({"python": 3.1}, '"python" that is not a text'),
        ({"python": "snake"}, 'asks for Python "snake"'),
        ({"python": ">=3.10,<3.9"}, "no version of Python"),
        ({"requirements": [f"a{number}" for number in range(MOST_REQUIREMENTS + 1)]}, "more than 1,000"),
        ({"requirements": ["x" * 501]}, "more than 500 characters"),
    ],
)
def test_what_cannot_be_required_is_an_error_unless_it_is_moot(stated: Any, said: str) -> None:
    found, reader = read(stated)
    assert found == NOTHING
    [(severity, message)] = complaints(reader)
    assert severity is Severity.ERROR
    assert said in message
    assert [item.message for item in reader.refusals] == [message]
    _, reader = read(stated, Owner(is_moot=True))
    assert complaints(reader) == [(Severity.WARNING, message)]
    assert not reader.refusals


@pytest.mark.parametrize("stated", [{"requirement": ["a"]}, {"system": 1}, {"notes": {"a": 1}}])
def test_what_only_people_would_read_is_a_warning(stated: Any) -> None:
    found, reader = read(stated)
    assert found == NOTHING
    assert [severity for severity, _ in complaints(reader)] == [Severity.WARNING]


def test_who_runs_the_graph_may_have_said_where_a_package_comes_from() -> None:
    stated = {"requirements": ["X @ https://example.org/x.whl", "y"]}
    found, reader = read(stated, Owner(given=frozenset({"x"})))
    assert found.requirements == ("y",)
    assert not complaints(reader)


def test_a_script_block_says_what_a_node_requires_and_nothing_else_of_it_is_read() -> None:
    found, reader = read_code('dependencies = ["B", "a>=1"]', 'requires-python = ">=3.9"', "[tool.x]", "y = 1")
    assert found == Dependencies(requirements=("a>=1", "b"), python=">=3.9")
    assert not complaints(reader)
    assert not reader.problems


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("dependencies =", "block (line 3): it is not TOML there."),
        ("dependencies = 1", '"dependencies" that is not a list'),
        ("requires-python = 3.1", '"requires-python" that is not a text'),
        ('dependencies = ["x @ https://example.org"]', "--with"),
    ],
)
def test_a_bad_script_block_keeps_its_node_from_running_unless_it_is_moot(line: str, said: str) -> None:
    found, reader = read_code(line)
    assert found == NOTHING
    [item] = reader.diagnostics
    assert (item.severity, item.node, item.title) == (Severity.ERROR, "a", "A")
    assert item.message.startswith('"A" ')
    assert said in item.message
    assert reader.problems == {"a": item}
    assert not reader.refusals
    _, reader = read_code(line, owner=Owner(node("a"), is_moot=True))
    assert [severity for severity, _ in complaints(reader)] == [Severity.WARNING]
    assert not reader.problems


def test_the_same_block_in_many_nodes_is_parsed_once_and_too_many_blocks_are_refused() -> None:
    reader = DependencyReader()
    block = "# /// script\n# dependencies = ['a{}']\n# x = '" + "x" * 15_000 + "'\n# ///"
    for _ in range(500):
        assert reader.of_code(node("a", block.replace("{}", "")), Owner(node("a"))).requirements
    assert not reader.problems
    for number in range(100):
        reader.of_code(node(f"n{number}", block.replace("{}", str(number))), Owner(node(f"n{number}")))
    assert "too many" in complaints(reader)[0][1]
    assert "n0" not in reader.problems
    assert "n99" in reader.problems


def test_a_document_has_not_endlessly_many_requirements() -> None:
    reader = DependencyReader()
    for number in range(20):
        holder = node(f"n{number}")
        stated = {"requirements": [f"a{number}-{index}" for index in range(MOST_REQUIREMENTS)]}
        reader.of_object(stated, Owner(holder))
    assert set(reader.problems) == {f"n{number}" for number in range(10, 20)}


def test_what_two_require_together_is_in_normal_form() -> None:
    one = Dependencies(requirements=("a",), optional=("b", "c"), python=">=3.9", system=("x",), notes="m")
    other = Dependencies(requirements=("b", "a"), optional=("d",), python="<3.13", system=("y", "x"), notes="n")
    assert united(one, other) == Dependencies(
        requirements=("a", "b"), optional=("c", "d"), python="<3.13,>=3.9", system=("x", "y"), notes="m n"
    )


def test_who_cannot_go_with_the_others_is_left_out() -> None:
    reader, holder = DependencyReader(), node("a")
    first = Dependencies(requirements=("x",), python=">=3.10")
    assert reader.unite(first, Dependencies(requirements=("y",), python="3.9"), Owner(holder)) == first
    assert "no version of Python is 3.9 and >=3.10" in reader.problems[holder.id].message
    many = Dependencies(requirements=tuple(f"a{number}" for number in range(MOST_REQUIREMENTS)))
    assert reader.unite(first, many, Owner()) == first
    assert "more than 1,000" in reader.refusals[0].message


@given(data=st.data())
@settings(deadline=None)
def test_neither_order_nor_repetition_changes_what_environment_it_is(data: st.DataObject) -> None:
    written = ["Numpy >= 2", "numpy>=2", "a.b", "A_B", "c[X,y]", "c[y,x]", 'd; python_version < "3"', "e  # x"]
    some = data.draw(st.lists(st.sampled_from(written), min_size=1))
    others = data.draw(st.permutations(some + data.draw(st.lists(st.sampled_from(some)))))
    digests = set()
    for texts in (some, others):
        found, reader = read({"requirements": texts})
        assert not complaints(reader)
        digests.add(EnvironmentSpec(requirements=found.requirements).digest)
    assert len(digests) == 1


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9) | st.sampled_from(["a", ">=3.9"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(stated=st.dictionaries(st.sampled_from([*EDITORS_OWN, "environment", "x"]), json_values))
@settings(deadline=None)
def test_reading_never_raises(stated: dict[str, Any]) -> None:
    found, reader = read(stated)
    assert list(found.requirements) == sorted(set(found.requirements))
    assert bool(reader.refusals) == any(item.severity is Severity.ERROR for item in reader.diagnostics)


@given(whole=whole_graphs)
@settings(deadline=None, max_examples=50)
def test_reading_any_graph_never_raises(whole: Graph) -> None:
    reader = DependencyReader()
    reader.of_graph(whole, Owner())
    for item in whole.nodes:
        reader.of_code(item, Owner(item))


@pytest.mark.parametrize("form", ["md", "json"])
@pytest.mark.parametrize("stated", EVERY_SHAPE)
@pytest.mark.parametrize("environment", [None, "plots", ">=3.10", {"requirements": ["numpy>=2"], "python": "3.9"}])
def test_either_format_keeps_what_is_said(form: Format, stated: dict[str, Any], environment: Any) -> None:
    extra = {} if environment is None else {"environment": environment}
    code = "# /// script\n# dependencies = ['a']\n# ///\n" + MAKE
    whole = Graph(title="t", nodes=(node("a", code, extra=extra),), dependencies=stated, extra=extra)
    for other in ("md", "json"):
        text = write_document(whole, form)
        reading = read_document(text)
        assert not reading.diagnostics
        assert reading.graph == whole
        assert read_document(write_document(reading.graph, other)).graph == whole


def test_both_places_of_the_json_form_count() -> None:
    document = {
        "nodes": [{"uuid": "a", "title": "A", "code": MAKE}],
        "requirements": ["a", "b"],
        "dependencies": {"requirements": ["b", "c"], "python": ">=3.9"},
    }
    reading = read_document(json.dumps(document))
    assert reading.graph is not None
    assert not reading.diagnostics
    assert reading.graph.dependencies == {"requirements": ["b", "c", "a"], "python": ">=3.9"}


def test_a_graph_without_requirements_does_not_pay_for_reading_them() -> None:
    script = (
        "import sys\n"
        "from pyflowd.graph.document import read_document\n"
        "from pyflowd.graph.placement import NOWHERE_ELSE, place\n"
        "from pyflowd_client.protocol.requests import EnvironmentChoice\n"
        "whole = read_document(sys.stdin.read()).graph\n"
        "assert place(whole, EnvironmentChoice(), '3.11').specs[0].python == '3.11'\n"
        "assert place(whole, EnvironmentChoice(), None) == NOWHERE_ELSE\n"
        "assert not {'packaging', 'tomllib'} & set(sys.modules)\n"
    )
    text = write_document(graph(node("a", MAKE), node("b"), "a.output_1 > b.a"), "json")
    subprocess.run([sys.executable, "-c", script], input=text, text=True, check=True, timeout=60)
