"""A part of a plan: which nodes run, and what they get from those that do not.

Of the whole plan nothing changes. The part is a plan as well, so that it is executed like any other; what comes from
outside is listed beside it, by name, and whether there is such a value is for others to know.
"""

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice

from pyflowd.graph.diagnostics import Diagnostic, DiagnosticCode, DiagnosticLog, Severity
from pyflowd.graph.interface import CodeHash
from pyflowd.graph.needs import merged
from pyflowd.graph.plan import MAX_TITLES, Binding, Plan, PlanNode, Source, bound, nodes_by_name, read_inputs
from pyflowd_client.protocol.ids import NodeId
from pyflowd_client.protocol.options import Selection


@dataclass(frozen=True, slots=True, kw_only=True)
class OuterInput:
    """A parameter of a node of the part (an index into its plan) that gets its value from a node outside.

    source, title, code: of that node. output: the name of its pin; None when its code cannot be read, so that nobody
    knows its pins.
    """

    node: int
    pin: str
    source: NodeId
    title: str
    code: CodeHash
    output: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """The nodes that run, as a plan of their own. Edges that only order are fulfilled where they come from outside.

    places: an index into the whole plan -> the one into this. left_out: the nodes that do not run.
    """

    plan: Plan
    outer: tuple[OuterInput, ...]
    places: Mapping[int, int]
    left_out: frozenset[NodeId]


def part_of(plan: Plan, selection: Selection) -> tuple[Part | None, tuple[Diagnostic, ...]]:
    """The part that is selected; none, with the reasons, when a name means no node or several.

    targets run with all they need, `below` with all that depends on them, `only` alone: together what any of them says.
    """
    refused = DiagnosticLog()
    names = nodes_by_name(plan)
    targets, below, only = (
        _found(plan, names, wanted, refused) for wanted in (selection.targets, selection.below, selection.only)
    )
    refusals = tuple(refused)
    if refusals:
        return None, refusals
    upwards = _closure(reversed(plan.nodes), targets, lambda node: node.predecessors)
    downwards = _closure(plan.nodes, below, lambda node: node.successors)
    return _cut(plan, upwards | downwards | only, targets | only), ()


def bind_part(whole: Plan, part: Part, inputs: Mapping[str, str], has_value: Callable[[OuterInput], bool]) -> Binding:
    """Give a part the inputs of one run, as `bind` does; the names are those of the whole graph.

    has_value: whether an outer input has a value. What has none, and is not given, keeps its node from running.
    """
    given, remarks = read_inputs(whole, inputs)
    unused = (_unused(whole.nodes[index], pins) for index, pins in given.items() if index not in part.places)
    literals = {part.places[index]: pins for index, pins in given.items() if index in part.places}
    binding = bound(part.plan, literals, (*remarks, *unused))
    lacking: dict[int, list[OuterInput]] = {}
    for item in part.outer:
        if item.pin not in literals.get(item.node, ()) and not has_value(item):
            lacking.setdefault(item.node, []).append(item)
    reasons = {index: _lacking(part.plan.nodes[index], items) for index, items in lacking.items()}
    return replace(
        binding,
        unrunnable={**reasons, **binding.unrunnable},
        diagnostics=(*binding.diagnostics, *reasons.values()),
    )


def last_values(titles: Iterable[str]) -> Diagnostic:
    """Says of which nodes the last values are used."""
    named = ", ".join(f'"{title}"' for title in islice(titles, MAX_TITLES))
    return _about(None, Severity.INFO, DiagnosticCode.LAST_VALUES, f"The last values of these nodes are used: {named}.")


def earlier_code(item: OuterInput) -> Diagnostic:
    """Says that what is used of a node was made before its code was changed."""
    return Diagnostic(
        severity=Severity.WARNING,
        code=DiagnosticCode.EARLIER_CODE,
        message=f'What "{item.title}" gives is taken from the last run of an earlier version of it. Run it again'
        " for what it gives now.",
        node=item.source,
        title=item.title,
    )


def concerning(diagnostics: Iterable[Diagnostic], left_out: frozenset[NodeId]) -> tuple[Diagnostic, ...]:
    """Those that are not about a node that is left out."""
    return tuple(item for item in diagnostics if item.node not in left_out)


def _found(plan: Plan, names: Mapping[str, list[int]], wanted: Sequence[str], refused: DiagnosticLog) -> set[int]:
    chosen = set()
    for name in dict.fromkeys(wanted):
        found = names.get(name, [])
        if len(found) == 1:
            chosen.add(found[0])
        elif not found:
            message = f'"{name}" is selected, and the graph has no such node. Use the id or title of a node with code.'
            refused.append(_about(None, Severity.ERROR, DiagnosticCode.BAD_SELECTION, message))
        else:
            ids = ", ".join(plan.nodes[index].id for index in found[:MAX_TITLES])
            message = f'"{name}" is selected, and {len(found)} nodes have that title. Use one of their ids: {ids}.'
            refused.append(_about(None, Severity.ERROR, DiagnosticCode.BAD_SELECTION, message))
    return chosen


def _closure(nodes: Iterable[PlanNode], first: set[int], next_of: Callable[[PlanNode], Iterable[int]]) -> set[int]:
    """All that can be reached from the first; the nodes come in an order in which steps only lead onwards."""
    reached = set(first)
    for node in nodes if first else ():
        if node.index in reached:
            reached.update(next_of(node))
    return reached


def _cut(plan: Plan, chosen: set[int], named: set[int]) -> Part:
    places = {index: place for place, index in enumerate(sorted(chosen))}
    nodes = tuple(_placed(plan.nodes[index], places) for index in places)
    left_out = frozenset(node.id for node in plan.nodes if node.index not in places)
    reduced = replace(
        plan,
        nodes=nodes,
        needs=merged((*(need for need in plan.needs if need.node is None), *(n for node in nodes for n in node.needs))),
        diagnostics=concerning(plan.diagnostics, left_out),
        last=tuple(place for index, place in places.items() if index in named or not nodes[place].successors),
    )
    outer = tuple(item for index in places for item in _outer(plan, plan.nodes[index], places))
    return Part(plan=reduced, outer=outer, places=places, left_out=left_out)


def _placed(node: PlanNode, places: Mapping[int, int]) -> PlanNode:
    inputs = []
    for item in node.inputs:
        if item.source is None:
            inputs.append(item)
        elif item.source.node in places:
            source = Source(node=places[item.source.node], output=item.source.output)
            inputs.append(replace(item, source=source))
    return replace(
        node,
        index=places[node.index],
        inputs=tuple(inputs),
        predecessors=tuple(places[index] for index in node.predecessors if index in places),
        successors=tuple(places[index] for index in node.successors if index in places),
    )


def _outer(plan: Plan, node: PlanNode, places: Mapping[int, int]) -> Iterator[OuterInput]:
    for item in node.inputs:
        if item.source is None or item.source.node in places:
            continue
        source = plan.nodes[item.source.node]
        is_known = item.source.output < len(source.outputs)
        yield OuterInput(
            node=places[node.index],
            pin=item.pin,
            source=source.id,
            title=source.title,
            code=source.code,
            output=source.outputs[item.source.output] if is_known else None,
        )


def _lacking(node: PlanNode, items: Sequence[OuterInput]) -> Diagnostic:
    wanted = ", ".join(f'"{item.pin}" from "{item.title}"' for item in items[:MAX_TITLES])
    target, given = f"run --target {shlex.quote(node.id)}", f"--input '{node.id}.{items[0].pin}=VALUE'"
    message = (
        f'"{node.title}" gets {wanted}: not run this time, and no last value is remembered. Run the graph first, or'
        f" this node with all it needs ({target}), or pass {given}."
    )
    return _about(node, Severity.ERROR, DiagnosticCode.NO_LAST_VALUE, message)


def _unused(node: PlanNode, pins: Iterable[str]) -> Diagnostic:
    named = ", ".join(f'"{pin}"' for pin in pins)
    message = f'"{node.title}" is not run, so that what is given for {named} is not used. Select it as well.'
    return _about(node, Severity.WARNING, DiagnosticCode.UNUSED_INPUT, message)


def _about(node: PlanNode | None, severity: Severity, code: DiagnosticCode, message: str) -> Diagnostic:
    node_id, title = (None, None) if node is None else (node.id, node.title)
    return Diagnostic(severity=severity, code=code, message=message, node=node_id, title=title)
