"""What importing a module has left in this process besides the module: looked for, and undone where that can be.

Read from the kernel rather than from Python, as far as it knows: libraries in C leave more than Python sees. Added
environment variables stay, for whoever set them counts on them later (`KMP_INIT_AT_FORK`); others are as they were.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time

from . import linux, strangers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Iterator, List

GRACE_S = 0.25  # a thread or process that ends by itself may take a moment
LOOK_AGAIN_S = 0.005
_SET_SIGNALS = ("SigIgn:", "SigCgt:", "SigBlk:")
_SIGNALS = sorted(signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP})
_TIMERS = {
    signal.ITIMER_REAL: "a timer",
    signal.ITIMER_VIRTUAL: "a timer of CPU time",
    signal.ITIMER_PROF: "a timer of CPU time",
}


class Traces:
    """This process as it was when this was made, and as it is after `undo`."""

    def __init__(self) -> None:
        self._signals = _signals()
        self._handlers = {number: signal.getsignal(number) for number in _SIGNALS}
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        self._folder = os.getcwd()
        self._umask = os.umask(0o077)
        os.umask(self._umask)
        self._environ = os.environ
        self._variables = dict(os.environ)
        self._streams = {name: getattr(sys, name) for name in ("stdin", "stdout", "stderr")}
        self._descriptors = _descriptors()
        self._shared = _shared_memory()

    def left(self) -> str:
        """What cannot be undone, in words; "" if there is nothing."""
        give_up_s = time.monotonic() + GRACE_S
        while _threads() > 1 or _children():
            if time.monotonic() > give_up_s:
                return "it leaves a thread running" if _threads() > 1 else "it leaves a process running"
            time.sleep(LOOK_AGAIN_S)
        descriptors = _descriptors()
        for number, target in descriptors.items():
            if self._descriptors.get(number) != target:
                return "it leaves a file or socket open (%s)" % target[:200]
        if len(descriptors) < len(self._descriptors):
            return "it closes a file that is not its own"
        if _shared_memory() > self._shared:
            return "it leaves memory that all workers would share"
        return ""

    def undo(self) -> List[str]:
        """Make the rest as it was; says what was not."""
        return list(self._undo())

    def _undo(self) -> Iterator[str]:
        self._restore_streams()
        for which, name in _TIMERS.items():
            if signal.setitimer(which, 0) != (0.0, 0.0):
                yield "%s was stopped" % name
        if self._restore_signals():
            yield "signal handlers were put back"
        if _folder() != self._folder:
            os.chdir(self._folder)
            yield "the working directory was put back"
        if os.umask(self._umask) != self._umask:
            yield "the umask was put back"
        changed = [name for name, value in self._variables.items() if self._environ.get(name) != value]
        for name in changed:
            self._environ[name] = self._variables[name]
        if changed:
            yield "environment variables were put back (%s)" % ", ".join(sorted(changed))[:200]

    def _restore_signals(self) -> bool:
        """Whether that was needed."""
        is_changed = signal.pthread_sigmask(signal.SIG_SETMASK, self._mask) != self._mask
        now = _signals()
        differing = 0
        for before, after in zip(self._signals, now):
            differing |= before ^ after
        for number, handler in self._handlers.items():
            if signal.getsignal(number) is not handler or differing >> (number - 1) & 1:
                is_changed = True
                if handler is not None:
                    signal.signal(number, handler)
        return is_changed

    def _restore_streams(self) -> None:
        """What was printed goes nowhere, and not into the output of every node."""
        for name, stream in self._streams.items():
            for one in (getattr(sys, name, None), stream):
                with contextlib.suppress(Exception):
                    one.flush()  # type: ignore[union-attr]
            setattr(sys, name, stream)
        linux.fflush(None)


def _signals() -> List[int]:
    """The masks of signals that are ignored, handled and blocked."""
    with open("/proc/self/status", "rb") as file:
        lines = [line.decode().split() for line in file if line.startswith(b"Sig")]
    return [int(words[1], 16) for words in lines if words[0] in _SET_SIGNALS]


def _threads() -> int:
    return len(os.listdir("/proc/self/task"))


def _children() -> List[int]:
    """The processes that it has started and that still run; the dead are forgotten."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            continue
    return strangers.children()


def _descriptors() -> Dict[int, str]:
    """What is open: what each number stands for."""
    found: Dict[int, str] = {}
    for name in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):  # the one that was open to look
            found[int(name)] = os.readlink("/proc/self/fd/%s" % name)
    return found


def _shared_memory() -> int:
    """How many pieces of memory can be written to and are not copied at a fork."""
    with open("/proc/self/maps", "rb") as file:
        return sum(1 for line in file if line[:80].split(None, 2)[1][1:4:2] == b"ws")


def _folder() -> str:
    try:
        return os.getcwd()
    except OSError:
        return ""
