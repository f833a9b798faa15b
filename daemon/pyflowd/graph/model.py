"""A graph as its document says it: nodes, edges, groups. Frozen, without behaviour, without judgement.

Whether it makes sense is the plan's question. Everything a document holds is kept, so that a graph can be
written back without loss.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pyflowd_client.protocol.ids import NodeId

EXEC_IN, EXEC_OUT = "exec_in", "exec_out"
REROUTE_INPUT, REROUTE_OUTPUT = "input", "output"


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """One node: Python source with a `@node_entry` function, or a reroute that passes its input on.

    gui_state: the values its widgets last had; those named like parameters are inputs.
    extra: whatever else the document says about it, kept for writing.
    """

    id: NodeId
    title: str
    code: str = ""
    description: str = ""
    is_reroute: bool = False
    gui_state: Mapping[str, Any] = field(default_factory=dict)
    gui_code: str = ""
    gui_get_values_code: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """What people call it: the title on one line, or the id where there is none."""
        return " ".join(self.title.split()) or self.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Edge:
    """A connection from an output pin to an input pin; an execution edge orders without carrying a value."""

    source: NodeId
    source_pin: str
    target: NodeId
    target_pin: str
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def is_execution(self) -> bool:
        """True for `exec_out -> exec_in`."""
        return self.source_pin == EXEC_OUT and self.target_pin == EXEC_IN


@dataclass(frozen=True, slots=True, kw_only=True)
class Graph:
    """A whole document.

    dependencies: the object of `## Dependencies`; the JSON form's list of requirements is its key "requirements".
    groups: visual only. extra: what else the document says, kept for writing.
    """

    title: str = ""
    description: str = ""
    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()
    groups: tuple[Mapping[str, Any], ...] = ()
    dependencies: Mapping[str, Any] | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)

    @property
    def requirements(self) -> tuple[str, ...]:
        """The packages its nodes need, as pip spells them."""
        listed = (self.dependencies or {}).get("requirements")
        return tuple(item for item in listed if isinstance(item, str)) if isinstance(listed, list) else ()
