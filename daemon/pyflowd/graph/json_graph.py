"""PyFlowGraph's JSON form, from v0.1 on, and every other form once it has been brought to that shape.

Keys that the form does not define are kept. A part of the wrong type is left out with a diagnostic: nothing
is guessed, nothing is dropped in silence. Line ends of code and descriptions become "\\n", and blank lines
around them go.
"""

from collections.abc import Container, Iterator, Mapping
from typing import Any, TypeVar

from pyflowd.graph.diagnostics import Diagnostic, DiagnosticCode, DiagnosticLog, Severity
from pyflowd.graph.model import Edge, Graph, Node
from pyflowd_client.protocol.ids import NodeId

Json = dict[str, Any]
Value = TypeVar("Value", str, Json, list[Any])

RESERVED_KEY = "pyflowd"  # in FlowSpec, what its plain form cannot carry
CODE_KEYS = ("code", "gui_code", "gui_get_values_code")
EDGE_KEYS = ("start_node_uuid", "start_pin_name", "end_node_uuid", "end_pin_name")
NODE_KEYS = frozenset({"uuid", "title", "description", "is_reroute", "gui_state", RESERVED_KEY, *CODE_KEYS})
KINDS: dict[type, str] = {str: "a text", dict: "an object", list: "a list"}
GRAPH_KEYS = frozenset(
    {
        "graph_title",
        "graph_description",
        "nodes",
        "connections",
        "groups",
        "requirements",
        "dependencies",
        RESERVED_KEY,
    }
)


def trim_text(text: str) -> str:
    """The text with "\\n" as line end and without blank lines around it; its first line keeps its indent."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    visible_from, visible_to = len(text) - len(text.lstrip()), len(text.rstrip())
    before, _, _ = text[visible_to:].partition("\n")
    return text[text.rfind("\n", 0, visible_from) + 1 : visible_to] + before if visible_to else ""


class GraphReader:
    """Builds one graph out of JSON values; `diagnostics` tells what did not fit."""

    def __init__(self) -> None:
        self.diagnostics = DiagnosticLog()

    def read(self, document: Json) -> Graph:
        """The graph of a whole document."""
        nodes = [self._node(item, number) for number, item in self._objects(document, "nodes")]
        edges = [self._edge(item, number) for number, item in self._objects(document, "connections")]
        return Graph(
            title=self._field(document, "graph_title", "", "the graph"),
            description=trim_text(self._field(document, "graph_description", "", "the graph")),
            nodes=tuple(nodes),
            edges=tuple(edge for edge in edges if edge is not None),
            groups=tuple(item for _, item in self._objects(document, "groups")),
            dependencies=self._dependencies(document),
            extra=_without(document, GRAPH_KEYS),
        )

    def _node(self, item: Json, number: int) -> Node:
        title = self._field(item, "title", "", f"node {number}")
        name = f'node "{title}"' if title else f"node {number}"
        node_id = self._field(item, "uuid", "", name) or f"node-{number}"
        if not item.get("uuid"):
            message = f'The {name} has no id. It is called "{node_id}" here; give it a "uuid" to connect it.'
            self._report(Severity.WARNING, DiagnosticCode.MISSING_ID, message)
        return Node(
            id=NodeId(node_id),
            title=title,
            description=trim_text(self._field(item, "description", "", name)),
            is_reroute=bool(item.get("is_reroute")),
            gui_state=self._field(item, "gui_state", {}, name),
            extra=_without(item, NODE_KEYS),
            **{key: trim_text(self._field(item, key, "", name)) for key in CODE_KEYS},
        )

    def _edge(self, item: Json, number: int) -> Edge | None:
        ends = [item.get(key) for key in EDGE_KEYS]
        if not all(isinstance(end, str) for end in ends):
            missing = next(key for key, end in zip(EDGE_KEYS, ends, strict=True) if not isinstance(end, str))
            message = f'Connection {number} is left out: its "{missing}" is not a text. Connect it anew.'
            self._report(Severity.ERROR, DiagnosticCode.INVALID_FIELD, message)
            return None
        source, source_pin, target, target_pin = map(str, ends)
        return Edge(
            source=NodeId(source),
            source_pin=source_pin,
            target=NodeId(target),
            target_pin=target_pin,
            extra=_without(item, EDGE_KEYS),
        )

    def _dependencies(self, document: Json) -> Json | None:
        stated: Json = self._field(document, "dependencies", {}, "the graph")
        if document.get("dependencies") is None and document.get("requirements") is None:
            return None
        within, beside = stated.get("requirements"), document.get("requirements")
        lists = [value for value in (within, beside) if value is not None]
        if not lists:
            return _without(stated, ("requirements",))
        if all(isinstance(value, list) and all(isinstance(item, str) for item in value) for value in lists):
            listed = lists[0] if len(lists) == 1 else list(dict.fromkeys(item for value in lists for item in value))
            return {**stated, "requirements": listed}
        message = 'The "requirements" are left out: they are not a list of texts. Write ["name", ...].'
        self._report(Severity.ERROR, DiagnosticCode.INVALID_FIELD, message)
        return _without(stated, ("requirements",))

    def _objects(self, document: Json, key: str) -> Iterator[tuple[int, Json]]:
        for number, item in enumerate(self._field(document, key, [], "the graph"), 1):
            if isinstance(item, dict):
                yield number, item
            else:
                message = f'Item {number} of "{key}" is left out: it is not an object. Write {{...}}.'
                severity = Severity.WARNING if key == "groups" else Severity.ERROR
                self._report(severity, DiagnosticCode.INVALID_FIELD, message)

    def _field(self, item: Json, key: str, default: Value, owner: str) -> Value:
        """The value of a key when it has the type of `default`; null is the same as absent."""
        value = item.get(key)
        if isinstance(value, type(default)):
            return value
        if value is not None:
            message = f'The "{key}" of {owner} is left out: it is not {KINDS[type(default)]}. Correct it.'
            self._report(Severity.ERROR, DiagnosticCode.INVALID_FIELD, message)
        return default

    def _report(self, severity: Severity, code: DiagnosticCode, message: str) -> None:
        self.diagnostics.append(Diagnostic(severity=severity, code=code, message=message))


def graph_to_json(graph: Graph) -> Json:
    """The document that `GraphReader` reads back as an equal graph."""
    document: Json = {"graph_title": graph.title, "graph_description": graph.description}
    document["nodes"] = [_node_to_json(node) for node in graph.nodes]
    document["connections"] = [edge_to_json(edge) for edge in graph.edges]
    if graph.groups:
        document["groups"] = list(graph.groups)
    if graph.dependencies is not None:
        document |= _only(graph.dependencies, "requirements")
        others = _without(graph.dependencies, ("requirements",))
        if others or "requirements" not in graph.dependencies:
            document["dependencies"] = others
    return {**document, **graph.extra}


def edge_to_json(edge: Edge) -> Json:
    """One connection."""
    ends = (edge.source, edge.source_pin, edge.target, edge.target_pin)
    return {**dict(zip(EDGE_KEYS, ends, strict=True)), **edge.extra}


def _node_to_json(node: Node) -> Json:
    item: Json = {"uuid": node.id, "title": node.title, "description": node.description}
    item |= {key: getattr(node, key) for key in CODE_KEYS}
    item["gui_state"] = dict(node.gui_state)
    if node.is_reroute:  # it has no code, and its title is seldom given
        item = {key: value for key, value in item.items() if value} | {"is_reroute": True}
    return {**item, **node.extra}


def _without(item: Mapping[str, Any], keys: Container[str]) -> Json:
    return {key: value for key, value in item.items() if key not in keys}


def _only(item: Mapping[str, Any], key: str) -> Json:
    return {key: item[key]} if item.get(key) is not None else {}
