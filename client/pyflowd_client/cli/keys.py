"""Keys as they are pressed, without waiting for the end of a line."""

import os
import re
import termios
import tty
from collections.abc import Iterator

_KEYS = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z~]|\x1bO[A-Za-z]|\x1b(?:O|\[[0-9;?]*)$|[^\x1b]|\x1b", re.DOTALL)
_NAMES = {
    b"\x1b[A": "up",
    b"\x1bOA": "up",
    b"\x1b[B": "down",
    b"\x1bOB": "down",
    b"\x1b[5~": "page up",
    b"\x1b[6~": "page down",
    b"\r": "enter",
    b"\n": "enter",
    b"\x7f": "back",
    b"\x08": "back",
}
_BEGUN = re.compile(rb"\x1b(O|\[[0-9;?]*)")


class KeyReader:
    """Bytes of a terminal to names of keys: `up`, `enter`, or the letter. What is no key of ours is left out."""

    def __init__(self) -> None:
        self._begun = b""

    def keys(self, data: bytes) -> Iterator[str]:
        """The keys in what has come; one that has only begun is kept for the next time."""
        found: list[bytes] = _KEYS.findall(self._begun + data)
        self._begun = found.pop() if found and _BEGUN.fullmatch(found[-1]) else b""
        for key in found:
            if key in _NAMES:
                yield _NAMES[key]
            elif len(key) == 1 and key.isalnum():
                yield key.decode()


class KeyTerminal:
    """The terminal `fd`, whose keys come at once and are not shown, until it is given back."""

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self._before = termios.tcgetattr(fd)
        tty.setcbreak(fd)
        attributes = termios.tcgetattr(fd)
        attributes[6][termios.VSUSP] = b"\0"  # a stopped program would leave the terminal as it is now
        termios.tcsetattr(fd, termios.TCSANOW, attributes)
        self._reader = KeyReader()

    def read(self) -> list[str] | None:
        """The keys that were pressed; None when the terminal is gone."""
        try:
            data = os.read(self.fd, 1024)
        except OSError:
            return None
        return list(self._reader.keys(data)) if data else None

    def give_back(self) -> None:
        """The terminal is as it was."""
        termios.tcsetattr(self.fd, termios.TCSADRAIN, self._before)
