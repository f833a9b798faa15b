"""A program on a terminal of its own, with somebody who reads and types."""

import contextlib
import fcntl
import os
import pty
import select
import struct
import subprocess
import termios
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

PATIENCE_S = 20.0


class Typist:
    """Who sits before the terminal. `shown` is all that was written to it."""

    def __init__(self, screen: int, process: "subprocess.Popen[bytes]") -> None:
        self.process = process
        self.shown = ""
        self._screen = screen
        self._seen = 0

    def expect(self, text: str) -> str:
        """Wait until `text` is shown, behind what was expected before; what was shown up to its end."""
        give_up_s = time.monotonic() + PATIENCE_S
        while (found := self.shown.find(text, self._seen)) < 0:
            assert self._read(give_up_s), f"{text!r} is not shown: {self.shown[self._seen :]!r}"
        start, self._seen = self._seen, found + len(text)
        return self.shown[start : self._seen]

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self._screen, text.encode())

    def resize(self, columns: int, rows: int) -> None:
        """Make the window larger or smaller."""
        fcntl.ioctl(self._screen, termios.TIOCSWINSZ, struct.pack("4H", rows, columns, 0, 0))

    def settings(self) -> list[Any]:
        """How the terminal is set."""
        return termios.tcgetattr(self._screen)

    def end(self) -> int:
        """Read to the end; the exit status."""
        pidfd = os.pidfd_open(self.process.pid)
        try:
            while pidfd not in (ready := select.select([self._screen, pidfd], [], [], PATIENCE_S)[0]):
                assert ready, f"it does not end: {self.shown[self._seen :]!r}"
                self._read(0.0)
        finally:
            os.close(pidfd)
        while self._read(0.0):
            pass
        return self.process.wait(PATIENCE_S)

    def _read(self, give_up_s: float) -> bool:
        if not select.select([self._screen], [], [], max(0.0, give_up_s - time.monotonic()))[0]:
            return False
        try:
            data = os.read(self._screen, 65536)
        except OSError:  # what Linux answers when the other side is closed
            return False
        self.shown += data.decode("utf-8", "replace")
        return bool(data)


@contextlib.contextmanager
def typing(command: Sequence[str], environment: Mapping[str, str], **streams: int) -> Iterator[Typist]:
    """A program with a terminal that rules it, 100 by 30; ended, if it has not, when the block is over."""
    screen, terminal = pty.openpty()
    fcntl.ioctl(screen, termios.TIOCSWINSZ, struct.pack("4H", 30, 100, 0, 0))
    given = {"stdin": terminal, "stdout": terminal, "stderr": terminal, **streams}
    variables = {**environment, "TERM": "xterm", "NO_COLOR": "1"}

    process = subprocess.Popen(
        ["setsid", "--ctty", "--wait", *command],
        env=variables,
        **given,  # type: ignore[call-overload]
    )
    try:
        yield Typist(screen, process)
    finally:
        os.close(terminal)
        os.close(screen)
        process.terminate()
        process.wait(PATIENCE_S)
