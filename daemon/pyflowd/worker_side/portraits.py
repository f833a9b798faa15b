"""What classes of the node's, or of a package's, say of their values: `repr`, asked in a process of its own.

A `__repr__` may never end, use up memory, print, crash or leave the process, and a handler of ours in the same process
it could catch, or hold off in C. So a fork does the asking, and writes each text to a pipe as it has it; one that does
not come in time costs that fork its life, and the next goes on behind it. What it does to its values is lost with it.
Refuses to take longer than ALL_S.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time

from .link import LINK
from .masking import mask
from .short_repr import CUT, ShortRepr, cut, kind_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Sequence

EACH_S = 0.1
ALL_S = 0.4
READ_AT_MOST = 2000  # characters of a text; more are not looked at, neither for secrets nor to be shown
LENGTH_BYTES = 4
TEXT_BYTES = 4000
LATE = "<%s whose repr takes too long>"


def paint(values: Sequence[Any]) -> list[str | None]:
    """A text for each value; None where there was no time, or no process to be had."""
    texts: list[str | None] = []
    give_up_s = time.monotonic() + ALL_S
    while len(texts) < len(values) and time.monotonic() < give_up_s:
        try:
            painted = _paint_in_fork(values[len(texts) :], give_up_s)
        except OSError:  # no process, or no descriptor
            break
        texts += painted
        if len(texts) < len(values):
            texts.append(LATE % kind_of(values[len(texts)]))
    return texts + [None] * (len(values) - len(texts))


def _paint_in_fork(values: Sequence[Any], give_up_s: float) -> list[str]:
    """The texts of the first values, up to one that does not come."""
    reading, writing = os.pipe()
    pid = 0
    try:
        pid = os.fork()
        if not pid:
            _be_painter(values, writing)
        os.close(writing)
        writing = -1
        return _read_texts(reading, len(values), give_up_s)
    finally:
        os.close(reading)
        if writing >= 0:
            os.close(writing)
        if pid:
            _end(pid)


def _end(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    except (ProcessLookupError, ChildProcessError):  # the node sees to its children itself
        return


def _read_texts(reading: int, count: int, give_up_s: float) -> list[str]:
    texts: list[str] = []
    buffer = b""
    poll = select.poll()
    poll.register(reading, select.POLLIN)
    until_s = min(give_up_s, time.monotonic() + EACH_S)
    while len(texts) < count and poll.poll(max(0.0, until_s - time.monotonic()) * 1000):
        data = os.read(reading, 65536)
        if not data:
            break
        buffer += data
        while len(buffer) >= LENGTH_BYTES:
            end = LENGTH_BYTES + int.from_bytes(buffer[:LENGTH_BYTES], "little")
            if len(buffer) < end:
                break
            texts.append(buffer[LENGTH_BYTES:end].decode("utf-8", "replace"))
            buffer = buffer[end:]
            until_s = min(give_up_s, time.monotonic() + EACH_S)
    return texts[:count]


def _be_painter(values: Sequence[Any], writing: int) -> None:
    """The whole life of the fork. Nothing it prints is the node's output."""
    kept = sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__  # gone, they would write what they have, once more
    try:
        sys.stdout = sys.stderr = sys.__stdout__ = sys.__stderr__ = None  # type: ignore[misc]
        os.close(LINK)
        show = ShortRepr(_repr).of
        for value in values:
            text = show(value).encode("utf-8", "backslashreplace")[:TEXT_BYTES]
            os.write(writing, len(text).to_bytes(LENGTH_BYTES, "little") + text)
    finally:
        os._exit(0 if kept else 1)


def _repr(value: Any) -> str:
    try:
        text = repr(value)
    except BaseException as error:
        return "<%s whose repr raises %s>" % (kind_of(value), kind_of(error))
    shown = mask(text[:READ_AT_MOST])
    return cut(shown if len(text) <= READ_AT_MOST else shown + CUT)
