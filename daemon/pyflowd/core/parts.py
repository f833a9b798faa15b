"""May this part of a graph run? Its nodes, with what the client passes and what is remembered of the others."""

from collections.abc import Callable

from pyflowd.core.judgement import Judgement, judge
from pyflowd.core.last_values import LastOutputs
from pyflowd.core.preparation import Prepared
from pyflowd.core.runs import Run
from pyflowd.core.values import Payload
from pyflowd.graph.diagnostics import Diagnostic
from pyflowd.graph.selection import OuterInput, bind_part, concerning, earlier_code, last_values, part_of
from pyflowd_client.protocol.ids import NodeId
from pyflowd_client.protocol.options import WHOLE_GRAPH

Recall = Callable[[NodeId], LastOutputs | None]


def judge_part(prepared: Prepared, run: Run, recall: Recall) -> Judgement:
    """As `judge`, for the part that the run selects. recall: what a node of its graph gave when it was last done."""
    if prepared.plan is None or run.selection == WHOLE_GRAPH:
        return judge(prepared, run.inputs)
    part, refusals = part_of(prepared.plan, run.selection)
    if part is None:
        return Judgement(prepared.diagnostics + refusals, None)
    known = {item: _remembered(item, recall) for item in part.outer}
    binding = bind_part(prepared.plan, part, run.inputs, lambda item: known[item] is not None)
    outer: dict[int, dict[str, Payload]] = {}
    used: dict[NodeId, str] = {}
    earlier: dict[NodeId, Diagnostic] = {}
    for item, payload in known.items():
        if payload is None or item.pin in binding.literals.get(item.node, ()):
            continue
        outer.setdefault(item.node, {})[item.pin] = payload
        used[item.source] = item.title
        last = recall(item.source)
        if last is not None and last.code != item.code:
            earlier[item.source] = earlier_code(item)
    told = [*concerning(prepared.diagnostics, part.left_out), *binding.diagnostics]
    if used:
        told += [last_values(used.values()), *earlier.values()]
    return Judgement(tuple(told), binding, part.plan, outer)


def _remembered(item: OuterInput, recall: Recall) -> Payload | None:
    last = recall(item.source)
    return None if last is None else last.of(item.output)
