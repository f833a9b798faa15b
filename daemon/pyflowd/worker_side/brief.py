"""The answer of most calls, in brief: what the node returned is little, and there is nothing else to say.

    | u32 0 | u64 call | f64 CPU seconds | u64 peak memory | i64 bytes in the scratch folder, or -1 | u16 outputs |
    and for each output | u32 size of text | u16 size of name | name of its type | JSON text |       all little-endian

It begins as no other frame does, with a header of no bytes. Used on both sides; it refuses to interpret texts, and to
trust anything: every length is checked against what really came. Making and reading it takes half of what JSON does.
"""

from __future__ import annotations

from struct import Struct, error

from .frames import INLINE_BYTES, FrameError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Sequence, Tuple

    from .answers import Output, Usage

    Text = Tuple[str, bytes]  # name of the type, JSON text

MARK = bytes(4)
_head, _output = Struct("<IQdQqH"), Struct("<IH")
_pack_head, _pack_output = _head.pack, _output.pack
_unpack_head, _unpack_output = _head.unpack_from, _output.unpack_from
_HEAD_BYTES, _OUTPUT_BYTES = _head.size, _output.size


def pack(call: int, usage: Usage, outputs: Sequence[Output]) -> bytes | None:
    """The answer; None when it is too long for this."""
    pieces = [_pack_head(0, call, usage[0], usage[1], usage[2], len(outputs))]
    left = INLINE_BYTES
    for text, kind, _ in outputs:
        name = kind.encode("utf-8", "backslashreplace")
        left -= _OUTPUT_BYTES + len(name) + len(text)
        if left < 0:
            return None
        pieces += (_pack_output(len(text), len(name)), name, text)
    return b"".join(pieces)


def unpack(packet: bytes) -> tuple[int, Usage, List[Text]]:
    """(call, usage, outputs) of an answer; FrameError when it does not add up."""
    try:
        _, call, cpu_s, peak_bytes, scratch_bytes, count = _unpack_head(packet)
        texts = []
        offset = _HEAD_BYTES
        for _ in range(count):
            size, name_size = _unpack_output(packet, offset)
            start = offset + _OUTPUT_BYTES
            middle = start + name_size
            offset = middle + size
            texts.append((packet[start:middle].decode("utf-8", "replace"), packet[middle:offset]))
    except error:
        raise FrameError("shorter than an answer in brief") from None
    if offset != len(packet):
        raise FrameError("outputs do not add up to the packet")
    return call, (cpu_s, peak_bytes, scratch_bytes), texts
