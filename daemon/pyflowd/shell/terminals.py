"""A terminal for a worker: the daemon's end of a pty, with what is typed into it and what comes out.

It is nobody's but that worker's: what a node does to it reaches no terminal of the user's. It is read fifty times a
second at most, so that the kernel makes a node wait that writes much: that costs the daemon 200 kB a second.
"""

import fcntl
import os
import struct
import termios
from collections.abc import Callable
from contextlib import suppress

from pyflowd.shell.poller import Poller

COLUMNS, ROWS = 80, 24
READ_BYTES = 4096
PAUSE_S = 0.02
DRAIN_READS = 16
TYPED_BYTES_MOST = 65_536  # that nobody reads
CONTROL_CHARACTERS = 6  # the place of theirs in what termios calls the attributes
DISABLED = b"\0"


class Terminal:
    """Reports to `feed`. `child_end` is the worker's, to be closed once it was sent."""

    def __init__(self, poller: Poller, feed: Callable[[bytes], None]) -> None:
        self._poller = poller
        self._feed = feed
        self._descriptor, self.child_end = os.openpty()
        os.set_blocking(self._descriptor, False)
        self._typed = b""
        self._is_open = True
        _keep_alive(self.child_end)
        self.resize(COLUMNS, ROWS)
        poller.watch(self._descriptor, self._read)

    def close_child_end(self) -> None:
        """The worker has it now."""
        os.close(self.child_end)

    def resize(self, columns: int, rows: int) -> None:
        """Let it have another size, of which the kernel tells the worker."""
        if self._is_open:
            fcntl.ioctl(self._descriptor, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))

    def write(self, text: str) -> None:
        """Type. Of what is not read, so much is kept and no more."""
        self._typed = (self._typed + text.encode("utf-8", "replace"))[:TYPED_BYTES_MOST]
        self._write()

    def drain(self) -> None:
        """Pass on what has been written."""
        for _ in range(DRAIN_READS if self._is_open else 0):
            if not self._take():
                return

    def close(self) -> None:
        """Hang up. What was written is passed on before."""
        if self._is_open:
            self.drain()
            self._is_open = False
            self._poller.forget(self._descriptor)
            os.close(self._descriptor)

    def _read(self) -> None:
        if self._take():
            self._poller.forget(self._descriptor)
            self._poller.later(PAUSE_S, self._go_on)

    def _go_on(self) -> None:
        if self._is_open:
            self._poller.watch(self._descriptor, self._read)

    def _take(self) -> int:
        try:
            data = os.read(self._descriptor, READ_BYTES)
        except BlockingIOError:
            return 0
        except OSError:  # nobody has its other end any more
            self._poller.forget(self._descriptor)
            return 0
        self._feed(data)
        return len(data)

    def _write(self) -> None:
        if not self._typed or not self._is_open:
            return
        with suppress(BlockingIOError):
            self._typed = self._typed[os.write(self._descriptor, self._typed) :]
        if self._typed:
            self._poller.later(PAUSE_S, self._write)


def _keep_alive(descriptor: int) -> None:
    """No key ends the node's process, or stops it: Ctrl-C is what interrupts."""
    attributes = termios.tcgetattr(descriptor)
    for key in (termios.VQUIT, termios.VSUSP):
        attributes[CONTROL_CHARACTERS][key] = DISABLED
    termios.tcsetattr(descriptor, termios.TCSANOW, attributes)
