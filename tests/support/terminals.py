"""What a program shows on a terminal."""

import os
import pty
import re
import select
import subprocess
import time
from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Shown(NamedTuple):
    """All that a program wrote to its terminal, and how it ended."""

    raw: str
    status: int

    @property
    def text(self) -> str:
        """Without the commands to the terminal."""
        return _plain(self.raw)


class Terminal:
    """A program on a terminal of its own: what it shows can be waited for, and keys be pressed."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], columns: int = 100) -> None:
        self._screen, terminal = pty.openpty()
        variables = {**environment, "TERM": "xterm", "NO_COLOR": "1", "COLUMNS": str(columns), "LINES": "30"}
        self._process = subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal, env=variables)
        os.close(terminal)
        self._shown = b""

    def see(self, text: str, patience_s: float = 20.0) -> None:
        """Wait until the program shows `text` anew."""
        give_up_at = time.monotonic() + patience_s
        while text not in (shown := _plain(self._shown.decode(errors="replace"))):
            assert time.monotonic() < give_up_at, f"{text!r} is not in {shown[-3000:]!r}"
            if select.select([self._screen], [], [], 0.1)[0]:
                self._shown += os.read(self._screen, 65536)
        self._shown = b""

    def press(self, keys: str) -> None:
        """Type."""
        os.write(self._screen, keys.encode())

    def end(self, patience_s: float = 20.0) -> int:
        """Wait for the end of the program, which may write more; its exit status."""
        try:
            while os.read(self._screen, 65536):
                pass
        except OSError:
            pass
        return self._process.wait(patience_s)

    def __enter__(self) -> "Terminal":
        return self

    def __exit__(self, *_: object) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        os.close(self._screen)


def _plain(raw: str) -> str:
    """Without the commands to the terminal."""
    return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", raw)


def on_terminal(command: Sequence[str], environment: Mapping[str, str], columns: int = 100) -> Shown:
    """Run a program on a terminal of its own to its end."""
    screen, terminal = pty.openpty()
    variables = {**environment, "TERM": "xterm", "NO_COLOR": "1", "COLUMNS": str(columns), "LINES": "30"}
    process = subprocess.Popen(command, stdin=terminal, stdout=terminal, stderr=terminal, env=variables)
    os.close(terminal)
    shown = b""
    try:
        while data := os.read(screen, 65536):
            shown += data
    except OSError:  # what Linux answers when the other side is closed
        pass
    finally:
        os.close(screen)
    return Shown(shown.decode(), process.wait(10))
