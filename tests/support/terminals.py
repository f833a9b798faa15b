"""What a program shows on a terminal."""

import os
import pty
import re
import subprocess
from collections.abc import Mapping, Sequence
from typing import NamedTuple


class Shown(NamedTuple):
    """All that a program wrote to its terminal, and how it ended."""

    raw: str
    status: int

    @property
    def text(self) -> str:
        """Without the commands to the terminal."""
        return re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", self.raw)


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
