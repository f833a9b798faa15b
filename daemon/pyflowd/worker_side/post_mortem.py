"""pdb in a node that has failed, on a terminal of its own in the place of the standard streams.

The terminal becomes the one that rules this session, so that Ctrl-C interrupts what pdb executes. Its end of file, by
Ctrl-D or because the daemon hangs up, ends pdb. Afterwards all is as it was. Refuses to let anything out but back to
its caller: what is raised in here is not how the node ended.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import signal
import sys
import termios

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Iterator

STREAMS = ("stdin", "stdout", "stderr")
WELCOME = "The node failed here. h lists the commands, q ends this; then the node fails as it did."


def open_debugger(traceback: Any, text: str, terminal: int, name: str) -> None:
    """Let a person look around in the frames of `traceback`; `text` tells them how the node failed.

    terminal: its descriptor, which is closed. name: what kind it is, for TERM.
    """
    with _in_place_of_streams(terminal, name):
        with contextlib.suppress(BaseException):
            import pdb

            sys.stdout.write(text + WELCOME + "\n")
            debugger = pdb.Pdb(nosigint=True, readrc=False)
            debugger.reset()
            debugger.interaction(None, traceback)
        with contextlib.suppress(BaseException):
            sys.settrace(None)
            sys.stdout.flush()


@contextlib.contextmanager
def _in_place_of_streams(terminal: int, name: str) -> Iterator[None]:
    kept = [os.dup(descriptor) for descriptor in range(3)]
    objects = [getattr(sys, stream) for stream in STREAMS]
    variable = os.environ.get("TERM")
    hangup = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # else the end of the terminal were ours
    with contextlib.suppress(OSError):  # a node that has left its session has no Ctrl-C
        fcntl.ioctl(terminal, termios.TIOCSCTTY, 0)
    try:
        for descriptor, stream in enumerate(STREAMS):
            os.dup2(terminal, descriptor)
            setattr(sys, stream, _text_stream(descriptor))
        os.close(terminal)
        os.environ["TERM"] = name
        yield
    finally:
        _put_back(kept, objects, variable)
        signal.signal(signal.SIGHUP, hangup or signal.SIG_DFL)


def _put_back(kept: list[int], objects: list[Any], variable: str | None) -> None:
    with contextlib.suppress(OSError):
        fcntl.ioctl(0, termios.TIOCNOTTY)
    for descriptor, (copy, stream, one) in enumerate(zip(kept, STREAMS, objects)):
        setattr(sys, stream, one)
        os.dup2(copy, descriptor)
        os.close(copy)
    if variable is None:
        os.environ.pop("TERM", None)
    else:
        os.environ["TERM"] = variable


def _text_stream(descriptor: int) -> io.TextIOWrapper:
    raw = io.FileIO(descriptor, "w" if descriptor else "r", closefd=False)
    if not descriptor:
        return io.TextIOWrapper(io.BufferedReader(raw), "utf-8", "replace")
    return io.TextIOWrapper(io.BufferedWriter(raw), "utf-8", "backslashreplace", line_buffering=True)
