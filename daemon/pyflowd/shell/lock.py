"""The right to be the daemon of a socket: a lock on a file, which the kernel takes back when its holder dies.

Binding is no proof: a second bind on a live ipc path succeeds and steals it. Pid files lie. So: lock first, then
remove what an earlier daemon left, then bind.
"""

import fcntl
import os
from pathlib import Path


class AlreadyRunningError(RuntimeError):
    """Another daemon holds the lock."""


class InstanceLock:
    """Held from construction to `close`."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._descriptor)
            raise AlreadyRunningError(f"another daemon already holds {path}") from None

    def close(self) -> None:
        """Let another daemon have it. The file stays: unlinking it would let two daemons lock two files."""
        os.close(self._descriptor)
