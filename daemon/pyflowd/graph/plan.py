"""A plan: what runs, in which order, and where each input comes from. The only module that uses networkx.

`build_plan` judges a graph once for an environment; `bind` adds what a client passes for one run. Neither
parses code or values: pins come in as `CodeInterface`s, values are opaque JSON text.
It refuses what has no order (a cycle) and what has no names (duplicate ids).
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import networkx

from pyflowd.graph.diagnostics import Diagnostic, DiagnosticCode, Severity, has_errors
from pyflowd.graph.interface import CodeHash, CodeInterface, code_hash
from pyflowd.graph.model import Graph, Node
from pyflowd.graph.wiring import REROUTE_PINS, Incoming, Wiring, pins_of
from pyflowd_client.protocol.ids import NodeId

if TYPE_CHECKING:
    Order = networkx.DiGraph[int]

MAX_TITLES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """An output of another node: an index into `Plan.nodes`, and one into that node's outputs."""

    node: int
    output: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanInput:
    """A parameter that gets a value: exactly one of `source` and `literal` (JSON text) is set."""

    pin: str
    source: Source | None = None
    literal: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanNode:
    """One node to run.

    missing: the parameters that get no value although they need one.
    in_widgets: those of them that the editor's widgets have, and the document has not.
    problem: why its code cannot run; its pins are unknown then.
    """

    index: int
    id: NodeId
    title: str
    code: CodeHash
    parameters: tuple[str, ...]
    inputs: tuple[PlanInput, ...]
    outputs: tuple[str, ...]
    predecessors: tuple[int, ...]
    successors: tuple[int, ...]
    missing: tuple[str, ...]
    in_widgets: frozenset[str]
    problem: Diagnostic | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A graph that can be ordered; `nodes` come after all their predecessors, else in document order.

    diagnostics: all there is to say whatever the client passes, problems of nodes included.
    """

    title: str
    nodes: tuple[PlanNode, ...]
    sources: Mapping[CodeHash, str]
    diagnostics: tuple[Diagnostic, ...]
    last: tuple[int, ...]
    _order: "Order" = field(repr=False, compare=False)

    def ancestors(self, index: int) -> frozenset[int]:
        """All nodes that the node depends on."""
        return frozenset(networkx.ancestors(self._order, index))

    def descendants(self, index: int) -> frozenset[int]:
        """All nodes that depend on the node."""
        return frozenset(networkx.descendants(self._order, index))


@dataclass(frozen=True, slots=True, kw_only=True)
class Planning:
    """The plan, or none when the graph is refused; `diagnostics` are the plan's own, or the reasons."""

    plan: Plan | None
    diagnostics: tuple[Diagnostic, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Binding:
    """What one run adds to a plan.

    literals: node index -> pin -> JSON text that the client passed; it goes before the plan's own inputs.
    unrunnable: node index -> why it cannot run; what depends on it is not listed.
    diagnostics: the plan's, then those of this binding.
    """

    literals: Mapping[int, Mapping[str, bytes]]
    unrunnable: Mapping[int, Diagnostic]
    diagnostics: tuple[Diagnostic, ...]

    @property
    def is_complete(self) -> bool:
        """True when nothing keeps any node from running."""
        return not has_errors(self.diagnostics)


def code_sources(graph: Graph) -> dict[CodeHash, str]:
    """Every source text of the graph once: what `build_plan` needs the interfaces of."""
    return {code_hash(node.code): node.code for node in graph.nodes if not node.is_reroute}


def build_plan(graph: Graph, interfaces: Mapping[CodeHash, CodeInterface]) -> Planning:
    """Order the graph and connect its inputs. `interfaces` must have every code of `code_sources`."""
    refusals = _refusals(graph)
    if refusals:
        return Planning(plan=None, diagnostics=refusals)
    hashes = [CodeHash("") if node.is_reroute else code_hash(node.code) for node in graph.nodes]
    pins = {code: pins_of(interfaces[code]) for code in hashes if code}
    wiring = Wiring(graph.nodes, graph.edges, [pins.get(code, REROUTE_PINS) for code in hashes])
    order = _order_of(len(graph.nodes), ((wire.source, wire.target) for wire in wiring.wires))
    try:
        sequence = list(networkx.lexicographical_topological_sort(order))
    except networkx.NetworkXUnfeasible:
        return Planning(plan=None, diagnostics=(_cycle(order, graph.nodes), *wiring.diagnostics))
    incoming = wiring.resolve(sequence)
    runnable = [number for number in sequence if hashes[number]]
    draft = _Draft(graph.nodes, hashes, interfaces, incoming, {number: i for i, number in enumerate(runnable)})
    nodes = tuple(draft.node(number) for number in runnable)
    problems = [node.problem for node in nodes if node.problem is not None]
    plan = Plan(
        title=graph.title,
        nodes=nodes,
        sources={hashes[number]: graph.nodes[number].code for number in runnable},
        diagnostics=(*wiring.diagnostics, *problems),
        last=tuple(node.index for node in nodes if not node.successors),
        _order=_order_of(len(nodes), ((before, node.index) for node in nodes for before in node.predecessors)),
    )
    return Planning(plan=plan, diagnostics=plan.diagnostics)


class _Draft:
    """Turns nodes of the document, numbered in its order, into nodes of the plan, indexed in the order of running."""

    def __init__(
        self,
        nodes: Sequence[Node],
        hashes: Sequence[CodeHash],
        interfaces: Mapping[CodeHash, CodeInterface],
        incoming: Sequence[Incoming],
        index_of: Mapping[int, int],
    ) -> None:
        self._nodes = nodes
        self._hashes = hashes
        self._interfaces = interfaces
        self._incoming = incoming
        self._index_of = index_of
        self._successors: dict[int, list[int]] = {number: [] for number in index_of}
        for number, index in index_of.items():
            for before in incoming[number].predecessors:
                self._successors[before].append(index)

    def node(self, number: int) -> PlanNode:
        """The node of that number, once the wires of all nodes are known."""
        node, code, incoming = self._nodes[number], self._hashes[number], self._incoming[number]
        interface = self._interfaces[code]
        inputs = {pin.name: self._input(node, pin.name, incoming) for pin in interface.inputs}
        missing = tuple(
            pin.name
            for pin in interface.inputs
            if inputs[pin.name] is None and (pin.required or pin.name in incoming.lost)
        )
        return PlanNode(
            index=self._index_of[number],
            id=node.id,
            title=node.label,
            code=code,
            parameters=tuple(inputs),
            inputs=tuple(item for item in inputs.values() if item is not None),
            outputs=tuple(pin.name for pin in interface.outputs),
            predecessors=tuple(sorted(self._index_of[before] for before in incoming.predecessors)),
            successors=tuple(sorted(self._successors[number])),
            missing=missing,
            in_widgets=frozenset(pin for pin in missing if _is_in_widgets(node, pin)),
            problem=_problem(node, interface),
        )

    def _input(self, node: Node, pin: str, incoming: Incoming) -> PlanInput | None:
        if pin in incoming.sources:
            number, output = incoming.sources[pin]
            return PlanInput(pin=pin, source=Source(node=self._index_of[number], output=output))
        if pin in node.gui_state and pin not in incoming.lost:
            return PlanInput(pin=pin, literal=json.dumps(node.gui_state[pin]).encode("ascii"))
        return None


def bind(plan: Plan, inputs: Mapping[str, str]) -> Binding:
    """Give a plan the inputs of one run: "NODE.PIN" -> JSON text; NODE is an id, or a title that only one node has."""
    literals: dict[int, dict[str, bytes]] = {}
    refused: list[Diagnostic] = []
    names = _names(plan) if inputs else {}
    for target, text in inputs.items():
        name, _, pin = target.rpartition(".")
        found = names.get(name, [])
        problem = _input_problem(plan, target, found)
        if problem:
            refused.append(_error(DiagnosticCode.BAD_INPUT, problem, plan.nodes[found[0]] if len(found) == 1 else None))
        else:
            # a lone surrogate can only stand inside a JSON string, where its escape means the same
            literals.setdefault(found[0], {})[pin] = text.encode("utf-8", "backslashreplace")
    unrunnable = {}
    missing = []
    for node in plan.nodes:
        if node.problem is not None:
            unrunnable[node.index] = node.problem
        elif node.missing:
            pins = [pin for pin in node.missing if pin not in literals.get(node.index, ())]
            if pins:
                unrunnable[node.index] = _missing(node, pins)
                missing.append(unrunnable[node.index])
    return Binding(literals=literals, unrunnable=unrunnable, diagnostics=(*plan.diagnostics, *missing, *refused))


def _names(plan: Plan) -> dict[str, list[int]]:
    """The nodes each name may mean; an id goes before a title."""
    names: dict[str, list[int]] = {}
    for node in plan.nodes:
        names.setdefault(node.title, []).append(node.index)
    names.update((node.id, [node.index]) for node in plan.nodes)
    return names


def _input_problem(plan: Plan, target: str, found: Sequence[int]) -> str | None:
    _, dot, pin = target.rpartition(".")
    if not dot:
        return f'The input "{target}" names no pin. Write NODE.PIN=VALUE.'
    if not found:
        return f'The input "{target}" is for a node that the graph does not have. Use the id or title of a node.'
    if len(found) > 1:
        ids = ", ".join(plan.nodes[index].id for index in found[:MAX_TITLES])
        return (
            f'The input "{target}" may be for any of {len(found)} nodes with that title. Use one of their ids: {ids}.'
        )
    node = plan.nodes[found[0]]
    if node.problem is None and pin not in node.parameters:
        known = ", ".join(node.parameters) or "none"
        return f'The input "{target}" is for a parameter that "{node.title}" does not have. It has: {known}.'
    return None


def _missing(node: PlanNode, pins: Sequence[str]) -> Diagnostic:
    named = ", ".join(f'"{pin}"' for pin in pins)
    remedy = f"pass --input '{node.id}.{pins[0]}=VALUE'"
    if not node.in_widgets.isdisjoint(pins):
        message = (
            f'"{node.title}" gets no value for {named}: it is set in the widgets of the editor, and the document '
            f"does not have it. Save the graph from the editor, or {remedy}."
        )
        return _error(DiagnosticCode.GUI_WITHOUT_STATE, message, node)
    message = f'"{node.title}" gets no value for {named}. Connect it, or {remedy}.'
    return _error(DiagnosticCode.MISSING_INPUT, message, node)


def _refusals(graph: Graph) -> tuple[Diagnostic, ...]:
    if all(node.is_reroute for node in graph.nodes):
        return (_error(DiagnosticCode.EMPTY, "The graph has no node with code. Add one.", None),)
    holders: dict[NodeId, list[Node]] = {}
    for node in graph.nodes:
        holders.setdefault(node.id, []).append(node)
    return tuple(
        _error(
            DiagnosticCode.DUPLICATE_ID,
            f'{len(nodes)} nodes have the id "{nodes[0].id}": {_titles(nodes)}. Give each an id of its own.',
            nodes[0],
        )
        for nodes in holders.values()
        if len(nodes) > 1
    )


def _cycle(order: "Order", nodes: Sequence[Node]) -> Diagnostic:
    """One cycle by name: the one that holds the earliest node of the document that is on any."""
    tangled = (part for part in networkx.strongly_connected_components(order) if _is_cyclic(order, part))
    first = min(tangled, key=min)
    edges = networkx.find_cycle(order.subgraph(first).copy(), min(first))
    around = [nodes[source] for source, _ in edges]
    message = f"The nodes wait for each other in a circle: {_titles([*around, around[0]], ' -> ')}. Cut one connection."
    return _error(DiagnosticCode.CYCLE, message, around[0])


def _is_cyclic(order: "Order", part: Iterable[int]) -> bool:
    members = list(part)
    return len(members) > 1 or order.has_edge(members[0], members[0])


def _is_in_widgets(node: Node, pin: str) -> bool:
    """True when the code that reads the node's widgets names the pin, and its values were never saved."""
    code = node.gui_get_values_code
    return not node.gui_state and (f"'{pin}'" in code or f'"{pin}"' in code)


def _problem(node: Node, interface: CodeInterface) -> Diagnostic | None:
    problem = interface.problem
    if problem is None:
        return None
    known = problem.code in DiagnosticCode.__members__.values()
    code = DiagnosticCode(problem.code) if known else DiagnosticCode.BAD_CODE
    where = f" (line {problem.line})" if problem.line is not None else ""
    return _error(code, f'The code of "{node.label}" cannot run{where}: {problem.message}', node)


def _order_of(count: int, pairs: Iterable[tuple[int, int]]) -> "Order":
    order: Order = networkx.DiGraph()
    order.add_nodes_from(range(count))
    order.add_edges_from(pairs)
    return order


def _titles(nodes: Sequence[Node], separator: str = ", ") -> str:
    named = separator.join(f'"{node.label}"' for node in nodes[:MAX_TITLES])
    left_out = len(nodes) - MAX_TITLES
    return f"{named} and {left_out} more" if left_out > 0 else named


def _error(code: DiagnosticCode, message: str, node: Node | PlanNode | None) -> Diagnostic:
    if node is None:
        return Diagnostic(severity=Severity.ERROR, code=code, message=message)
    title = node.label if isinstance(node, Node) else node.title
    return Diagnostic(severity=Severity.ERROR, code=code, message=message, node=node.id, title=title)
