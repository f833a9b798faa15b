"""Ctrl-C while a run is followed: the first one asks to cancel, the second one leaves at once.

A signal in the middle of reading a message must not tear it, so the first is only counted, and wakes whoever
waits through a descriptor. The second raises KeyboardInterrupt wherever it hits: nothing is left to spoil.
"""

import contextlib
import os
import signal
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupts:
    """A context in which SIGINT and SIGTERM are counted. `fd` becomes readable with the first."""

    def __enter__(self) -> "Interrupts":
        self._count = 0
        self.fd, self._wake_fd = os.pipe()
        os.set_blocking(self._wake_fd, False)
        os.set_blocking(self.fd, False)
        signal.set_wakeup_fd(self._wake_fd, warn_on_full_buffer=False)
        self._before = [signal.signal(number, self._received) for number in SIGNALS]
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in zip(SIGNALS, self._before, strict=True):
            signal.signal(number, handler)
        signal.set_wakeup_fd(-1)
        os.close(self._wake_fd)
        os.close(self.fd)

    @property
    def is_pending(self) -> bool:
        """Whether somebody wants the run to end."""
        return self._count > 0

    def drain(self) -> None:
        """Forget the bytes that woke us: other signals with a handler, such as SIGWINCH, write them too."""
        with contextlib.suppress(BlockingIOError):
            os.read(self.fd, 512)

    def _received(self, number: int, frame: FrameType | None) -> None:
        self._count += 1
        if self._count > 1:
            raise KeyboardInterrupt
