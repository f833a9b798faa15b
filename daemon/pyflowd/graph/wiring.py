"""Which output feeds which input: edges checked against the pins, reroutes resolved away.

Nodes are numbered in document order here, reroutes included. An edge that does not fit is dropped with a
diagnostic; where it would have fed an existing input, that input is lost, so that the node does not run on a
default that its author had replaced.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from pyflowd.graph.diagnostics import Diagnostic, DiagnosticCode, Severity
from pyflowd.graph.interface import CodeInterface
from pyflowd.graph.model import EXEC_IN, EXEC_OUT, REROUTE_INPUT, REROUTE_OUTPUT, Edge, Node
from pyflowd_client.protocol.ids import NodeId


@dataclass(frozen=True, slots=True, kw_only=True)
class Pins:
    """The pins of a node by name. Where its code cannot be read they are not known, and any name may exist.

    inputs: name -> whether it takes a value. outputs: name -> index of the value, None for execution.
    """

    inputs: Mapping[str, bool] = field(default_factory=dict)
    outputs: Mapping[str, int | None] = field(default_factory=dict)
    are_known: bool = True


REROUTE_PINS = Pins(inputs={REROUTE_INPUT: True}, outputs={REROUTE_OUTPUT: 0})
UNKNOWN_PINS = Pins(are_known=False)


class Wire(NamedTuple):
    """An edge between two pins that exist."""

    source: int
    source_pin: str
    target: int
    target_pin: str


class Origin(NamedTuple):
    """Where a wire really begins, behind all reroutes; `output` is None for an execution wire."""

    node: int
    output: int | None


@dataclass(slots=True)
class Incoming:
    """What arrives at one node: `sources` has an origin by parameter, `lost` the parameters whose edge is wrong."""

    sources: dict[str, tuple[int, int]] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)
    predecessors: set[int] = field(default_factory=set)


def pins_of(interface: CodeInterface) -> Pins:
    """The pins that code gives a node; `output_N` is always another name of the N-th output."""
    if interface.problem is not None:
        return UNKNOWN_PINS
    outputs: dict[str, int | None] = {EXEC_OUT: None}
    outputs.update((f"output_{position}", position - 1) for position in range(1, len(interface.outputs) + 1))
    outputs.update((pin.name, index) for index, pin in reversed(list(enumerate(interface.outputs))))
    return Pins(inputs={EXEC_IN: False, **{pin.name: True for pin in interface.inputs}}, outputs=outputs)


class Wiring:
    """The wires of a graph. `wires` is complete at once; `resolve` needs an order in which sources come first."""

    def __init__(self, nodes: Sequence[Node], edges: Sequence[Edge], pins: Sequence[Pins]) -> None:
        self.wires: list[Wire] = []
        self.diagnostics: list[Diagnostic] = []
        self._nodes = nodes
        self._pins = pins
        self._incoming = [Incoming() for _ in nodes]
        self._taken: set[tuple[int, str]] = set()
        self._numbers = {node.id: number for number, node in enumerate(nodes)}
        for edge in edges:
            self._connect(edge)
        self._report_dangling()

    def resolve(self, order: Sequence[int]) -> list[Incoming]:
        """What arrives at each node, reroutes seen through."""
        arriving: list[list[Wire]] = [[] for _ in self._nodes]
        for wire in self.wires:
            arriving[wire.target].append(wire)
        behind: dict[int, Origin] = {}
        for number in order:
            for wire in arriving[number]:
                origin = self._origin(wire, behind)
                if origin is None:
                    continue
                if self._nodes[number].is_reroute:
                    behind[number] = origin
                else:
                    self._arrive(wire, origin)
        return self._incoming

    def _connect(self, edge: Edge) -> None:
        source, target = self._numbers.get(edge.source), self._numbers.get(edge.target)
        has_input = target is not None and self._has_input(target, edge.target_pin)
        if source is None or target is None:
            unknown = edge.source if source is None else edge.target
            self._refuse(edge, DiagnosticCode.UNKNOWN_NODE, f'there is no node with the id "{unknown}"')
        elif not self._has_output(source, edge.source_pin):
            self._refuse(edge, DiagnosticCode.UNKNOWN_PIN, self._no_pin(source, "output", edge.source_pin))
        elif not has_input:
            self._refuse(edge, DiagnosticCode.UNKNOWN_PIN, self._no_pin(target, "input", edge.target_pin))
        elif (target, edge.target_pin) in self._taken:
            self._warn_double(edge, self._nodes[target])
        else:
            if self._takes_value(target, edge.target_pin):
                self._taken.add((target, edge.target_pin))
            self.wires.append(Wire(source, edge.source_pin, target, edge.target_pin))
            return
        if target is not None and has_input and (target, edge.target_pin) not in self._taken:
            self._incoming[target].lost.add(edge.target_pin)

    def _has_output(self, number: int, pin: str) -> bool:
        return not self._pins[number].are_known or pin in self._pins[number].outputs

    def _has_input(self, number: int, pin: str) -> bool:
        return not self._pins[number].are_known or pin in self._pins[number].inputs

    def _takes_value(self, number: int, pin: str) -> bool:
        return self._pins[number].inputs.get(pin, False)

    def _origin(self, wire: Wire, behind: Mapping[int, Origin]) -> Origin | None:
        if self._nodes[wire.source].is_reroute:
            return behind.get(wire.source)
        pins = self._pins[wire.source]
        if not pins.are_known:  # it never runs: any index keeps its dependants waiting for it
            return Origin(wire.source, None if wire.source_pin == EXEC_OUT else 0)
        return Origin(wire.source, pins.outputs[wire.source_pin])

    def _arrive(self, wire: Wire, origin: Origin) -> None:
        incoming = self._incoming[wire.target]
        if not self._pins[wire.target].are_known:
            incoming.predecessors.add(origin.node)
            return
        takes_value = self._takes_value(wire.target, wire.target_pin)
        if takes_value != (origin.output is not None):
            self._refuse_mixture(wire, origin)
            incoming.lost.update({wire.target_pin} if takes_value else ())
            return
        incoming.predecessors.add(origin.node)
        if origin.output is not None:
            incoming.sources[wire.target_pin] = (origin.node, origin.output)

    def _refuse_mixture(self, wire: Wire, origin: Origin) -> None:
        edge = Edge(
            source=self._nodes[origin.node].id,
            source_pin=wire.source_pin,
            target=self._nodes[wire.target].id,
            target_pin=wire.target_pin,
        )
        self._refuse(edge, DiagnosticCode.UNKNOWN_PIN, "it joins an execution pin to a value")

    def _refuse(self, edge: Edge, code: DiagnosticCode, reason: str) -> None:
        name = f'"{self._label(edge.source)}".{edge.source_pin} -> "{self._label(edge.target)}".{edge.target_pin}'
        about = self._numbers.get(edge.target, self._numbers.get(edge.source))
        self.diagnostics.append(
            Diagnostic(
                severity=Severity.ERROR,
                code=code,
                message=f"The connection {name} is wrong: {reason}. Connect it anew, or delete it.",
                node=None if about is None else self._nodes[about].id,
                title=None if about is None else self._nodes[about].label,
            )
        )

    def _label(self, node_id: NodeId) -> str:
        number = self._numbers.get(node_id)
        return node_id if number is None else self._nodes[number].label

    def _no_pin(self, number: int, kind: str, pin: str) -> str:
        pins = self._pins[number]
        names = [
            name for name in (pins.outputs if kind == "output" else pins.inputs) if name not in (EXEC_IN, EXEC_OUT)
        ]
        return f'"{self._nodes[number].label}" has no {kind} "{pin}" (it has: {", ".join(names) or "none"})'

    def _warn_double(self, edge: Edge, target: Node) -> None:
        message = (
            f'The input "{edge.target_pin}" of "{target.label}" has more than one connection; '
            f"the first one counts. Delete the others."
        )
        self._warn(DiagnosticCode.DOUBLE_EDGE, message, target)

    def _report_dangling(self) -> None:
        fed = {wire.target for wire in self.wires}
        feeding = {wire.source for wire in self.wires}
        for number, node in enumerate(self._nodes):
            if not node.is_reroute or (number in fed and number in feeding):
                continue
            side = "output" if number in fed else "input"
            message = f'The reroute "{node.label}" has no {side} connection. Connect it, or delete it.'
            self._warn(DiagnosticCode.DANGLING_REROUTE, message, node)

    def _warn(self, code: DiagnosticCode, message: str, node: Node) -> None:
        self.diagnostics.append(
            Diagnostic(severity=Severity.WARNING, code=code, message=message, node=node.id, title=node.label)
        )
