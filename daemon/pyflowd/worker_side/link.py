"""A worker's end of its channel, at a descriptor that is always the same.

In the zygote the null device keeps the place: there, calls are only rehearsed. A small answer is written with
one call of the kernel; what is larger, or comes with descriptors, takes a socket object made for it.
"""

from __future__ import annotations

import os
from _socket import AF_UNIX, SOCK_SEQPACKET, socket

from . import frames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Sequence

    from .frames import Header, Segment

LINK = 250  # out of the way of the node's own descriptors, within the kernel's second size of descriptor table


def keep_place() -> None:
    """Put the null device where workers will have their channel."""
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, LINK, False)
    os.close(null)


def send(header: Header, segments: Sequence[Segment] = ()) -> None:
    """Send a frame to the daemon; OSError when it is gone."""
    channel = socket(AF_UNIX, SOCK_SEQPACKET, 0, LINK)
    try:
        frames.send(channel, header, segments)
    finally:
        channel.detach()
