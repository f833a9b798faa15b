"""The limits that a graph declares: "limits" beside its nodes, or in a node's Metadata.

They have the names of a request's options. What it does not understand is an error: a misspelt limit must not be
ignored.
"""

from collections.abc import Mapping
from typing import Any

from pyflowd.graph.diagnostics import Diagnostic, DiagnosticCode, Severity
from pyflowd.graph.model import Graph, Node
from pyflowd_client.protocol.options import LIMITS

KEY = "limits"
OF_THE_RUN = frozenset({"run_timeout_s"})

Declared = Mapping[str, float]


def limits_of_graph(graph: Graph) -> tuple[Declared, Diagnostic | None]:
    """What the graph declares for itself and each of its nodes, or why that cannot be used."""
    limits, reason = _read(graph.extra.get(KEY), set(LIMITS))
    if reason is None:
        return limits, None
    return {}, _error(f'The "{KEY}" of the graph cannot be used: {reason}', None)


def limits_of_node(node: Node) -> tuple[Declared, Diagnostic | None]:
    """What a node declares for itself, or why that cannot be used."""
    limits, reason = _read(node.extra.get(KEY), set(LIMITS) - OF_THE_RUN)
    if reason is None:
        return limits, None
    return {}, _error(f'The "{KEY}" of "{node.label}" cannot be used: {reason}', node)


def _read(value: Any, names: set[str]) -> tuple[Declared, str | None]:
    if value is None:
        return {}, None
    if not isinstance(value, Mapping):
        return {}, "it is not an object. Write it as NAME: FIGURE."
    for name, figure in value.items():
        if name not in names:
            return {}, f'it has "{name}". There are: {", ".join(sorted(names))}.'
        kinds = (int,) if LIMITS[name] is int else (int, float)
        if type(figure) not in kinds or not 0 < figure < float("inf"):
            whole = "whole " if LIMITS[name] is int else ""
            return {}, f'"{name}" is not a {whole}number over 0. Correct it, or delete it.'
    return dict(value), None


def _error(message: str, node: Node | None) -> Diagnostic:
    node_id, title = (None, None) if node is None else (node.id, node.label)
    return Diagnostic(
        severity=Severity.ERROR, code=DiagnosticCode.BAD_LIMITS, message=message, node=node_id, title=title
    )
