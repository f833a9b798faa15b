"""What belongs to the user and to no node, for the probes to attack."""

import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import Any

from pyflowd.worker_side import probes

LONGEST_SOCKET_PATH = 107


class Targets:
    """A file and two sockets that listen, in the daemon's folder for nodes; its own process."""

    def __init__(self, folder: Path) -> None:
        self._sockets = []
        file = folder / "file"
        file.touch(mode=0o600)
        names = [f"\0pyflowd-target-{os.getpid()}"]
        if len(os.fsencode(folder / "socket")) <= LONGEST_SOCKET_PATH:
            names.append(str(folder / "socket"))
        for name in names:
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            self._sockets.append(listener)
            listener.bind(name)
            listener.listen()
        self.described: dict[str, Any] = {
            "process": (os.getpid(), probes.start_of(os.getpid())),
            "file": str(file),
            "folder": str(folder),
            "sockets": names,
        }

    def close(self) -> None:
        """Listen no more."""
        for listener in self._sockets:
            with suppress(OSError):
                listener.close()
