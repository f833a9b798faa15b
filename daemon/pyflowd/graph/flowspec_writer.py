"""Writes a graph as FlowSpec so that reading gives an equal graph, and PyFlowGraph reads the plain part of it.

Fences are longer than any run of backticks inside. What the plain form cannot carry (see `plain_text`) is
repeated in JSON under "pyflowd": in a node's Metadata, or in a last block for the document.
"""

import re
from collections.abc import Mapping
from typing import Any

from pyflowd.graph.json_graph import CODE_KEYS, EDGE_KEYS, RESERVED_KEY, Json, edge_to_json
from pyflowd.graph.json_text import format_json
from pyflowd.graph.model import Graph, Node
from pyflowd.graph.plain_text import (
    OWN_INFO,
    is_plain_id,
    node_heading,
    plain_code,
    plain_description,
    plain_node_title,
    plain_title,
)
from pyflowd_client.protocol.ids import NodeId

_BACKTICKS = re.compile("`+")


def write_flowspec(graph: Graph) -> str:
    """The whole document."""
    aliases = _aliases(graph)
    title, description = plain_title(graph.title), plain_description(graph.description)
    parts = [f"# {title}".rstrip(), description]
    for node in graph.nodes:
        parts += _node_parts(node, aliases)
    if graph.groups:
        parts += ["## Groups", _json_fence(list(graph.groups))]
    if graph.dependencies is not None:
        parts += ["## Dependencies", _json_fence(graph.dependencies)]
    parts += ["## Connections", _json_fence([_aliased(edge_to_json(edge), aliases) for edge in graph.edges])]
    own: Json = {"extra": dict(graph.extra)} if graph.extra else {}
    own |= _lost(graph_title=(graph.title, title), graph_description=(graph.description, description))
    if own:
        parts.append(_fence(OWN_INFO, format_json(own)))
    return "\n\n".join(part for part in parts if part) + "\n"


def _node_parts(node: Node, aliases: Mapping[NodeId, str]) -> list[str]:
    heading = node_heading(plain_node_title(node.title), aliases.get(node.id, node.id))
    description = plain_description(node.description)
    codes = {key: plain_code(getattr(node, key)) for key in CODE_KEYS}
    own = _lost(
        description=(node.description, description), **{key: (getattr(node, key), code) for key, code in codes.items()}
    )
    if heading != node_heading(node.title, node.id):
        own["heading"] = heading
    metadata: Json = {"uuid": node.id, "title": node.title, **node.extra}
    metadata |= {"is_reroute": True} if node.is_reroute else {}
    metadata["gui_state"] = dict(node.gui_state)
    metadata |= {RESERVED_KEY: own} if own else {}
    parts = [f"## {heading}", description, "### Metadata", _json_fence(metadata)]
    parts += ["### Logic", _fence("python", codes["code"])]
    if codes["gui_code"]:
        parts += ["### GUI Definition", _fence("python", codes["gui_code"])]
    if codes["gui_get_values_code"]:
        parts += ["### GUI State Handler", _fence("python", codes["gui_get_values_code"])]
    return parts


def _aliases(graph: Graph) -> dict[NodeId, str]:
    """Ids for the headings of nodes whose own would break them: `node-N`, unlike any id of the graph."""
    taken = {node.id for node in graph.nodes}
    taken.update(end for edge in graph.edges for end in (edge.source, edge.target))
    free = (f"node-{number}" for number in range(1, len(taken) + len(graph.nodes) + 1))
    unused = (name for name in free if name not in taken)
    odd = dict.fromkeys(node.id for node in graph.nodes if not is_plain_id(node.id))
    return dict(zip(odd, unused, strict=False))


def _aliased(connection: Json, aliases: Mapping[NodeId, str]) -> Json:
    ends = {key: aliases.get(connection[key], connection[key]) for key in EDGE_KEYS[::2]}
    return {**connection, **ends}


def _lost(**texts: tuple[str, str]) -> Json:
    """Those of the (exact, plain) texts whose plain form says less."""
    return {key: exact for key, (exact, plain) in texts.items() if exact != plain}


def _json_fence(value: Any) -> str:
    return _fence("json", format_json(value))


def _fence(info: str, content: str) -> str:
    longest = max((len(run) for run in _BACKTICKS.findall(content)), default=0)
    mark = "`" * max(3, longest + 1)
    return f"{mark}{info}\n{content}\n{mark}"
