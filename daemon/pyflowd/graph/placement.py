"""Which environment each node of a graph runs in: what the graph declares, and what who runs it has chosen.

Nothing is looked up here: an environment is a spec, and whether there is such a one, or can be, is for others to find.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from pyflowd.graph.declared_environment import environment_of_graph, environment_of_node
from pyflowd.graph.dependencies import ENVIRONMENT, NOTHING, Dependencies, DependencyReader, Owner
from pyflowd.graph.diagnostics import Diagnostic, DiagnosticCode, DiagnosticLog, Severity
from pyflowd.graph.environment_specs import DEFAULT, EnvironmentSpec
from pyflowd.graph.interface import CodeHash, code_hash
from pyflowd.graph.model import Graph, Node
from pyflowd.graph.python_versions import PythonVersionError, combined
from pyflowd.graph.requested_environment import RequestedEnvironment, read_request
from pyflowd.graph.script_blocks import has_script_block
from pyflowd_client.protocol.ids import NodeId
from pyflowd_client.protocol.options import EnvironmentChoice

MOST_ENVIRONMENTS = 32  # of one graph
MOST_LISTED = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """The environments of a graph. The first is the graph's own; it has no other twice.

    of_node: an index into `specs`, for nodes that run in another than the graph's own.
    required: what the graph requires of its own, blocks in its nodes included, whatever was chosen for it.
    is_provisional: some stand for others that are not there, so that nothing is known of the packages in them.
    refusals: why no node at all can run, if so. problems: nodes that cannot, for what they declare, and why.
    diagnostics: all there is to say, refusals and problems included (up to a number of each kind).
    """

    specs: tuple[EnvironmentSpec, ...] = (DEFAULT,)
    of_node: Mapping[NodeId, int] = field(default_factory=dict)
    required: Dependencies = NOTHING
    refusals: tuple[Diagnostic, ...] = ()
    problems: Mapping[NodeId, Diagnostic] = field(default_factory=dict)
    diagnostics: tuple[Diagnostic, ...] = ()
    is_provisional: bool = False

    def with_what_is_there(self, is_there: Callable[[EnvironmentSpec], bool]) -> "Placement":
        """The same, where nothing is made: in place of an environment that is not there, its interpreter."""
        absent = [spec for spec in self.specs if spec.is_built and not is_there(spec)]
        if not absent:
            return self
        specs = tuple(EnvironmentSpec(python=spec.python) if spec in absent else spec for spec in self.specs)
        remark = "was not made yet: `run` makes it. What is imported was not looked at."
        told = [_info(DiagnosticCode.ENVIRONMENT_NEEDED, f"needs an environment that {remark}")]
        return replace(self, specs=specs, diagnostics=(*self.diagnostics, *told), is_provisional=True)

    def code_hashes(self, graph: Graph) -> list[CodeHash]:
        """The name of each node's code in its environment, in the order of the nodes; "" for reroutes."""
        marks = ["", *(spec.digest for spec in self.specs[1:])]
        return [
            CodeHash("") if node.is_reroute else code_hash(node.code, marks[self.of_node.get(node.id, 0)])
            for node in graph.nodes
        ]


NOWHERE_ELSE = Placement()


def place(graph: Graph, choice: EnvironmentChoice, python: str | None) -> Placement:
    """Where the nodes of a graph run. `python` is the request's: an absolute path, which versions will do, or None."""
    placer = _Placer(graph, read_request(choice, python))
    for node in graph.nodes:
        if not node.is_reroute:
            placer.enter(node)
    return placer.placement()


class _Placer:
    """Takes one node after the other, since the graph's own environment is known when all have said what they need."""

    def __init__(self, graph: Graph, request: RequestedEnvironment) -> None:
        self._request = request
        self._reader = DependencyReader()
        self._chosen: list[tuple[Node, EnvironmentSpec]] = []
        self._is_moot, self._given = request.is_ready_made, request.packages
        declared = environment_of_graph(graph, self._reader, self._owner(None))
        self._named = declared.name if declared is not None else ""
        self._is_moot = self._is_moot or bool(self._named and request.is_silent)
        owner = self._owner(None)
        self._own = self._reader.of_graph(graph, owner)
        if declared is not None:
            self._own = self._reader.unite(self._own, declared.dependencies, owner)

    def enter(self, node: Node) -> None:
        """One more, with code."""
        if node.extra.get(ENVIRONMENT) is not None:
            spec = self._spec_of_node(node)
            if spec is not None:
                self._chosen.append((node, spec))
        elif has_script_block(node.code):
            owner = self._owner(node)
            required = self._reader.of_code(node, owner)
            if node.id not in self._reader.problems:
                self._own = self._reader.unite(self._own, required, owner)

    def placement(self) -> Placement:
        """Where all of them run."""
        index_of = {self._spec_of_graph(): 0}
        of_node = {}
        log = DiagnosticLog()
        for node, spec in self._chosen:
            if spec not in index_of and len(index_of) == MOST_ENVIRONMENTS:
                what = f"needs one environment too many: a graph has {MOST_ENVIRONMENTS} at most."
                self._reader.error(Owner(node), what, DiagnosticCode.BAD_ENVIRONMENT)
            elif index := index_of.setdefault(spec, len(index_of)):
                of_node[node.id] = index
                log.append(_info(DiagnosticCode.ENVIRONMENT_NEEDED, f"runs in: {in_words(spec)}", node))
        return Placement(
            specs=tuple(index_of),
            of_node=of_node,
            required=self._own,
            refusals=(*self._request.problems, *self._reader.refusals),
            problems=self._reader.problems,
            diagnostics=(
                *self._request.problems,
                *self._reader.diagnostics,
                *self._remarks(next(iter(index_of))),
                *log,
            ),
        )

    def _owner(self, node: Node | None) -> Owner:
        return Owner(node, self._is_moot, self._given)

    def _spec_of_graph(self) -> EnvironmentSpec:
        request, own = self._request, self._own
        if request.name:
            return EnvironmentSpec(name=request.name)
        if self._named and request.is_silent:
            return EnvironmentSpec(name=self._named)
        if request.is_ready_made:
            return EnvironmentSpec(python=request.python)
        requirements = {*own.requirements, *request.requirements}
        required = Dependencies(
            requirements=tuple(sorted(requirements)),
            optional=tuple(item for item in own.optional if item not in requirements),
            python=request.python or own.python,
        )
        return self._spec(required)

    def _spec_of_node(self, node: Node) -> EnvironmentSpec | None:
        owner = Owner(node)
        declared = environment_of_node(node, self._reader, owner)
        required = self._reader.of_code(node, owner)
        if declared is None:
            return None
        if declared.name:
            if required != NOTHING:
                what = (
                    f'runs in the environment "{declared.name}": what its `# /// script` block requires must be there.'
                )
                self._reader.warn(owner, what)
            return EnvironmentSpec(name=declared.name)
        spec = self._spec(self._reader.unite(declared.dependencies, required, owner))
        return None if node.id in self._reader.problems else spec

    def _spec(self, required: Dependencies) -> EnvironmentSpec:
        """Whether packages may be built is nothing that distinguishes environments without any."""
        return EnvironmentSpec(
            python=required.python,
            requirements=required.requirements,
            optional=required.optional,
            allow_builds=self._request.allow_builds and bool(required.requirements or required.optional),
        )

    def _remarks(self, spec: EnvironmentSpec) -> Iterator[Diagnostic]:
        """What to say of the graph as a whole."""
        own = self._own
        if spec != DEFAULT and not (spec.python and self._request.is_ready_made):
            other = f'; for itself it asks for "{self._named}"' if self._named not in ("", spec.name) else ""
            yield _info(DiagnosticCode.ENVIRONMENT_NEEDED, f"runs in: {in_words(spec)}{other}")
        if own.python and self._request.python and not self._request.is_path:
            try:
                combined((own.python, self._request.python))
            except PythonVersionError:
                message = f"The graph asks for Python {own.python}, and was given {self._request.python}."
                yield Diagnostic(severity=Severity.WARNING, code=DiagnosticCode.BAD_ENVIRONMENT, message=message)
        if own.system:
            yield _info(DiagnosticCode.SYSTEM_NEEDED, f"needs on the system: {_listed(own.system)}")
        if own.notes:
            yield _info(DiagnosticCode.DEPENDENCY_NOTES, f"has notes on what it needs: {own.notes}")


def in_words(spec: EnvironmentSpec) -> str:
    """The environment, for people, and not too long."""
    if spec.name:
        return f'the environment "{spec.name}"'
    if spec == DEFAULT:
        return "the Python of the daemon"
    packages = _listed((*spec.requirements, *(f"{item} (optional)" for item in spec.optional)))
    return " with ".join(part for part in (f"Python {spec.python}".rstrip(), packages) if part)


def _listed(items: tuple[str, ...]) -> str:
    left_out = len(items) - MOST_LISTED
    return ", ".join(items[:MOST_LISTED]) + (f" and {left_out} more" if left_out > 0 else "")


def _info(code: DiagnosticCode, what: str, node: Node | None = None) -> Diagnostic:
    node_id, title = (None, None) if node is None else (node.id, node.label)
    return Diagnostic(
        severity=Severity.INFO, code=code, message=f"{Owner(node).label} {what}", node=node_id, title=title
    )
