"""Reads FlowSpec, PyFlowGraph's Markdown form of a graph, into the shape of its JSON form.

    # title                                     and a description
    ## Node: title (ID: id)                     and a description
    ### Metadata, Logic, GUI Definition, GUI State Handler
    ## Groups, Dependencies, Connections

It reads whatever PyFlowGraph reads. Where PyFlowGraph would lose something without a word (a block that is not
JSON, a section or a fence of an unknown name, a second one of the same) there is a diagnostic. The id and the
title are the heading's, unless the Metadata explain how that heading came about.
"""

from typing import Any, NamedTuple

from pyflowd.graph.diagnostics import Diagnostic, DiagnosticCode, DiagnosticLog, Severity
from pyflowd.graph.json_graph import CODE_KEYS, EDGE_KEYS, RESERVED_KEY, Json, trim_text
from pyflowd.graph.json_text import InvalidJsonError, parse_json
from pyflowd.graph.markdown_outline import Fence, Section, read_outline
from pyflowd.graph.plain_text import (
    OWN_INFO,
    node_heading,
    plain_code,
    plain_description,
    plain_title,
    split_node_heading,
)
from pyflowd_client.protocol.ids import NodeId


class Slot(NamedTuple):
    """Where a fence of one language goes."""

    key: str
    language: str
    kind: type = str


METADATA = "metadata"
GRAPH_SLOTS = {
    "connections": Slot("connections", "json", list),
    "groups": Slot("groups", "json", list),
    "dependencies": Slot("dependencies", "json", dict),
}
NODE_SLOTS = {
    "metadata": Slot(METADATA, "json", dict),
    "logic": Slot("code", "python"),
    "gui definition": Slot("gui_code", "python"),
    "gui state handler": Slot("gui_get_values_code", "python"),
}


class FlowSpecReader:
    """Reads one document. `is_flowspec` tells whether anything in it was recognised."""

    def __init__(self) -> None:
        self.diagnostics = DiagnosticLog()
        self.is_flowspec = False
        self._document: Json = {}
        self._nodes: list[tuple[Section, Json]] = []
        self._own: Json = {}
        self._holder: Json = self._document  # what a fence under the current heading belongs to
        self._slot: Slot | None = None
        self._place = ""
        self._owner: tuple[NodeId, str] | None = None

    def read(self, text: str) -> Json:
        """The document in the shape of the JSON form."""
        for section in read_outline(text):
            self._enter(section)
            for fence in section.fences:
                self._take(fence)
        aliases: dict[str, str] = {}
        nodes = [_finished_node(section.heading, parts, aliases) for section, parts in self._nodes]
        self._restore_document(aliases)
        return {**self._document, "nodes": nodes}

    def _enter(self, section: Section) -> None:
        if section.level == 1:
            self._enter_title(section)
        elif section.level == 2:
            self._enter_part(section)
        elif section.level == 3 and self._owner is not None:
            self._enter_component(section)

    def _enter_title(self, section: Section) -> None:
        self._leave_node()
        if "graph_title" in self._document:
            self._ignore_section(section)
            return
        self.is_flowspec = True
        self._document["graph_title"] = section.heading
        self._document["graph_description"] = trim_text(section.body)

    def _enter_part(self, section: Section) -> None:
        self._leave_node()
        names = split_node_heading(section.heading)
        self._slot = GRAPH_SLOTS.get(section.heading.casefold())
        if names is not None:
            title, node_id = names
            self._holder = {"title": title, "uuid": node_id, "description": trim_text(section.body)}
            self._owner = NodeId(node_id), title or node_id
            self._nodes.append((section, self._holder))
        elif self._slot is not None:
            self._place = f"`## {section.heading}`"
        elif section.heading.casefold().startswith("node:"):
            message = f"The heading `## {section.heading}` has no id. Write `## Node: Title (ID: id)`."
            self._report(Severity.ERROR, DiagnosticCode.INVALID_HEADING, message, section.line)
        else:
            self._ignore_section(section)
            return
        self.is_flowspec = True

    def _enter_component(self, section: Section) -> None:
        assert self._owner is not None
        self._place = f'`### {section.heading}` of "{self._owner[1]}"'
        self._slot = NODE_SLOTS.get(section.heading.casefold())
        if self._slot is None:
            self._ignore_section(section)

    def _leave_node(self) -> None:
        self._holder, self._slot, self._owner = self._document, None, None

    def _take(self, fence: Fence) -> None:
        if fence.info == OWN_INFO:
            self._own = self._json(fence, dict, f"`{OWN_INFO}`") or {}
            return
        slot = self._slot
        if slot is None:
            return
        if fence.info != slot.language:
            message = f"The block under {self._place} is ignored: it is not marked `{slot.language}`. Mark it so."
            self._report(Severity.WARNING, DiagnosticCode.IGNORED_BLOCK, message, fence.line - 1)
            return
        if slot.key in self._holder:
            message = f"There is more than one block for {self._place}; the last one counts. Delete the others."
            self._report(Severity.WARNING, DiagnosticCode.REPEATED_BLOCK, message, fence.line - 1)
        value = fence.content if slot.kind is str else self._json(fence, slot.kind, self._place)
        if value is not None:
            self._holder[slot.key] = value

    def _json(self, fence: Fence, kind: type, place: str) -> Any:
        """The value of a block, or None with a diagnostic when it is not of that kind."""
        try:
            value = parse_json(fence.content)
        except InvalidJsonError as error:
            message = f"The block under {place} is not valid JSON: {error.reason}. Correct it."
            self._report(Severity.ERROR, DiagnosticCode.INVALID_JSON, message, fence.line + error.line - 1)
            return None
        if isinstance(value, kind):
            return value
        wanted = "an object" if kind is dict else "a list"
        message = f"The block under {place} is left out: it is not {wanted}. Correct it."
        self._report(Severity.ERROR, DiagnosticCode.INVALID_FIELD, message, fence.line)
        return None

    def _restore_document(self, aliases: dict[str, str]) -> None:
        for key, plain in (("graph_title", plain_title), ("graph_description", plain_description)):
            exact = self._own.get(key)
            if isinstance(exact, str) and plain(exact) == self._document.get(key):
                self._document[key] = exact
        extra = self._own.get("extra")
        if isinstance(extra, dict):
            self._document = {**extra, **self._document}
        if not aliases:
            return
        for connection in self._document.get("connections", ()):
            for key in EDGE_KEYS[::2]:
                end = connection.get(key) if isinstance(connection, dict) else None
                if isinstance(end, str) and end in aliases:
                    connection[key] = aliases[end]

    def _ignore_section(self, section: Section) -> None:
        message = (
            f"The section `{'#' * section.level} {section.heading}` is not part of a graph: it is ignored, and lost "
            f"when the graph is written. Put what it says into a description."
        )
        self._report(Severity.WARNING, DiagnosticCode.IGNORED_SECTION, message, section.line)

    def _report(self, severity: Severity, code: DiagnosticCode, message: str, line: int) -> None:
        node, title = self._owner or (None, None)
        self.diagnostics.append(
            Diagnostic(severity=severity, code=code, message=f"Line {line}: {message}", node=node, title=title)
        )


def _finished_node(heading: str, parts: Json, aliases: dict[str, str]) -> Json:
    """One node of the JSON form. Adds to `aliases` the id of a heading that stands for another one."""
    metadata: Json = parts.pop(METADATA, {})
    title, node_id = metadata.get("title"), metadata.get("uuid")
    own = metadata.get(RESERVED_KEY)
    own = own if isinstance(own, dict) else {}
    if isinstance(title, str) and isinstance(node_id, str):
        if own.get("heading") == heading:
            aliases[parts["uuid"]] = node_id
            parts |= {"title": title, "uuid": node_id}
        elif node_heading(title, node_id) == heading:
            parts |= {"title": title, "uuid": node_id}
    for key in ("description", *CODE_KEYS):
        exact, plain = own.get(key), plain_description if key == "description" else plain_code
        if isinstance(exact, str) and plain(exact) == trim_text(parts.get(key, "")):
            parts[key] = exact
    return {**{key: value for key, value in metadata.items() if key not in CODE_KEYS}, "code": "", **parts}
