"""A call that no one asked for, through the very code of a real one.

A spare worker pays so, before its job comes, for the memory pages it must copy and for everything initialised at first
use. Refuses to touch the worker's link and pipes.
"""

from __future__ import annotations

import socket

from . import frames, inspection, node_module

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, Sequence

    from .frames import Header, Segment

    Answer = Callable[[socket.socket, Header, Sequence[Segment]], None]

_TITLE = "rehearsal"
_SOURCE = b"@node_entry\ndef rehearse(x: int) -> int:\n    return x + 1\n"
_COMPILED = inspection.inspect_source(_SOURCE, node_module.filename(_TITLE))[1] or b""
_CALL: Header = {
    "kind": "call",
    "call": 0,
    "title": _TITLE,
    "inputs": ["x"],
    "outputs": ["output_1"],
    "seed": None,
    "memory_bytes": None,
    "cpu_s": None,
    "last": False,
}


def rehearse(answer: Answer) -> None:
    """Send the call to ourselves, let `answer` answer it, and read the answer."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        frames.send(theirs, _CALL, [frames.Segment(part) for part in (_COMPILED, _SOURCE, b"1")])
        header, segments, _ = frames.receive(ours)
        answer(ours, header, segments)
        frames.receive(theirs)
