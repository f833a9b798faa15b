"""The JSON form of every age, and what does not fit it."""

import json
from typing import Any

import pytest

from pyflowd.graph.diagnostics import DiagnosticCode, Severity
from pyflowd.graph.document import read_document, write_document
from pyflowd.graph.model import Graph

OLDEST = {
    "nodes": [{"uuid": "a", "title": "A", "pos": [0, 0.5], "code": "\r\n  x = 1\r\n\r\n"}],
    "connections": [
        {"start_node_uuid": "a", "start_pin_name": "output_1", "end_node_uuid": "r", "end_pin_name": "input"}
    ],
}


def read(document: Any) -> tuple[Graph, list[tuple[Severity, DiagnosticCode]]]:
    reading = read_document(json.dumps(document))
    assert reading.graph is not None
    return reading.graph, [(diagnostic.severity, diagnostic.code) for diagnostic in reading.diagnostics]


def test_the_oldest_form_is_read() -> None:
    whole, found = read(OLDEST)
    (node,) = whole.nodes
    assert (node.id, node.title, node.code, node.extra) == ("a", "A", "  x = 1", {"pos": [0, 0.5]})
    assert (len(whole.edges), whole.dependencies, found) == (1, None, [])


def test_a_reroute_needs_neither_title_nor_code_and_gets_none() -> None:
    reroute = {"uuid": "r", "pos": [1, 2], "is_reroute": True}
    whole, found = read({"nodes": [reroute]})
    assert (whole.nodes[0].is_reroute, whole.nodes[0].label, found) == (True, "r", [])
    assert json.loads(write_document(whole, "json"))["nodes"] == [reroute]


def test_keys_that_the_form_does_not_define_are_kept() -> None:
    whole, found = read({**OLDEST, "venv_path": "C:\\venv", "nodes": [{"uuid": "a", "title": "A", "colors": {}}]})
    assert (whole.extra, whole.nodes[0].extra, found) == ({"venv_path": "C:\\venv"}, {"colors": {}}, [])


def test_requirements_stand_where_each_form_has_them() -> None:
    whole, _ = read({"nodes": [], "requirements": ["numpy"], "dependencies": {"python": ">=3.9"}})
    assert whole.requirements == ("numpy",)
    written = json.loads(write_document(whole, "json"))
    assert (written["requirements"], written["dependencies"]) == (["numpy"], {"python": ">=3.9"})
    assert '## Dependencies\n\n```json\n{\n  "python": ">=3.9",\n  "requirements": [' in write_document(whole, "md")


def test_null_is_the_same_as_absent() -> None:
    keys = ("title", "code", "gui_state", "description", "gui_code")
    assert read({"nodes": [{"uuid": "a", **dict.fromkeys(keys)}], "connections": None, "groups": None})[1] == []


def test_a_node_without_an_id_gets_one_with_a_warning() -> None:
    whole, found = read({"nodes": [{"title": "A"}, {"uuid": "", "title": "B"}]})
    assert [node.id for node in whole.nodes] == ["node-1", "node-2"]
    assert found == [(Severity.WARNING, DiagnosticCode.MISSING_ID)] * 2


@pytest.mark.parametrize(
    "document",
    [
        {"nodes": {}},
        {"nodes": ["a"]},
        {"nodes": [{"uuid": "a", "title": 5}]},
        {"nodes": [{"uuid": "a", "gui_state": []}]},
        {"nodes": [{"uuid": "a", "code": ["x"]}]},
        {"connections": [{"start_node_uuid": "a"}]},
        {"connections": [7]},
        {"requirements": "numpy"},
        {"requirements": [1]},
        {"dependencies": ["numpy"]},
        {"graph_title": 1},
    ],
)
def test_a_part_of_the_wrong_type_is_left_out_with_an_error(document: Any) -> None:
    assert read(document)[1] == [(Severity.ERROR, DiagnosticCode.INVALID_FIELD)]


def test_a_group_that_is_none_does_not_keep_a_graph_from_running() -> None:
    whole, found = read({"groups": [1, {"uuid": "g"}]})
    assert (whole.groups, found) == (({"uuid": "g"},), [(Severity.WARNING, DiagnosticCode.INVALID_FIELD)])


def test_values_keep_what_the_json_standard_does_not_have() -> None:
    text = '{"nodes": [{"uuid": "a", "gui_state": {"v": [NaN, -Infinity, 123456789012345678901234567890, "\\udc80"]}}]}'
    whole = read_document(text).graph
    assert whole is not None
    for form in ("md", "json"):
        again = read_document(write_document(whole, form)).graph
        assert again is not None
        assert repr(again.nodes[0].gui_state["v"]) == "[nan, -inf, 123456789012345678901234567890, '\\udc80']"
