"""What a graph says it needs: "permissions" beside its nodes, or in a node's Metadata.

To say so grants nothing. What is not understood is an error: a need must not be misread. The paths are only compared,
so that nobody is led to a file, or to the machine behind it, by a graph that he has only looked at.
"""

import posixpath
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from pyflowd.graph.diagnostics import Diagnostic, DiagnosticCode, Severity
from pyflowd.graph.model import Graph, Node
from pyflowd_client.protocol.codec import ProtocolError, from_wire
from pyflowd_client.protocol.ids import NodeId
from pyflowd_client.protocol.message import Message

KEY = "permissions"
LONGEST_REASON = 200
HOME = "~"


class NeedKind(StrEnum):
    """What can be needed; the names are those of a request's permissions."""

    NET = "net"
    READ = "read"
    WRITE = "write"
    ENV = "env"


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """One thing that is needed, and by which node; by the graph as a whole where there is none.

    target: the path or the name as it was declared. path: where that is, unless it depends on where nodes start.
    """

    kind: NeedKind
    target: str = ""
    path: str | None = None
    reason: str | None = None
    node: NodeId | None = None
    title: str | None = None


Needs = tuple[Need, ...]


class Declared(Message):
    """The object that declares them."""

    net: bool = False
    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    reason: str | None = None


def needs_of_graph(graph: Graph, home: str) -> tuple[Needs, Diagnostic | None]:
    """What the graph declares for itself and each of its nodes, or why that cannot be used."""
    return _read(graph.extra.get(KEY), home, None)


def needs_of_node(node: Node, home: str) -> tuple[Needs, Diagnostic | None]:
    """What a node declares for itself, or why that cannot be used."""
    return _read(node.extra.get(KEY), home, node)


def merged(needs: Iterable[Need]) -> Needs:
    """Each thing once, as who comes first needs it."""
    first: dict[tuple[NeedKind, str], Need] = {}
    for need in needs:
        first.setdefault((need.kind, need.path or need.target), need)
    return tuple(first.values())


def _read(value: Any, home: str, node: Node | None) -> tuple[Needs, Diagnostic | None]:
    if value is None:
        return (), None
    if not isinstance(value, dict):
        return (), _error("it is not an object. Write it as NAME: VALUE.", node)
    try:
        declared = from_wire(Declared, value, strict=True)
    except ProtocolError as error:
        return (), _error(f"{error}. There are: {', '.join(Declared.FIELDS)}.", node)
    problem = _problem(declared)
    return (tuple(_needs(declared, home, node)), None) if problem is None else ((), _error(problem, node))


def _problem(declared: Declared) -> str | None:
    """What nobody could grant, or would not see as it is."""
    for target in (*declared.read, *declared.write, *declared.env):
        if not target or not target.isprintable():
            return f"{target!r} is not a path or name that can be shown."
    for name in declared.env:
        if "=" in name:
            return f"{name!r} is not the name of a variable."
    reason = declared.reason or ""
    if len(reason) > LONGEST_REASON or not reason.isprintable():
        return f'its "reason" is not one line of {LONGEST_REASON} characters at most.'
    return None


def _needs(declared: Declared, home: str, node: Node | None) -> Iterator[Need]:
    about: dict[str, Any] = {"reason": declared.reason or None}
    if node is not None:
        about |= {"node": node.id, "title": node.label}
    if declared.net:
        yield Need(kind=NeedKind.NET, **about)
    for kind, targets in ((NeedKind.READ, declared.read), (NeedKind.WRITE, declared.write)):
        for target in targets:
            yield Need(kind=kind, target=target, path=_absolute(target, home), **about)
    for name in declared.env:
        yield Need(kind=NeedKind.ENV, target=name, **about)


def _absolute(target: str, home: str) -> str | None:
    if target == HOME or target.startswith(f"{HOME}/"):
        target = home + target.removeprefix(HOME)
    return posixpath.normpath(f"/{target.lstrip('/')}") if target.startswith("/") else None


def _error(problem: str, node: Node | None) -> Diagnostic:
    owner, node_id, title = ("the graph", None, None) if node is None else (f'"{node.label}"', node.id, node.label)
    return Diagnostic(
        severity=Severity.ERROR,
        code=DiagnosticCode.BAD_PERMISSIONS,
        message=f'The "{KEY}" of {owner} cannot be used: {problem}',
        node=node_id,
        title=title,
    )
