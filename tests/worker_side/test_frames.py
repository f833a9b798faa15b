"""The frame: what is packed comes out, what is not a frame is refused, descriptors are never lost."""

import os
import socket
import struct
from collections.abc import Iterator

import pytest

from pyflowd.worker_side import frames
from pyflowd.worker_side.frames import Segment


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    right.setblocking(False)
    with left, right:
        yield left, right


@pytest.fixture(params=["anew", "shared"])
def room(request: pytest.FixtureRequest) -> memoryview | None:
    return memoryview(bytearray(frames.MAX_PACKET_BYTES)) if request.param == "shared" else None


def test_small_and_large_segments_arrive_in_order(
    pair: tuple[socket.socket, socket.socket], room: memoryview | None
) -> None:
    data = [b"", b"a" * 10, b"b" * 200_000, b"c" * 40_000, b"d" * 30_000]
    frames.send(pair[0], {"kind": "x", "text": "\ud800é"}, [Segment(one) for one in data])
    header, segments, left = frames.receive(pair[1], room)
    assert (header["kind"], header["text"], left) == ("x", "\ud800é", [])
    assert [segment.read() for segment in segments] == data
    assert [segment.descriptor is not None for segment in segments] == [False, False, True, False, True]
    for segment in segments:
        segment.close()


def test_received_descriptors_are_not_inherited(pair: tuple[socket.socket, socket.socket]) -> None:
    frames.send(pair[0], {}, [Segment(b"x" * 100_000)])
    _, (segment,), _ = frames.receive(pair[1])
    assert segment.descriptor is not None
    assert not os.get_inheritable(segment.descriptor)
    segment.close()


@pytest.mark.parametrize(
    "packet",
    [
        b"\x00",
        struct.pack("<I", 100) + b"{}",
        struct.pack("<I", 2) + b"[]",
        struct.pack("<I", 2) + b"{}trailing",
        struct.pack("<I", 4) + b"{} x",
        struct.pack("<I", 100_000) + b"[" * 100_000,
        struct.pack("<I", 4) + b"\xff\xff\xff\xff",
        struct.pack("<I", 15) + b'{"segments":[5]}'[:15],
        struct.pack("<I", 16) + b'{"segments":[5]}',
        struct.pack("<I", 17) + b'{"segments":[-9]}',
        struct.pack("<I", 19) + b'{"segments":[true]}',
        struct.pack("<I", 16) + b'{"segments":"5"}',
        b"x" * (frames.MAX_PACKET_BYTES + 1),
    ],
)
def test_what_does_not_add_up_is_refused(
    pair: tuple[socket.socket, socket.socket], packet: bytes, room: memoryview | None
) -> None:
    pair[0].send(packet)
    with pytest.raises(frames.FrameError):
        frames.receive(pair[1], room)


def test_frames_that_pass_through_the_same_room_do_not_mix(
    pair: tuple[socket.socket, socket.socket], room: memoryview | None
) -> None:
    frames.send(pair[0], {"text": "long"}, [Segment(b"a" * 50_000)])
    frames.send(pair[0], {"text": "b"}, [Segment(b"b")])
    received = [frames.receive(pair[1], room) for _ in range(2)]
    assert [(header["text"], segments[0].read()) for header, segments, _ in received] == [
        ("long", b"a" * 50_000),
        ("b", b"b"),
    ]


def test_an_unsealed_memfd_is_refused_and_closed(pair: tuple[socket.socket, socket.socket]) -> None:
    memfd = os.memfd_create("test", os.MFD_ALLOW_SEALING)
    os.write(memfd, b"12345")
    header = b'{"segments":[-6]}'
    before = set(os.listdir("/proc/self/fd"))
    frames.send_packet(pair[0], struct.pack("<I", len(header)) + header, [memfd])
    with pytest.raises(frames.FrameError, match="sealed"):
        frames.receive(pair[1])
    assert set(os.listdir("/proc/self/fd")) == before
    os.close(memfd)


def test_a_closed_peer_and_an_empty_queue_are_told_apart(
    pair: tuple[socket.socket, socket.socket], room: memoryview | None
) -> None:
    with pytest.raises(BlockingIOError):
        frames.receive(pair[1], room)
    pair[0].close()
    with pytest.raises(frames.ClosedError):
        frames.receive(pair[1], room)
