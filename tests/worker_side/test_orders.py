"""The order: what is sent arrives, however large it is and wherever its values are."""

import os
import socket
from collections.abc import Iterator

import pytest

from pyflowd.worker_side import frames, orders


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with left, right:
        yield left, right


def test_a_small_order_arrives_as_it_was_sent(pair: tuple[socket.socket, socket.socket]) -> None:
    order = (orders.INSPECT, 7, orders.WAIT, [("title \ud800", "x = 'é'"), ("", "")])
    orders.send(pair[0], order)
    assert orders.receive(pair[1].fileno()) == order


def test_one_order_after_the_other_is_read_each_as_long_as_it_is(pair: tuple[socket.socket, socket.socket]) -> None:
    for size in (50_000, 3, 20_000):
        orders.send(pair[0], (orders.INSPECT, 1, orders.WAIT, [("t", "s" * size)]))
    sizes = []
    for _ in range(3):
        order = orders.receive(pair[1].fileno())
        assert order is not None
        sizes.append(len(order[-1][0][1]))
    assert sizes == [50_000, 3, 20_000]


def test_an_order_too_large_for_a_packet_arrives_whole_and_leaves_no_descriptor(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    before = set(os.listdir("/proc/self/fd"))
    order = (orders.INSPECT, 1, orders.WAIT, [("t", "s" * 3_000_000)])
    orders.send(pair[0], order)
    assert orders.receive(pair[1].fileno()) == order
    assert set(os.listdir("/proc/self/fd")) == before


def test_values_in_memfds_come_as_descriptors_that_are_closed_once_read(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    before = set(os.listdir("/proc/self/fd"))
    large = [frames.spill(b"a" * 100_000), frames.spill(b"b" * 70_000)]
    order = (orders.CALL, 1, orders.WAIT, [("first", 1), ("small", b"1"), ("second", 2)])
    orders.send(pair[0], order, [one.descriptor for one in large if one.descriptor is not None])
    for one in large:
        one.close()
    received = orders.receive(pair[1].fileno())
    assert received is not None
    values = [orders.read_value(value) if isinstance(value, int) else value for _, value in received[-1]]
    assert values == [b"a" * 100_000, b"1", b"b" * 70_000]
    assert set(os.listdir("/proc/self/fd")) == before


def test_an_order_whose_values_cannot_be_sent_does_not_spoil_the_next(
    pair: tuple[socket.socket, socket.socket],
) -> None:
    with pytest.raises(OSError, match="Bad file descriptor"):
        orders.send(pair[0], (orders.CALL, 1, orders.MORE, [("first", 1)]), [1_000_000])
    order = (orders.CALL, 2, orders.MORE, [("first", b"1")])
    orders.send(pair[0], order)
    assert orders.receive(pair[1].fileno()) == order


def test_a_daemon_that_has_hung_up_is_no_error(pair: tuple[socket.socket, socket.socket]) -> None:
    pair[1].send(b"something that nobody read")
    pair[0].close()
    assert orders.receive(pair[1].fileno()) is None
