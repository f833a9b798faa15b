"""What there is to say about a graph: one sentence with a stable code, and what to do about it.

A message names nodes by title. It never holds code or values.
"""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum

from pyflowd_client.protocol.ids import NodeId

MOST_OF_A_KIND = 100


class Severity(StrEnum):
    """An error keeps a node, or the graph, from running as its author meant it."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


class DiagnosticCode(StrEnum):
    """Stable: scripts compare them, so a code never changes its meaning."""

    # the document
    EMPTY = "empty"  # there is nothing to run
    UNREADABLE = "unreadable"  # neither FlowSpec nor JSON
    INVALID_JSON = "invalid_json"
    INVALID_FIELD = "invalid_field"  # valid JSON of the wrong shape
    INVALID_HEADING = "invalid_heading"  # a node's heading without an id
    IGNORED_SECTION = "ignored_section"  # a heading that a graph does not have
    IGNORED_BLOCK = "ignored_block"  # a fence that its section does not have
    REPEATED_BLOCK = "repeated_block"  # the last one counts
    MISSING_ID = "missing_id"
    # the graph
    DUPLICATE_ID = "duplicate_id"
    CYCLE = "cycle"
    UNKNOWN_NODE = "unknown_node"
    UNKNOWN_PIN = "unknown_pin"
    DOUBLE_EDGE = "double_edge"
    DANGLING_REROUTE = "dangling_reroute"
    BAD_LIMITS = "bad_limits"  # of the graph or of a node
    BAD_PERMISSIONS = "bad_permissions"  # the same
    BAD_CACHE = "bad_cache"  # of a node
    NEEDS_PERMISSION = "needs_permission"  # for information: what the graph says it needs
    MISSING_PERMISSION = "missing_permission"  # it says it needs what was not granted
    # what it runs in
    BAD_DEPENDENCIES = "bad_dependencies"  # of the graph or of a node: what is required cannot be, or not by a graph
    BAD_ENVIRONMENT = "bad_environment"  # it cannot be chosen so, by the graph, a node or the client
    ENVIRONMENT_NEEDED = "environment_needed"  # for information: what the graph, or a node, runs in
    SYSTEM_NEEDED = "system_needed"  # for information: what the graph needs besides, and nobody installs
    DEPENDENCY_NOTES = "dependency_notes"  # for information: what its author says about that
    # a node's code
    SYNTAX_ERROR = "syntax_error"
    NO_ENTRY = "no_entry"
    ASYNC_ENTRY = "async_entry"
    BAD_CODE = "bad_code"  # any other reason why it cannot be a node
    MISSING_IMPORT = "missing_import"  # the environment has no such module
    READS_INPUT = "reads_input"  # it asks a person who is not there
    TOUCHES = "touches"  # for information: network, files or processes
    # a node's inputs
    MISSING_INPUT = "missing_input"
    GUI_WITHOUT_STATE = "gui_without_state"  # a missing input whose value lives in the editor's widgets
    BAD_INPUT = "bad_input"  # what the client passes fits no pin
    # a part of a graph
    BAD_SELECTION = "bad_selection"  # what the client selects is not there
    NO_LAST_VALUE = "no_last_value"  # a node that is left out has no value to give
    LAST_VALUES = "last_values"  # for information: what nodes that are left out gave is used
    EARLIER_CODE = "earlier_code"  # a value that is used was made by code that has changed since
    UNUSED_INPUT = "unused_input"  # it is for a node that is left out


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnostic:
    """One finding; `node` and `title` where it is about one node."""

    severity: Severity
    code: DiagnosticCode
    message: str
    node: NodeId | None = None
    title: str | None = None


class DiagnosticLog:
    """What a reader finds. The first hundred of a kind are kept, the others counted: there may be millions."""

    def __init__(self) -> None:
        self._kept: list[Diagnostic] = []
        self._counts: Counter[tuple[Severity, DiagnosticCode]] = Counter()

    def append(self, item: Diagnostic) -> None:
        """One more."""
        kind = item.severity, item.code
        self._counts[kind] += 1
        if self._counts[kind] <= MOST_OF_A_KIND:
            self._kept.append(item)

    def __iter__(self) -> Iterator[Diagnostic]:
        yield from self._kept
        for (severity, code), count in self._counts.items():
            if count > MOST_OF_A_KIND:
                remedy = " Correct those above first." if severity is Severity.ERROR else ""
                message = f"There are {count - MOST_OF_A_KIND:,} more of this kind.{remedy}"
                yield Diagnostic(severity=severity, code=code, message=message)


def has_errors(diagnostics: Iterable[Diagnostic]) -> bool:
    """True when at least one of them is an error."""
    return any(item.severity is Severity.ERROR for item in diagnostics)
