"""Writing loses nothing: what is read back is the graph that was written, in either form and across both."""

import pytest
from hypothesis import HealthCheck, given, settings

from pyflowd.graph.document import Format, Reading, read_document, write_document
from pyflowd.graph.model import Graph, Node
from support.graphs import blocks, facts, graph, node, texts, whole_graphs

thorough = settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
both_forms = pytest.mark.parametrize("form", ["md", "json"])

NODE_OF_EACH_KIND = Graph(
    title="All of it",
    description="Two\nlines.\n\n- a list\n\n```python\ncode()\n```",
    nodes=(
        node(
            "plain", description="What it does.", gui_code="widgets = {}", gui_get_values_code="def get_values(w): ..."
        ),
        node("typed", gui_state={"a": float("inf"), "b": 10**30, "c": [None, {"d": "\udc80"}]}),
        Node(id=node("r").id, title="", is_reroute=True, extra={"pos": [1.5, -2]}),
    ),
    edges=graph("plain.output_1 > r.input", "r.output > typed.a", "plain > typed").edges,
    groups=({"uuid": "g", "member_node_uuids": ["plain"]},),
    dependencies={"requirements": ["numpy>=1.26"], "python": ">=3.9"},
    extra={"venv_path": "x", "future": {"key": [1]}},
)


def read_without_complaint(text: str) -> Graph:
    reading: Reading = read_document(text)
    assert reading.diagnostics == ()
    assert reading.graph is not None
    return reading.graph


@both_forms
def test_a_graph_with_everything_survives(form: Format) -> None:
    assert facts(read_without_complaint(write_document(NODE_OF_EACH_KIND, form))) == facts(NODE_OF_EACH_KIND)


@both_forms
@given(whole=whole_graphs)
@thorough
def test_any_graph_survives_as_utf_8(form: Format, whole: Graph) -> None:
    stored = write_document(whole, form).encode()
    assert facts(read_without_complaint(stored.decode())) == facts(whole)


@given(whole=whole_graphs)
@thorough
def test_writing_is_stable(whole: Graph) -> None:
    once = write_document(whole, "md")
    assert write_document(read_without_complaint(once), "md") == once


@given(before=blocks, inside=texts)
@thorough
def test_reading_never_raises_and_what_it_read_survives(before: str, inside: str) -> None:
    node_text = f"## Node: a (ID: a)\n{inside}\n### Logic\n```python\n{before}\n```\n"
    text = f"# t\n\n{before}\n\n{node_text}\n## Connections\n{before}"
    whole = read_document(text).graph
    if whole is not None:
        assert facts(read_without_complaint(write_document(whole, "md"))) == facts(whole)
        assert facts(read_without_complaint(write_document(whole, "json"))) == facts(whole)


@pytest.mark.parametrize(
    "code",
    [
        'text = """\n```\n# a\n## Node: b (ID: b)\n```\n"""',
        'text = """\n~~~\n````python\n"""',
        "<!-- never closed",
        "\tindented = 1",
        "    first_line_indented = 1",
        "trailing = 1   ",
        "s = '😀'",
        "s = '\0'",
        "s = '\udc80'",
        "a\x0cb\u2028c\x85d",
    ],
)
@both_forms
def test_code_survives_character_by_character(form: Format, code: str) -> None:
    whole = read_without_complaint(write_document(graph(node("a", code)), form))
    assert whole.nodes[0].code == code


@pytest.mark.parametrize(
    "title", ["a (ID: b)", "two\nlines", "", " padded ", "Node: (ID: x)", "C #", "a\0b", "\udc80", "## x", "tab\there"]
)
@both_forms
def test_titles_survive(form: Format, title: str) -> None:
    written = Graph(title=title, nodes=(Node(id=node("a").id, title=title),))
    whole = read_without_complaint(write_document(written, form))
    assert (whole.title, whole.nodes[0].title) == (title, title)


def test_a_node_whose_id_breaks_its_heading_keeps_its_id_and_its_connections() -> None:
    written = graph(node("x)y"), node("node-1"), "x)y.output_1 > node-1.a", "node-1 > x)y")
    assert read_without_complaint(write_document(written, "md")) == written


@pytest.mark.parametrize(
    "description",
    [
        "## Node: b (ID: b)",
        "under\n===",
        "- a list\n- of two",
        "1. # deep",
        "```json\n[]\n```",
        '```json pyflowd\n{"extra": {"k": 1}}\n```',
        "``` never closed",
        "<!-- never closed",
        "    code first",
        "a\0b",
    ],
)
@both_forms
def test_descriptions_survive(form: Format, description: str) -> None:
    written = Graph(description=description, nodes=(node("a", description=description), node("b")))
    assert read_without_complaint(write_document(written, form)) == written
