"""What a worker noticed in a node's code, as diagnostics: advice, and no reason to refuse a graph."""

from collections.abc import Iterator

from pyflowd.graph.diagnostics import Diagnostic, DiagnosticCode, Severity
from pyflowd.graph.interface import CodeInterface, CodeRemark
from pyflowd.graph.plan import PlanNode

AREAS = {"network": "the network", "files": "files", "processes": "processes"}
KINDS = (DiagnosticCode.MISSING_IMPORT, DiagnosticCode.READS_INPUT, *AREAS)


def remarks_on(node: PlanNode, interface: CodeInterface) -> Iterator[Diagnostic]:
    """What to say about one node."""
    for remark in interface.remarks:
        if remark.kind == DiagnosticCode.MISSING_IMPORT:
            message = (
                f'"{node.title}" imports {remark.name} (line {remark.line}), which its environment does not have.'
                " Install it there, or choose another environment."
            )
            yield _about(node, Severity.WARNING, DiagnosticCode.MISSING_IMPORT, message)
        elif remark.kind == DiagnosticCode.READS_INPUT:
            message = (
                f'"{node.title}" calls input() (line {remark.line}), and nobody can answer a node: that fails.'
                " Make it a parameter."
            )
            yield _about(node, Severity.WARNING, DiagnosticCode.READS_INPUT, message)
    touched = [f"{area} ({named})" for kind, area in AREAS.items() if (named := _named(kind, interface.remarks))]
    if touched:
        message = f'"{node.title}" names what would touch {", ".join(touched)}.'
        yield _about(node, Severity.INFO, DiagnosticCode.TOUCHES, message)


def _named(kind: str, remarks: tuple[CodeRemark, ...]) -> str:
    return ", ".join(f"{remark.name} in line {remark.line}" for remark in remarks if remark.kind == kind)


def _about(node: PlanNode, severity: Severity, code: DiagnosticCode, message: str) -> Diagnostic:
    return Diagnostic(severity=severity, code=code, message=message, node=node.id, title=node.title)
