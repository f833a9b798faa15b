"""The frame that daemon, zygote and workers exchange over SOCK_SEQPACKET pairs.

    | u32 length of header | header: JSON object | segment 0 | segment 1 | ...   + descriptors |

`header["segments"]` lists the segments: n >= 0 is a segment of n bytes in the frame, -n - 1 is a
segment of n bytes in the next passed descriptor, a sealed memfd. One frame is one packet, so a
reader never has to wait for the rest of one. A segment is opaque bytes: a value as JSON text,
a marshalled code object, a source text. The answer of most calls comes in a shorter form, see `brief`.

Used on both sides; it refuses to interpret segments, and to trust anything: every length is checked
against what really came, and a memfd is mapped only when its seals forbid any change.
"""

from __future__ import annotations

import _socket
import fcntl
import json
import os
import sys

from . import json_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from collections.abc import Sequence
    from typing import Any, Dict

    Header = Dict[str, Any]

MAX_PACKET_BYTES = 160000
INLINE_BYTES = 60000
MAX_DESCRIPTORS = 250

F_ADD_SEALS, F_GET_SEALS = 1033, 1034
SEAL_SEAL, SEAL_SHRINK, SEAL_GROW, SEAL_WRITE = 1, 2, 4, 8
SEALED = SEAL_SEAL | SEAL_SHRINK | SEAL_GROW | SEAL_WRITE

_LENGTH_BYTES = 4
_DESCRIPTOR_BYTES = 4
_ANCILLARY_BYTES = _socket.CMSG_SPACE(MAX_DESCRIPTORS * _DESCRIPTOR_BYTES)
_CUT = _socket.MSG_TRUNC | _socket.MSG_CTRUNC
_CLOEXEC = _socket.MSG_CMSG_CLOEXEC
_write_json = json_text.writer(None)
_scan_json = json.JSONDecoder().scan_once  # type: ignore[attr-defined]


class FrameError(Exception):
    """The peer sent a frame that is not one."""


class ClosedError(Exception):
    """The peer closed its end."""


class Segment:
    """Opaque bytes: `data` holds them, or `descriptor`, owned by the holder, is a sealed memfd of `size` bytes."""

    __slots__ = ("data", "descriptor", "size")

    def __init__(self, data: bytes | None = None, descriptor: int | None = None, size: int = 0) -> None:
        self.data = data
        self.descriptor = descriptor
        self.size = size if data is None else len(data)

    def read(self) -> bytes:
        """The bytes, wherever they are."""
        if self.data is not None:
            return self.data
        if self.descriptor is None or not self.size:
            return b""
        data = os.pread(self.descriptor, self.size, 0)
        while len(data) < self.size:  # the kernel hands over 2 GB at a time
            data += os.pread(self.descriptor, self.size - len(data), len(data))
        return data

    def close(self) -> None:
        """Give the descriptor back, if there is one."""
        if self.descriptor is not None:
            os.close(self.descriptor)
            self.descriptor = None


def spill(data: bytes) -> Segment:
    """A segment that holds `data` in a sealed memfd."""
    descriptor = os.memfd_create("pyflowd-value", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        fcntl.fcntl(descriptor, F_ADD_SEALS, SEALED)
    except BaseException:
        os.close(descriptor)
        raise
    return Segment(descriptor=descriptor, size=len(data))


def pack(header: Header, segments: Sequence[Segment] = ()) -> tuple[bytes, list[int], list[Segment]]:
    """The packet and the descriptors to send with it. Segments over the inline budget are spilled to memfds.

    Returns (bytes, [descriptor], [Segment made here, to close once sent]).
    """
    lengths: list[int] = []
    inline: list[bytes] = []
    descriptors: list[int] = []
    made: list[Segment] = []
    budget = INLINE_BYTES
    for segment in segments:
        if segment.data is not None and segment.size <= budget:
            budget -= segment.size
            lengths.append(segment.size)
            inline.append(segment.data)
            continue
        if segment.descriptor is None:
            segment = spill(segment.read())
            made.append(segment)
        assert segment.descriptor is not None
        lengths.append(-segment.size - 1)
        descriptors.append(segment.descriptor)
    text = "".join(_write_json(dict(header, segments=lengths), 0)).encode()
    return join(text, inline), descriptors, made


def join(header: bytes, segments: Sequence[bytes]) -> bytes:
    """The packet of a header that lists these segments."""
    return b"".join([len(header).to_bytes(_LENGTH_BYTES, "little"), header, *segments])


def send(link: socket, header: Header, segments: Sequence[Segment] = ()) -> None:
    """Send one frame over a SEQPACKET socket; OSError when the peer is gone."""
    packet, descriptors, made = pack(header, segments)
    try:
        send_packet(link, packet, descriptors)
    finally:
        for segment in made:
            segment.close()


def send_packet(link: socket, packet: bytes, descriptors: Sequence[int] = ()) -> None:
    """Send bytes that `pack` made."""
    if descriptors:
        rights = b"".join([descriptor.to_bytes(_DESCRIPTOR_BYTES, sys.byteorder) for descriptor in descriptors])
        link.sendmsg([packet], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights)])
    else:
        link.send(packet)


def receive(link: socket, room: memoryview | None = None) -> tuple[Header, list[Segment], list[int]]:
    """The next frame as (header, [Segment], [descriptor left over]); ClosedError, FrameError, or BlockingIOError.

    room: MAX_PACKET_BYTES for it to pass through, for who receives many: to have new ones each time takes ten times as
    long as to receive a usual frame.
    """
    packet, descriptors = receive_packet(link, MAX_PACKET_BYTES, room)
    if not packet:
        raise ClosedError()
    return take_apart(packet, descriptors)


def take_apart(packet: bytes, descriptors: list[int]) -> tuple[Header, list[Segment], list[int]]:
    """As `unpack`; the descriptors are given back when the packet does not add up."""
    try:
        return unpack(packet, descriptors)
    except BaseException:
        for descriptor in descriptors:
            os.close(descriptor)
        raise


def receive_packet(link: socket, size: int, room: memoryview | None = None) -> tuple[bytes, list[int]]:
    """(the next packet of at most `size` bytes, its descriptors), nothing once the peer is gone; FrameError.

    room: so many bytes for it to pass through.
    """
    if room is None:
        packet, ancillary, flags, _ = link.recvmsg(size, _ANCILLARY_BYTES, _CLOEXEC)
    else:
        length, ancillary, flags, _ = link.recvmsg_into([room], _ANCILLARY_BYTES, _CLOEXEC)
        packet = bytes(room[:length])
    descriptors = _descriptors(ancillary) if ancillary else []
    if flags & _CUT:
        for descriptor in descriptors:
            os.close(descriptor)
        raise FrameError("longer than a packet may be")
    return packet, descriptors


def unpack(packet: bytes, descriptors: Sequence[int] = ()) -> tuple[Header, list[Segment], list[int]]:
    """(header, [Segment], [descriptor left over]) of one packet; FrameError when it does not add up."""
    if len(packet) < _LENGTH_BYTES:
        raise FrameError("shorter than its length field")
    start = _LENGTH_BYTES + int.from_bytes(packet[:_LENGTH_BYTES], "little")
    if start > len(packet):
        raise FrameError("header longer than the packet")
    try:
        text = packet[_LENGTH_BYTES:start].decode()
        header, end = _scan_json(text, 0)
    except (ValueError, RecursionError, StopIteration):
        raise FrameError("header is not JSON") from None
    if type(header) is not dict or end != len(text):
        raise FrameError("header is not an object")
    segments, left = _segments(packet, start, header.get("segments", []), list(descriptors))
    return header, segments, left


def _segments(packet: bytes, offset: int, lengths: Any, descriptors: list[int]) -> tuple[list[Segment], list[int]]:
    segments: list[Segment] = []
    if type(lengths) is not list:
        raise FrameError("segments is not a list")
    for length in lengths:
        if type(length) is not int:
            raise FrameError("the length of a segment is not an integer")
        if length >= 0:
            segments.append(Segment(data=packet[offset : offset + length]))
            offset += length
        else:
            if not descriptors:
                raise FrameError("a segment's descriptor is missing")
            segments.append(_sealed_segment(descriptors.pop(0), -length - 1))
    if offset != len(packet):
        raise FrameError("segments do not add up to the packet")
    return segments, descriptors


def _sealed_segment(descriptor: int, size: int) -> Segment:
    try:
        sealed = fcntl.fcntl(descriptor, F_GET_SEALS) & SEALED == SEALED
    except OSError:
        sealed = False
    if not sealed or os.fstat(descriptor).st_size != size:
        raise FrameError("a segment's descriptor is not a sealed memfd of the stated size")
    return Segment(descriptor=descriptor, size=size)


def _descriptors(ancillary: list[tuple[int, int, bytes]]) -> list[int]:
    return [
        int.from_bytes(data[start : start + _DESCRIPTOR_BYTES], sys.byteorder)
        for level, kind, data in ancillary
        if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS
        for start in range(0, len(data) - _DESCRIPTOR_BYTES + 1, _DESCRIPTOR_BYTES)
    ]
