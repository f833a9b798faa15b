"""Builds plans: judges a graph once for an environment. The only module that uses networkx.

It does not parse code or values: pins come in as `CodeInterface`s. It refuses what has no order (a cycle) and what has
no names (duplicate ids).
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import networkx

from pyflowd.graph.caching import cache_of_node
from pyflowd.graph.declared import limits_of_graph, limits_of_node
from pyflowd.graph.diagnostics import Diagnostic, DiagnosticCode, DiagnosticLog, Severity
from pyflowd.graph.interface import CodeHash, CodeInterface
from pyflowd.graph.model import Graph, Node
from pyflowd.graph.needs import HOME, merged, needs_of_graph, needs_of_node
from pyflowd.graph.placement import NOWHERE_ELSE, Placement
from pyflowd.graph.plan import MAX_TITLES, Plan, PlanInput, PlanNode, Source
from pyflowd.graph.remarks import remarks_on
from pyflowd.graph.wiring import REROUTE_PINS, Incoming, Wiring, pins_of
from pyflowd_client.protocol.ids import NodeId

if TYPE_CHECKING:
    Order = networkx.DiGraph[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Planning:
    """The plan, or none when the graph is refused; `diagnostics` are the plan's own, or the reasons."""

    plan: Plan | None
    diagnostics: tuple[Diagnostic, ...]


def code_sources(graph: Graph, placement: Placement = NOWHERE_ELSE) -> dict[CodeHash, str]:
    """Every source text of the graph once per environment: what `build_plan` needs the interfaces of."""
    hashes = placement.code_hashes(graph)
    return {code: node.code for code, node in zip(hashes, graph.nodes, strict=True) if code}


def build_plan(
    graph: Graph,
    interfaces: Mapping[CodeHash, CodeInterface],
    home: str = HOME,
    placement: Placement = NOWHERE_ELSE,
) -> Planning:
    """Order the graph and connect its inputs. `interfaces` must have every code of `code_sources`.

    home: the user's, in which paths that begin with "~" lie. placement: where its nodes run; what that has to say is
    among the diagnostics of the plan.
    """
    refusals = _refusals(graph)
    if refusals or placement.refusals:
        return Planning(plan=None, diagnostics=(*placement.diagnostics, *refusals))
    hashes = placement.code_hashes(graph)
    pins = {code: pins_of(interfaces[code]) for code in hashes if code}
    wiring = Wiring(graph.nodes, graph.edges, [pins.get(code, REROUTE_PINS) for code in hashes])
    order = _order_of(len(graph.nodes), ((wire.source, wire.target) for wire in wiring.wires))
    try:
        sequence = list(networkx.lexicographical_topological_sort(order))
    except networkx.NetworkXUnfeasible:
        return Planning(
            plan=None, diagnostics=(*placement.diagnostics, _cycle(order, graph.nodes), *wiring.diagnostics)
        )
    incoming = wiring.resolve(sequence)
    runnable = [number for number in sequence if hashes[number]]
    draft = _Draft(graph.nodes, hashes, interfaces, incoming, {number: i for i, number in enumerate(runnable)}, home)
    nodes = tuple(_placed(draft.node(number), placement) for number in runnable)
    known = placement.problems
    problems = [node.problem for node in nodes if node.problem is not None and node.problem is not known.get(node.id)]
    remarks = DiagnosticLog()
    for node in nodes:
        for item in remarks_on(node, interfaces[node.code]):
            if placement.is_provisional and item.code is DiagnosticCode.MISSING_IMPORT:
                continue
            remarks.append(item)
    plan = Plan(
        title=graph.title,
        nodes=nodes,
        sources={hashes[number]: graph.nodes[number].code for number in runnable},
        limits=limits_of_graph(graph)[0],
        needs=merged((*needs_of_graph(graph, home)[0], *(need for node in nodes for need in node.needs))),
        diagnostics=(*placement.diagnostics, *wiring.diagnostics, *problems, *remarks),
        last=tuple(node.index for node in nodes if not node.successors),
        wants_cache=any(node.cache.is_wanted for node in nodes),
    )
    return Planning(plan=plan, diagnostics=plan.diagnostics)


def _placed(node: PlanNode, placement: Placement) -> PlanNode:
    environment, problem = placement.of_node.get(node.id, 0), placement.problems.get(node.id)
    if not environment and problem is None:
        return node
    return replace(node, environment=environment, problem=node.problem or problem)


class _Draft:
    """Turns nodes of the document, numbered in its order, into nodes of the plan, indexed in the order of running."""

    def __init__(
        self,
        nodes: Sequence[Node],
        hashes: Sequence[CodeHash],
        interfaces: Mapping[CodeHash, CodeInterface],
        incoming: Sequence[Incoming],
        index_of: Mapping[int, int],
        home: str,
    ) -> None:
        self._nodes = nodes
        self._hashes = hashes
        self._interfaces = interfaces
        self._incoming = incoming
        self._index_of = index_of
        self._home = home
        self._successors: dict[int, list[int]] = {number: [] for number in index_of}
        for number, index in index_of.items():
            for before in incoming[number].predecessors:
                self._successors[before].append(index)

    def node(self, number: int) -> PlanNode:
        """The node of that number, once the wires of all nodes are known."""
        node, code, incoming = self._nodes[number], self._hashes[number], self._incoming[number]
        interface = self._interfaces[code]
        limits, bad_limits = limits_of_node(node)
        needs, bad_needs = needs_of_node(node, self._home)
        cache, bad_cache = cache_of_node(node)
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
            limits=limits,
            needs=needs,
            problem=_problem(node, interface) or bad_limits or bad_needs or bad_cache,
            cache=cache,
        )

    def _input(self, node: Node, pin: str, incoming: Incoming) -> PlanInput | None:
        if pin in incoming.sources:
            number, output = incoming.sources[pin]
            return PlanInput(pin=pin, source=Source(node=self._index_of[number], output=output))
        if pin in node.gui_state and pin not in incoming.lost:
            return PlanInput(pin=pin, literal=json.dumps(node.gui_state[pin]).encode("ascii"))
        return None


def _refusals(graph: Graph) -> tuple[Diagnostic, ...]:
    if all(node.is_reroute for node in graph.nodes):
        return (_error(DiagnosticCode.EMPTY, "The graph has no node with code. Add one.", None),)
    holders: dict[NodeId, list[Node]] = {}
    for node in graph.nodes:
        holders.setdefault(node.id, []).append(node)
    _, bad_limits = limits_of_graph(graph)
    _, bad_needs = needs_of_graph(graph, HOME)
    if bad_limits or bad_needs:
        return tuple(problem for problem in (bad_limits, bad_needs) if problem)
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


def _error(code: DiagnosticCode, message: str, node: Node | None) -> Diagnostic:
    node_id, title = (None, None) if node is None else (node.id, node.label)
    return Diagnostic(severity=Severity.ERROR, code=code, message=message, node=node_id, title=title)
