"""May this graph run with these inputs? The findings of reading, planning and binding, put together."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from pyflowd.core.graph_executor import Outer
from pyflowd.core.needs import needed
from pyflowd.core.preparation import Prepared
from pyflowd.graph.diagnostics import Diagnostic, DiagnosticCode, has_errors
from pyflowd.graph.plan import Binding, Plan, bind
from pyflowd_client.protocol.errors import ErrorCode, ErrorInfo
from pyflowd_client.protocol.replies import Finding, GraphChecked, NodeSummary


@dataclass(frozen=True, slots=True)
class Judgement:
    """All findings; the binding is there when the plan is.

    plan: what will be executed: the whole graph, or the part of it that was selected. outer: node index -> pin -> what
    such a part gets from the rest of the graph.
    """

    diagnostics: tuple[Diagnostic, ...]
    binding: Binding | None
    plan: Plan | None = None
    outer: Outer = field(default_factory=dict)

    def refusal(self, partial: bool) -> ErrorInfo | None:
        """Why a run must not start. With `partial`, nodes that cannot run are no reason."""
        if any(item.code is DiagnosticCode.BAD_INPUT for item in self.diagnostics):
            return ErrorInfo(code=ErrorCode.BAD_INPUT, message="An input fits no pin of the graph; nothing was run.")
        if any(item.code is DiagnosticCode.BAD_SELECTION for item in self.diagnostics):
            message = "What was selected is not in the graph; nothing was run."
            return ErrorInfo(code=ErrorCode.BAD_INPUT, message=message)
        if self.binding is None:
            return ErrorInfo(code=ErrorCode.BAD_GRAPH, message="The graph cannot be run; see the diagnostics.")
        if not partial and any(item.code is DiagnosticCode.NO_LAST_VALUE for item in self.diagnostics):
            message = (
                "Values are missing that nodes which are not run would give; nothing was run, see the diagnostics."
            )
            return ErrorInfo(code=ErrorCode.BAD_GRAPH, message=message)
        if has_errors(self.diagnostics) and not partial:
            message = (
                "The graph is incomplete, nothing was run; see the diagnostics, or run what can run with --partial."
            )
            return ErrorInfo(code=ErrorCode.BAD_GRAPH, message=message)
        return None


def judge(prepared: Prepared, inputs: Mapping[str, str]) -> Judgement:
    """Bind the inputs and collect what there is to say."""
    if prepared.plan is None:
        return Judgement(prepared.diagnostics, None)
    binding = bind(prepared.plan, inputs)
    return Judgement(prepared.diagnostics + binding.diagnostics, binding, prepared.plan)


def check_result(prepared: Prepared, inputs: Mapping[str, str]) -> GraphChecked:
    """What a client that only wants to know is told."""
    judgement = judge(prepared, inputs)
    nodes, needs = (prepared.plan.nodes, prepared.plan.needs) if prepared.plan else ((), ())
    return GraphChecked(
        runnable=judgement.refusal(partial=False) is None,
        findings=tuple(finding(item) for item in (*judgement.diagnostics, *needed(needs))),
        nodes=tuple(
            NodeSummary(node=node.id, title=node.title, inputs=node.parameters, outputs=node.outputs) for node in nodes
        ),
    )


def finding(item: Diagnostic) -> Finding:
    """A diagnostic as it travels."""
    return Finding(
        severity=item.severity.value, code=item.code.value, message=item.message, node=item.node, title=item.title
    )
