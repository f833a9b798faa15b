"""LastValues: what each node of a graph gave when it was last done, as long as there is room for it.

It is what a part of a graph gets from the nodes that are left out. A graph is known by its origin, over its changes; a
node by its id, with the name of the code that gave the values. What is to be kept is put away when the daemon has
decided everything that others wait for, or when somebody asks. When there is no room the graph that was not used for
longest is forgotten; of a graph that is too large by itself, what its nodes gave first. A node whose values are larger
than all the room has none: an older value in their place would be false.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import NamedTuple

from pyflowd.core.holdings import Holdings
from pyflowd.core.values import Payload, Value
from pyflowd.graph.interface import CodeHash
from pyflowd_client.protocol.ids import NodeId

ROOM_BYTES = 256_000_000
ENTRY_BYTES = 600  # about what it costs to keep a node, and each of its values, however small
LARGE_BYTES = 60_000  # larger values have a descriptor of their own, of which there are few:
LARGE_ROOM_BYTES = 256_000  # they count as this much at least, so that a thousand of them fill the usual room

Outputs = tuple[tuple[str, Value], ...]


class LastOutputs(NamedTuple):
    """What a node gave, in the order of its pins, and the code that did. size_bytes: the room it takes."""

    code: CodeHash
    outputs: Outputs
    payloads: list[Payload]
    size_bytes: int

    def of(self, pin: str | None) -> Payload | None:
        """What it gave at an output; without a name, at the only one it had."""
        if pin is None:
            return self.outputs[0][1].payload if len(self.outputs) == 1 else None
        return next((value.payload for name, value in self.outputs if name == pin), None)


class LastValues:
    """The graphs by origin, least recently used first. room_bytes: for all of them together; 0 remembers nothing.

    `holdings`: where it holds the values, as do all others who need them. `news`: what is not put away yet.
    """

    def __init__(self, holdings: Holdings, room_bytes: int = ROOM_BYTES) -> None:
        self.holdings = holdings
        self._room_bytes = room_bytes
        self._used_bytes = 0
        self.news: list[tuple[str, NodeId, CodeHash, Outputs]] = []
        self._graphs: OrderedDict[str, dict[NodeId, LastOutputs]] = OrderedDict()

    @property
    def origins(self) -> tuple[str, ...]:
        """The graphs of which something is remembered."""
        self.put_away()
        return tuple(self._graphs)

    def keep(self, origin: str, node: NodeId, code: CodeHash, outputs: Outputs) -> None:
        """A node is done: what it gave before is forgotten. To be put away before anything is collected."""
        if self._room_bytes:
            self.news.append((origin, node, code, outputs))

    def put_away(self) -> None:
        """Keep what is to be kept."""
        news, self.news = self.news, []
        for one in news:
            self._put(*one)

    def _put(self, origin: str, node: NodeId, code: CodeHash, outputs: Outputs) -> None:
        payloads = [value.payload for _, value in outputs]
        size_bytes = _size_bytes(payloads)
        self.holdings.hold(payloads)
        self._used_bytes += size_bytes
        nodes = self._graphs.setdefault(origin, {})
        self._graphs.move_to_end(origin)
        if node in nodes:
            self._drop(nodes.pop(node))
        nodes[node] = LastOutputs(code, outputs, payloads, size_bytes)
        if self._used_bytes > self._room_bytes:
            self._make_room(origin)

    def of(self, origin: str, node: NodeId) -> LastOutputs | None:
        """What a node gave when it was last done, if that is remembered."""
        self.put_away()
        nodes = self._graphs.get(origin)
        if nodes is None:
            return None
        self._graphs.move_to_end(origin)
        return nodes.get(node)

    def forget(self, origin: str) -> None:
        """Nothing is remembered of a graph any more."""
        self.put_away()
        for entry in self._graphs.pop(origin, {}).values():
            self._drop(entry)

    def _make_room(self, newest: str) -> None:
        while self._used_bytes > self._room_bytes and len(self._graphs) > 1:
            self.forget(next(iter(self._graphs)))
        nodes = self._graphs[newest]
        while self._used_bytes > self._room_bytes:
            self._drop(nodes.pop(next(iter(nodes))))
        if not nodes:
            del self._graphs[newest]

    def _drop(self, entry: LastOutputs) -> None:
        self._used_bytes -= entry.size_bytes
        self.holdings.let_go(entry.payloads)


def _size_bytes(payloads: Sequence[Payload]) -> int:
    size_bytes = ENTRY_BYTES
    for payload in payloads:
        size = payload.size
        if LARGE_BYTES < size < LARGE_ROOM_BYTES:
            size = LARGE_ROOM_BYTES
        size_bytes += ENTRY_BYTES + size
    return size_bytes
