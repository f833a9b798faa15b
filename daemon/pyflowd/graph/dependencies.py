"""What a graph requires: its `## Dependencies`, and the PEP 723 blocks in the code of its nodes.

To require is not to install: that is for who runs the graph. What cannot be required is a diagnostic, and left out.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from pyflowd.graph.diagnostics import Diagnostic, DiagnosticCode, DiagnosticLog, Severity
from pyflowd.graph.model import Graph, Node
from pyflowd.graph.python_versions import PythonVersionError, combined, read_python
from pyflowd.graph.requirements import (
    RequirementError,
    one_line,
    read_requirement,
    shown,
    without_comment,
    without_label,
)
from pyflowd.graph.script_blocks import (
    ScriptBlock,
    ScriptBlockError,
    find_script_block,
    has_script_block,
    parse_script_block,
)
from pyflowd_client.protocol.ids import NodeId

ENVIRONMENT = "environment"
PARTS = ("requirements", "optional", "python", "system", "notes", ENVIRONMENT)
MOST_REQUIREMENTS = 1000
MOST_TEXTS = 10_000  # that differ, in the whole document
MOST_BLOCK_CHARS = 1_000_000  # that differ, in the whole document
MOST_LINES = 100
LONGEST_LINE = 500
LONGEST_NOTES = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependencies:
    """In normal form: equal dependencies are equal objects.

    requirements, optional: PEP 508, sorted, each once. python: which versions will do, "" for any.
    system: what is needed on the machine, as the author puts it. notes: his words about all that.
    """

    requirements: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    python: str = ""
    system: tuple[str, ...] = ()
    notes: str = ""


NOTHING = Dependencies()


@dataclass(frozen=True, slots=True)
class Owner:
    """Who requires something: the graph, or a node.

    is_moot: nothing will be installed for it, so what is wrong is never an error. given: names of packages that who
    runs the graph adds; so he has said where they come from.
    """

    node: Node | None = None
    is_moot: bool = False
    given: frozenset[str] = frozenset()

    @property
    def label(self) -> str:
        """As a sentence begins."""
        return "The graph" if self.node is None else f'"{self.node.label}"'


def united(first: Dependencies, second: Dependencies) -> Dependencies:
    """What both require; PythonVersionError when no version of Python suits both."""
    requirements = {*first.requirements, *second.requirements}
    return Dependencies(
        requirements=tuple(sorted(requirements)),
        optional=tuple(sorted({*first.optional, *second.optional} - requirements)),
        python=combined((first.python, second.python)),
        system=tuple(dict.fromkeys((*first.system, *second.system))),
        notes=" ".join(dict.fromkeys(filter(None, (first.notes, second.notes)))),
    )


class DependencyReader:
    """Reads the parts of one graph.

    diagnostics: all there is to say. refusals: why the graph cannot run. problems: nodes that cannot, and why.
    """

    def __init__(self) -> None:
        self.diagnostics = DiagnosticLog()
        self.refusals: list[Diagnostic] = []
        self.problems: dict[NodeId, Diagnostic] = {}
        self._found: dict[str, _Found] = {}
        self._blocks: dict[str, dict[str, Any]] = {}
        self._block_chars = 0

    def of_graph(self, graph: Graph, owner: Owner) -> Dependencies:
        """What the document says of the graph as a whole."""
        stated = graph.dependencies or {}
        if unknown := [key for key in stated if key not in PARTS]:
            self.warn(
                owner, f"has {shown(unknown[0])} in its dependencies: nobody reads it. There are: {', '.join(PARTS)}."
            )
        return self.of_object(stated, owner)

    def of_object(self, stated: Mapping[str, Any], owner: Owner) -> Dependencies:
        """What an object says that has the parts of `## Dependencies`."""
        required = self._requirements(stated.get("requirements"), "requirements", owner)
        optional = self._requirements(stated.get("optional"), "optional", owner)
        return Dependencies(
            requirements=tuple(sorted(required)),
            optional=tuple(sorted(optional - required)),
            python=self._python(stated.get("python"), "python", owner),
            system=self._system(stated.get("system"), owner),
            notes=self._notes(stated.get("notes"), owner),
        )

    def of_code(self, node: Node, owner: Owner) -> Dependencies:
        """What the block in a node's code says."""
        if not has_script_block(node.code):
            return NOTHING
        try:
            block = find_script_block(node.code)
            if block is None:
                return NOTHING
            stated = self._block(block)
        except ScriptBlockError as error:
            self.error(owner, f"has a broken `# /// script` block (line {error.line}): {error}")
            return NOTHING
        return Dependencies(
            requirements=tuple(sorted(self._requirements(stated.get("dependencies"), "dependencies", owner))),
            python=self._python(stated.get("requires-python"), "requires-python", owner),
        )

    def unite(self, first: Dependencies, second: Dependencies, owner: Owner) -> Dependencies:
        """`united`; `first` alone when `second`, the owner's, cannot go with it."""
        if second == NOTHING:
            return first
        try:
            both = united(first, second)
        except PythonVersionError as error:
            self.error(owner, f"asks for a Python that cannot be: {error}")
            return first
        if max(len(both.requirements), len(both.optional)) <= MOST_REQUIREMENTS:
            return both
        self.error(owner, f"makes it more than {MOST_REQUIREMENTS:,} requirements. Take some away.")
        return first

    def error(self, owner: Owner, what: str, code: DiagnosticCode = DiagnosticCode.BAD_DEPENDENCIES) -> None:
        """The owner cannot run for it, unless it is moot."""
        found = self._about(owner, Severity.WARNING if owner.is_moot else Severity.ERROR, what, code)
        if owner.is_moot:
            return
        if owner.node is None:
            self.refusals.append(found)
        else:
            self.problems.setdefault(owner.node.id, found)

    def warn(self, owner: Owner, what: str) -> None:
        """It runs all the same."""
        self._about(owner, Severity.WARNING, what, DiagnosticCode.BAD_DEPENDENCIES)

    def _about(self, owner: Owner, severity: Severity, what: str, code: DiagnosticCode) -> Diagnostic:
        node = owner.node
        node_id, title = (None, None) if node is None else (node.id, node.label)
        message = f"{owner.label} {what}"
        found = Diagnostic(severity=severity, code=code, message=message, node=node_id, title=title)
        self.diagnostics.append(found)
        return found

    def _block(self, block: ScriptBlock) -> dict[str, Any]:
        stated = self._blocks.get(block.text)
        if stated is None:
            self._block_chars += len(block.text)
            if self._block_chars > MOST_BLOCK_CHARS:
                raise ScriptBlockError("the document has too many. Use its dependencies.", block.line)
            stated = self._blocks[block.text] = parse_script_block(block)
        return stated

    def _requirements(self, value: Any, part: str, owner: Owner) -> set[str]:
        texts = {text for item in self._texts(value, part, owner) if (text := without_comment(item))}
        if len(texts) > MOST_REQUIREMENTS:
            self.error(owner, f'has more than {MOST_REQUIREMENTS:,} "{part}". Take some away.')
            return set()
        return {normal for text in sorted(texts) if (normal := self._requirement(text, owner))}

    def _requirement(self, text: str, owner: Owner) -> str:
        found = self._found.get(text)
        if found is None:
            found = _found(text) if len(self._found) < MOST_TEXTS else _TOO_MANY
            self._found[text] = found
        if found.normal and found.complaint:
            self.warn(owner, f"requires {shown(text)}: {found.complaint}")
        elif found.complaint and found.name not in owner.given:
            self.error(owner, f"requires {shown(text)}: {found.complaint}")
        return found.normal

    def _python(self, value: Any, part: str, owner: Owner) -> str:
        if value is None or value == "":
            return ""
        if not isinstance(value, str):
            self.error(owner, f'has a "{part}" that is not a text. Write it as ">=3.10".')
            return ""
        try:
            return read_python(value)
        except PythonVersionError as error:
            self.error(owner, f"asks for Python {shown(value)}: {error}")
            return ""

    def _system(self, value: Any, owner: Owner) -> tuple[str, ...]:
        texts = self._texts([value] if isinstance(value, str) else value, "system", owner)
        lines = dict.fromkeys(line for text in texts if (line := one_line(text)))
        return tuple(line[:LONGEST_LINE] for line in list(lines)[:MOST_LINES])

    def _notes(self, value: Any, owner: Owner) -> str:
        texts = self._texts([value] if isinstance(value, str) else value, "notes", owner)
        return one_line(" ".join(texts))[:LONGEST_NOTES]

    def _texts(self, value: Any, part: str, owner: Owner) -> list[str]:
        """A list of texts, or those of the groups in an object."""
        groups = list(value.values()) if isinstance(value, dict) else [[] if value is None else value]
        if all(isinstance(group, list) and all(isinstance(item, str) for item in group) for group in groups):
            return [item for group in groups for item in group]
        complain = self.warn if part in ("system", "notes") else self.error
        complain(owner, f'has a "{part}" that is not a list of texts. Write ["name", ...].')
        return []


class _Found(NamedTuple):
    """What a text requires, "" if nothing can be; what there is to say; and the package, if only its place is wrong."""

    normal: str
    complaint: str = ""
    name: str | None = None


_TOO_MANY = _Found("", f"the document has more than {MOST_TEXTS:,} requirements. Take some away.")


def _found(text: str) -> _Found:
    try:
        return _Found(read_requirement(text))
    except RequirementError as error:
        plain = without_label(text)
        if plain == text:
            return _Found("", str(error), error.name)
    found = _found(plain)
    return (
        found
        if found.complaint
        else found._replace(complaint=f"labels of builds have no order (PEP 440), it is read as {shown(plain)}.")
    )
