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


class Sessions:
    """All sessions, by id and by connection."""

    def __init__(self) -> None:
        self._by_id: dict[SessionId, Session] = {}

    def __len__(self) -> int:
        return len(self._by_id)

    def __contains__(self, session: SessionId) -> bool:
        return session in self._by_id

    def open(self, session: Session) -> None:
        """A client said hello."""
        self._by_id[session.id] = session

    def close(self, session: SessionId) -> bool:
        """A client is gone; False when it was not known."""
        return self._by_id.pop(session, None) is not None

    def name_of(self, session: SessionId) -> str:
        """What a client calls itself."""
        return self._by_id[session].client

    def of_descriptor(self, descriptor: int) -> list[SessionId]:
        """The sessions of a connection that is gone."""
        return [session.id for session in self._by_id.values() if session.descriptor == descriptor]


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
