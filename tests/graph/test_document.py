"""Any text is read, or refused with a reason: by content first, by name only as a hint."""

import pytest
from hypothesis import example, given, settings

from pyflowd.graph.diagnostics import MOST_OF_A_KIND, DiagnosticCode, Severity
from pyflowd.graph.document import MAX_DEPTH, read_document, write_document
from pyflowd_client.protocol.limits import MAX_DOCUMENT_BYTES
from support.graphs import blocks, graph, node

FLOWSPEC = write_document(graph(node("a")), "md")
JSON = write_document(graph(node("a")), "json")


def reason(text: str, name: str | None = None) -> DiagnosticCode:
    reading = read_document(text, name)
    assert reading.graph is None
    (diagnostic,) = reading.diagnostics
    assert diagnostic.severity is Severity.ERROR
    return diagnostic.code


@pytest.mark.parametrize("name", [None, "graph.md", "graph.json", "GRAPH.JSON", "graph"])
@pytest.mark.parametrize("text", [FLOWSPEC, JSON])
def test_the_content_decides_whatever_the_name_says(text: str, name: str | None) -> None:
    assert read_document(text, name).graph == graph(node("a"))


@pytest.mark.parametrize("text", [FLOWSPEC, JSON])
def test_byte_order_mark_and_line_ends_make_no_difference(text: str) -> None:
    for variant in ("\ufeff" + text, text.replace("\n", "\r\n"), text.replace("\n", "\r"), "\n\n" + text):
        assert read_document(variant).graph == graph(node("a"))


@pytest.mark.parametrize("text", ["", " \n\t\r\n", "\ufeff", "\ufeff\n"])
def test_an_empty_document_is_called_empty(text: str) -> None:
    assert reason(text) is DiagnosticCode.EMPTY


@pytest.mark.parametrize(
    "text", ["hello", "#!/bin/sh\nexit", "- a\n- b", "<html></html>", "[1, 2]", "\x89PNG", "## Other\n"]
)
def test_what_is_no_graph_is_called_unreadable(text: str) -> None:
    assert reason(text) is DiagnosticCode.UNREADABLE


def test_a_document_in_utf_16_is_called_unreadable() -> None:
    assert reason(FLOWSPEC.encode("utf-16").decode("latin-1")) is DiagnosticCode.UNREADABLE


@pytest.mark.parametrize(
    "text", ["{", '{"nodes": [}', "{'nodes': []}", '{"a": 1} tail', '{"a":' * 100_000, '{"n": ' + "9" * 5000 + "}"]
)
def test_broken_json_is_refused_with_its_line(text: str) -> None:
    assert reason("\n" + text) is DiagnosticCode.INVALID_JSON


def test_a_name_that_says_json_makes_garbage_broken_json() -> None:
    assert reason("nodes: []", "graph.json") is DiagnosticCode.INVALID_JSON


def test_json_that_is_no_object_is_refused() -> None:
    assert reason("[]", "graph.json") is DiagnosticCode.INVALID_FIELD


def test_nesting_deeper_than_a_writer_can_follow_is_refused() -> None:
    assert reason('{"x": ' + "[" * MAX_DEPTH + "]" * MAX_DEPTH + "}") is DiagnosticCode.UNREADABLE
    deepest = '{"x": ' + "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1) + "}"
    whole = read_document(deepest).graph
    assert whole is not None
    assert read_document(write_document(whole, "md")).graph == whole


@pytest.mark.parametrize("character", ["x", "\u20ac"])
def test_a_document_over_the_protocols_size_is_refused_unread(character: str) -> None:
    size_bytes = len(character.encode())
    assert reason(character * (MAX_DOCUMENT_BYTES // size_bytes + 1)) is DiagnosticCode.UNREADABLE
    (diagnostic,) = read_document(character * (MAX_DOCUMENT_BYTES // size_bytes + 1)).diagnostics
    assert "16 MiB" in diagnostic.message
    (diagnostic,) = read_document(character * (MAX_DOCUMENT_BYTES // size_bytes)).diagnostics
    assert "neither FlowSpec nor JSON" in diagnostic.message


@pytest.mark.parametrize(
    ("text", "severity", "code"),
    [
        ("# a\n" + "## b\n" * 1000, Severity.WARNING, DiagnosticCode.IGNORED_SECTION),
        ('{"nodes": [' + "1," * 999 + "1]}", Severity.ERROR, DiagnosticCode.INVALID_FIELD),
    ],
)
def test_what_is_found_again_and_again_is_counted(text: str, severity: Severity, code: DiagnosticCode) -> None:
    found = read_document(text).diagnostics
    assert {(item.severity, item.code) for item in found} == {(severity, code)}
    assert len(found) == MOST_OF_A_KIND + 1
    assert f"{1000 - MOST_OF_A_KIND} more" in found[-1].message


@given(text=blocks)
@example(text="{" * 50_000)
@example(text="> " * 5_000 + "# a")
@example(text="- " * 5_000 + "## Node: a (ID: a)")
@example(text="## Node:" + " " * 50_000 + "x")
@example(text='# t\n```json pyflowd\n{"graph_title": 1, "extra": []}\n```\n## Connections\n```json\n[1, {}, null]\n```')
@example(text='{"nodes": [1, {"uuid": 1, "title": [], "gui_state": 3}], "groups": {}, "requirements": "x"}')
@settings(deadline=None)
def test_reading_never_raises(text: str) -> None:
    for prefix in ("", "# title\n", "{", '{"nodes": '):
        reading = read_document(prefix + text)
        assert reading.graph is not None or reading.diagnostics
