"""What is remembered of graphs: the newest values of their nodes, within bounds."""

from pyflowd.core.holdings import Holdings
from pyflowd.core.last_values import ENTRY_BYTES, LARGE_BYTES, LARGE_ROOM_BYTES, LastValues
from pyflowd.core.values import Value
from pyflowd.graph.interface import CodeHash
from pyflowd_client.protocol.ids import NodeId
from support.world import Payload

SMALL = 2 * ENTRY_BYTES + 1  # the room of a node with one value of a byte


class Memory(LastValues):
    """Short ways to keep and look up."""

    def __init__(self, room_bytes: int) -> None:
        super().__init__(Holdings(), room_bytes)

    def give(self, origin: str, node: str, *values: bytes, code: str = "c") -> list[Payload]:
        """A node is done, with these values at its pins p0, p1, ..."""
        payloads = [Payload(value) for value in values]
        outputs = tuple((f"p{index}", Value(payload=item, type="int")) for index, item in enumerate(payloads))
        self.keep(origin, NodeId(node), CodeHash(code), outputs)
        self.put_away()
        return payloads

    def value(self, origin: str, node: str, pin: str | None = "p0") -> object:
        """The payload that is remembered."""
        last = self.of(origin, NodeId(node))
        return last and last.of(pin)


def test_the_newest_values_of_a_node_are_remembered_with_their_code_and_the_old_ones_given_back() -> None:
    memory = Memory(10 * SMALL)
    [old] = memory.give("g", "a", b"1")
    new = memory.give("g", "a", b"2", b"3", code="other")
    assert [memory.value("g", "a", pin) for pin in ("p0", "p1", "p2")] == [*new, None]
    assert memory.holdings.collect() == (old,)
    last = memory.of("g", NodeId("a"))
    assert last is not None
    assert last.code == "other"


def test_without_the_name_of_a_pin_only_a_single_value_is_meant() -> None:
    memory = Memory(10 * SMALL)
    [single] = memory.give("g", "a", b"1")
    memory.give("g", "b", b"1", b"2")
    memory.give("g", "c")
    assert [memory.value("g", node, None) for node in ("a", "b", "c")] == [single, None, None]


def test_graphs_and_nodes_are_told_apart() -> None:
    memory = Memory(10 * SMALL)
    [here], [there] = memory.give("g", "a", b"1"), memory.give("h", "a", b"1")
    assert (memory.value("g", "a"), memory.value("h", "a")) == (here, there)
    assert (memory.value("g", "b"), memory.value("i", "a")) == (None, None)


def test_without_room_the_graph_that_was_not_used_for_longest_is_forgotten() -> None:
    memory = Memory(3 * SMALL)
    for origin in ("g", "h", "i"):
        memory.give(origin, "a", b"1")
    memory.value("g", "a")
    memory.give("j", "a", b"1")
    assert memory.origins == ("i", "g", "j")
    assert len(memory.holdings) == 3


def test_of_a_graph_that_is_too_large_what_its_nodes_gave_first_is_forgotten() -> None:
    memory = Memory(2 * SMALL)
    for node in ("a", "b", "a", "c"):
        memory.give("g", node, b"1")
    assert [memory.value("g", node) is not None for node in ("a", "b", "c")] == [True, False, True]


def test_in_place_of_what_is_too_large_no_older_value_is_remembered() -> None:
    memory = Memory(2 * SMALL)
    memory.give("g", "a", b"1")
    memory.give("g", "a", b"1" * 3 * SMALL)
    assert (memory.value("g", "a"), memory.origins, len(memory.holdings)) == (None, (), 0)
    [again] = memory.give("g", "a", b"1")
    assert memory.value("g", "a") is again


def test_large_values_count_for_the_descriptors_they_take() -> None:
    memory = Memory(3 * (LARGE_ROOM_BYTES + 2 * ENTRY_BYTES))
    for node in "abcd":
        memory.give("g", node, b"1" * (LARGE_BYTES + 1))
    assert [memory.value("g", node) is not None for node in "abcd"] == [False, True, True, True]


def test_with_no_room_at_all_nothing_is_remembered() -> None:
    memory = Memory(0)
    memory.give("g", "a")
    assert (memory.of("g", NodeId("a")), memory.origins, len(memory.holdings)) == (None, (), 0)


def test_a_graph_can_be_forgotten() -> None:
    memory = Memory(10 * SMALL)
    given = [*memory.give("g", "a", b"1"), *memory.give("g", "b", b"1")]
    memory.forget("g")
    memory.forget("g")
    assert list(memory.holdings.collect()) == given
    assert memory.origins == ()
