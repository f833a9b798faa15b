"""The right to be the daemon of a socket: a lock on a file, which the kernel takes back when its holder dies.

Binding is no proof: a second bind on a live ipc path succeeds and steals it. Pid files lie. So: lock first, then
remove what an earlier daemon left, then bind. One that does not listen any more is about to leave, and is waited for.
"""

import fcntl
import os
import socket
import time
from pathlib import Path

PATIENCE_S = 10.0
PAUSE_S = 0.01


class AlreadyRunningError(RuntimeError):
    """Another daemon holds the lock."""


class InstanceLock:
    """Held from construction to `close`. `address` is the socket that its holder listens on."""

    def __init__(self, path: Path, address: str) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        give_up_at = time.monotonic() + PATIENCE_S
        while not self._is_taken():
            if time.monotonic() > give_up_at or _listens(address):
                os.close(self._descriptor)
                raise AlreadyRunningError(f"another daemon already holds {path}")
            time.sleep(PAUSE_S)

    def _is_taken(self) -> bool:
        """By us, from now on."""
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def close(self) -> None:
        """Let another daemon have it. The file stays: unlinking it would let two daemons lock two files."""
        os.close(self._descriptor)


def _listens(address: str) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(address)
        except OSError:
            return False
    return True
