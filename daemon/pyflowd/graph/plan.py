"""A plan: what runs, in which order, and where each input comes from.

`planning` builds it out of a graph, once for an environment; `bind` adds what a client passes for one run. Values are
opaque JSON text here, and code is a name.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from pyflowd.graph.caching import SILENT, CacheWish
from pyflowd.graph.diagnostics import Diagnostic, DiagnosticCode, Severity, has_errors
from pyflowd.graph.interface import CodeHash
from pyflowd.graph.needs import Needs
from pyflowd_client.protocol.ids import NodeId

MAX_TITLES = 100
Literals = dict[int, dict[str, bytes]]


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
    limits: what it declares for itself, by the names of a request's options. needs: what it says it needs.
    environment: an index into the specs of the graph's placement; 0 is the graph's own. cache: as it declares.
    problem: why it cannot run; if that is for its code, its pins are unknown.
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
    limits: Mapping[str, float]
    needs: Needs
    problem: Diagnostic | None
    environment: int = 0
    cache: CacheWish = SILENT


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """A graph that can be ordered; `nodes` come after all their predecessors, else in document order.

    limits: what the graph declares for itself and its nodes, by the names of a request's options.
    needs: what the graph and its nodes say they need, each thing once.
    sources: by the names of code, which differ where the same text runs in two environments.
    wants_cache: whether some node wants its result kept.
    diagnostics: all there is to say whatever the client passes, problems of nodes included.
    """

    title: str
    nodes: tuple[PlanNode, ...]
    sources: Mapping[CodeHash, str]
    limits: Mapping[str, float]
    needs: Needs
    diagnostics: tuple[Diagnostic, ...]
    last: tuple[int, ...]
    wants_cache: bool = False


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


def bind(plan: Plan, inputs: Mapping[str, str]) -> Binding:
    """Give a plan the inputs of one run: "NODE.PIN" -> JSON text; NODE is an id, or a title that only one node has."""
    return bound(plan, *read_inputs(plan, inputs))


def read_inputs(plan: Plan, inputs: Mapping[str, str]) -> tuple[Literals, tuple[Diagnostic, ...]]:
    """What is given to which node, as `Binding.literals`, and what fits no pin."""
    literals: Literals = {}
    refused: list[Diagnostic] = []
    names = nodes_by_name(plan) if inputs else {}
    for target, text in inputs.items():
        name, _, pin = target.rpartition(".")
        found = names.get(name, [])
        problem = _input_problem(plan, target, found)
        if problem:
            refused.append(_error(DiagnosticCode.BAD_INPUT, problem, plan.nodes[found[0]] if len(found) == 1 else None))
        else:
            # a lone surrogate can only stand inside a JSON string, where its escape means the same
            literals.setdefault(found[0], {})[pin] = text.encode("utf-8", "backslashreplace")
    return literals, tuple(refused)


def bound(plan: Plan, literals: Literals, remarks: tuple[Diagnostic, ...]) -> Binding:
    """A plan with what its nodes are given, and what there is to say about that."""
    unrunnable = {}
    missing = []
    for node in plan.nodes:
        if node.problem is not None:
            unrunnable[node.index] = node.problem
        elif node.missing:
            pins = [pin for pin in node.missing if pin not in literals.get(node.index, ())]
            if pins:
                unrunnable[node.index] = missing_input(node, pins)
                missing.append(unrunnable[node.index])
    return Binding(literals=literals, unrunnable=unrunnable, diagnostics=(*plan.diagnostics, *missing, *remarks))


def nodes_by_name(plan: Plan) -> dict[str, list[int]]:
    """The indexes of the nodes that each name may mean; an id goes before a title."""
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


def missing_input(node: PlanNode, pins: Sequence[str]) -> Diagnostic:
    """A node cannot run, for these parameters get no value."""
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


def _error(code: DiagnosticCode, message: str, node: PlanNode | None) -> Diagnostic:
    node_id, title = (None, None) if node is None else (node.id, node.title)
    return Diagnostic(severity=Severity.ERROR, code=code, message=message, node=node_id, title=title)
