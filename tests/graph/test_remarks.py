"""Advice on code, in the words of a diagnostic."""

from pyflowd.graph.diagnostics import DiagnosticCode, Severity
from pyflowd.graph.remarks import KINDS
from pyflowd.worker_side import advice
from support.graphs import node, plan_of

NOSY = "import nowhere, socket\n@node_entry\ndef f() -> str:\n    open('a')\n    return input()\n"


def test_remarks_name_the_node_the_line_and_what_to_do() -> None:
    plan = plan_of(node("n", NOSY, title="Nosy"))
    found = [(item.severity, item.code, item.message, item.node, item.title) for item in plan.diagnostics]
    about = ("n", "Nosy")
    assert found == [
        (
            Severity.WARNING,
            DiagnosticCode.MISSING_IMPORT,
            '"Nosy" imports nowhere (line 1), which its environment does not have.'
            " Install it there, or choose another environment.",
            *about,
        ),
        (
            Severity.WARNING,
            DiagnosticCode.READS_INPUT,
            '"Nosy" calls input() (line 5), and nobody can answer a node: that fails. Make it a parameter.',
            *about,
        ),
        (
            Severity.INFO,
            DiagnosticCode.TOUCHES,
            '"Nosy" names what would touch the network (socket in line 1), files (open in line 4).',
            *about,
        ),
    ]


def test_a_hundred_remarks_of_a_kind_are_told_and_the_others_counted() -> None:
    plan = plan_of(*(node(f"n{number}", NOSY) for number in range(130)))
    told = [item for item in plan.diagnostics if item.code is DiagnosticCode.READS_INPUT]
    assert (len(told), told[-1].message) == (101, "There are 30 more of this kind.")


def test_both_sides_know_the_same_kinds() -> None:
    kinds = {advice.MISSING_IMPORT, advice.READS_INPUT, advice.NETWORK, advice.FILES, advice.PROCESSES}
    assert set(KINDS) == kinds
