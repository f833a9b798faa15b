"""Who is connected. A session begins with hello, and ends with goodbye or with its connection."""

import os
import socket
import struct
from dataclasses import dataclass
from pathlib import Path

from pyflowd.core.ids import SessionId

DEEPEST_FAMILY = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One connected client; `descriptor` is its connection inside libzmq, a number to compare with, never to use."""

    id: SessionId
    client: str
    protocol: int
    descriptor: int


class Sessions(dict[SessionId, Session]):
    """All sessions, by id."""

    def of_descriptor(self, descriptor: int) -> list[SessionId]:
        """The sessions of a connection that is gone."""
        return [session.id for session in self.values() if session.descriptor == descriptor]


def peer_of(descriptor: int) -> tuple[int, int] | None:
    """Process and user at the other end of a connected Unix socket, as the kernel saw it connect; None: it is gone."""
    try:
        with socket.socket(fileno=os.dup(descriptor)) as peer:
            credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    except OSError:
        return None
    pid, uid, _ = struct.unpack("3i", credentials)
    return pid, uid


def descends_from_us(pid: int) -> bool:
    """Whether a process is a node's: whatever one starts stays below the daemon, or dies with it."""
    ours = os.getpid()
    for _ in range(DEEPEST_FAMILY):
        if pid == ours:
            return True
        try:
            stat = Path(f"/proc/{pid}/stat").read_bytes()
        except OSError:
            return False
        pid = int(stat[stat.rindex(b")") + 1 :].split(None, 2)[1])
        if pid <= 1:
            return False
    return True
