"""A document is a graph as text: FlowSpec or JSON, told apart by content, the file name being only a hint.

Reading never raises: whatever the text is, there is a graph, or an error that says what is wrong with it.
Writing is the inverse: reading what was written gives an equal graph.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from pyflowd.graph.diagnostics import Diagnostic, DiagnosticCode, Severity
from pyflowd.graph.flowspec import FlowSpecReader
from pyflowd.graph.flowspec_writer import write_flowspec
from pyflowd.graph.json_graph import GraphReader, Json, graph_to_json
from pyflowd.graph.json_text import InvalidJsonError, format_json, is_deeper_than, parse_json
from pyflowd.graph.markdown_outline import may_have_headings
from pyflowd.graph.model import Graph
from pyflowd_client.protocol.limits import MAX_DOCUMENT_BYTES

Format = Literal["md", "json"]
BYTE_ORDER_MARK = "\ufeff"
MAX_DEPTH = 100  # of lists and objects: writers, editors and workers follow them by recursion


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The graph, or None when there is none to speak of, and what was found while reading."""

    graph: Graph | None
    diagnostics: tuple[Diagnostic, ...] = ()


def read_document(text: str, name: str | None = None) -> Reading:
    """The graph of a text; `name` is its file name, if it has one."""
    if _is_too_large(text):
        message = f"The document is larger than {MAX_DOCUMENT_BYTES // 1024**2} MiB. Store large values in files."
        return _nothing(DiagnosticCode.UNREADABLE, message)
    text = text.removeprefix(BYTE_ORDER_MARK)
    if not text.strip():
        return _nothing(DiagnosticCode.EMPTY, "The document is empty. Save a graph in it.")
    if "\0" in text:
        return _nothing(DiagnosticCode.UNREADABLE, "The document holds NUL characters. Save it as text in UTF-8.")
    return _read_json(text) if _is_json(text, name) else _read_flowspec(text)


def write_document(graph: Graph, to: Format) -> str:
    """The graph as text that `read_document` reads as an equal graph."""
    return write_flowspec(graph) if to == "md" else format_json(graph_to_json(graph)) + "\n"


def _is_too_large(text: str) -> bool:
    may_be = len(text) > MAX_DOCUMENT_BYTES // 4  # a character has up to four bytes
    return may_be and len(text.encode("utf-8", "surrogatepass")) > MAX_DOCUMENT_BYTES


def _is_json(text: str, name: str | None) -> bool:
    first = text.lstrip()[0]
    return first == "{" or (first != "#" and name is not None and name.lower().endswith(".json"))


def _read_json(text: str) -> Reading:
    try:
        document = parse_json(text)
    except InvalidJsonError as error:
        message = f"Line {error.line}: The document is not valid JSON: {error.reason}. Correct it."
        return _nothing(DiagnosticCode.INVALID_JSON, message)
    if not isinstance(document, dict):
        return _nothing(DiagnosticCode.INVALID_FIELD, 'The document is not an object. Write {"nodes": [...]}.')
    return _read_graph(document, ())


def _read_flowspec(text: str) -> Reading:
    flowspec = FlowSpecReader()
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    document = flowspec.read(text) if may_have_headings(text) else {}
    if not flowspec.is_flowspec:
        message = (
            "The document is neither FlowSpec nor JSON: it has no heading `## Node: Title (ID: id)` and does not begin "
            "with `{`. Save the graph from the editor again."
        )
        return _nothing(DiagnosticCode.UNREADABLE, message)
    return _read_graph(document, flowspec.diagnostics)


def _read_graph(document: Json, found: Iterable[Diagnostic]) -> Reading:
    if is_deeper_than(document, MAX_DEPTH):
        message = f"The document is nested deeper than {MAX_DEPTH} levels. Store large values in files."
        return _nothing(DiagnosticCode.UNREADABLE, message)
    reader = GraphReader()
    graph = reader.read(document)
    return Reading(graph=graph, diagnostics=(*found, *reader.diagnostics))


def _nothing(code: DiagnosticCode, message: str) -> Reading:
    return Reading(graph=None, diagnostics=(Diagnostic(severity=Severity.ERROR, code=code, message=message),))
