"""Why a call failed, as the author of the node should read it.

Python's own traceback text without our frames, capped in size. Survives exceptions that are hostile to being
printed, and refuses to change them: nothing of the interpreter is patched.
"""

from __future__ import annotations

import errno
import json
import os
import sys
import traceback

from . import denials  # now: a node that fails may have no descriptor left to open a file with
from .learning import ONLOOKER
from .scratch import OWN_FILES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Iterator

    Failure = Dict[str, Any]

# Lengths as JSON: what counts is the packet that carries them.
MAX_MESSAGE = 10000
MAX_TRACEBACK = 30000
LONGEST_CHAIN = 100
NO_THREAD = "can't start new thread"
_BARE = ("memory_limit", "cancelled")  # no memory to tell more in, or nobody who waits for it
_LIMITS = {errno.EMFILE: "open_files_limit", errno.EFBIG: "file_size_limit"}
_OUR_FOLDER = os.path.dirname(os.path.abspath(__file__)) + os.sep


class CallError(Exception):
    """The call cannot go on for a reason of ours: `code` is an error code of the protocol."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class DescribedError(Exception):
    """A failure that was described when it happened; a debugger may have changed things since."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure["message"])
        self.failure = failure


def describe(error: BaseException) -> Failure:
    """`error` as {"code", "type", "message", "traceback"}, "frames", and "denied" if something may have been."""
    ONLOOKER.close()  # some versions of `traceback` import when they are used
    if type(error) is DescribedError:
        return error.failure
    if type(error) is CallError:
        return _failure(error.code, "", str(error), "")
    if isinstance(error, MemoryError):
        traceback.clear_frames(error.__traceback__)  # what filled the memory: room to write the report in
    denied = _denied(error)
    message = _message(error)
    text = _traceback_text(error)
    failure = _failure(_code(error), type(error).__name__, message, text)
    frames = [] if failure["code"] in _BARE else _frames(error)
    if frames:
        failure["frames"] = frames
    return failure if denied is None else dict(failure, denied=denied)


def node_traceback(error: BaseException) -> Any:
    """The traceback of `error` from where the node's code begins; None if that is not in it, or was cleared."""
    found = error.__traceback__
    while found is not None and found.tb_frame.f_code.co_filename.startswith(_OUR_FOLDER):
        found = found.tb_next
    return found


def _frames(error: BaseException) -> list[Any]:
    """Where in the node it happened, with the variables there; nothing if that cannot be said."""
    try:
        from . import stack  # only who fails pays for it

        return stack.node_frames(error)
    except Exception:  # no descriptor is left to import by, or no memory
        return []


def cap(text: str, limit: int) -> str:
    """`text`, without its middle if it is longer than `limit` as JSON."""
    while True:
        length = len(json.dumps(text)) - 2
        if length <= limit:
            return text
        half = max(1, len(text) * (limit - 100) // length // 2)
        text = "%s\n... [cut] ...\n%s" % (text[:half], text[-half:])


def _failure(code: str, kind: str, message: str, text: str) -> Failure:
    return {
        "code": code,
        "type": cap(kind, 1000),
        "message": cap(message, MAX_MESSAGE),
        "traceback": cap(text, MAX_TRACEBACK),
    }


def is_interrupt(error: BaseException) -> bool:
    """Whether an interrupt is behind `error`, even if something else was raised over it.

    The standard library does so too: `threading.Condition.wait`, interrupted at a bad moment, releases a lock that it
    does not have.
    """
    seen: BaseException | None = error
    for _ in range(LONGEST_CHAIN):
        if seen is None:
            return False
        if isinstance(seen, KeyboardInterrupt):
            return True
        seen = seen.__context__
    return False


def _denied(error: BaseException) -> Any:
    if not isinstance(error, Exception):
        return None
    try:
        return denials.find(error)
    except Exception:  # an exception of the node's own may do anything
        return None


def _code(error: BaseException) -> str:
    if is_interrupt(error):
        return "cancelled"
    if isinstance(error, SystemExit):
        return "exited"
    if isinstance(error, MemoryError):
        return "memory_limit"
    if isinstance(error, OSError):
        if error.errno == errno.ENOSPC:
            return OWN_FILES.limit_behind(error) or "exception"
        if error.errno == errno.EAGAIN and not _can_fork():
            return "processes_limit"
        return _LIMITS.get(error.errno or 0, "exception")
    is_thread = isinstance(error, RuntimeError) and str(error) == NO_THREAD
    return "processes_limit" if is_thread and not _can_fork() else "exception"


def _can_fork() -> bool:
    """Whether this process may have another child: what the kernel says when it may not, other calls say as well."""
    try:
        pid = os.fork()
    except OSError:
        return False
    if not pid:
        os._exit(0)
    os.waitpid(pid, 0)
    return True


def _message(error: BaseException) -> str:
    try:
        if isinstance(error, SystemExit):
            return "the node called sys.exit(%s)" % ("" if error.code is None else repr(error.code))
        if isinstance(error, KeyboardInterrupt):
            return "interrupted"
        return str(error) or type(error).__name__
    except BaseException:
        return "<unprintable %s object>" % type(error).__name__


def _traceback_text(error: BaseException) -> str:
    try:
        report = traceback.TracebackException(type(error), error, error.__traceback__)
        for part in _parts(report):
            part.stack[:] = [frame for frame in part.stack if not frame.filename.startswith(_OUR_FOLDER)]
        return "".join(report.format())
    except BaseException as second:
        kind = type(error).__name__
        return "%s (its traceback cannot be shown: %s)\n" % (kind, type(second).__name__)


def _parts(report: traceback.TracebackException) -> Iterator[traceback.TracebackException]:
    """The report of an exception, of those it was chained to, and of those it groups."""
    waiting: list[Any] = [report]
    seen: set[int] = set()
    while waiting:
        part = waiting.pop()
        if part is None or id(part) in seen:
            continue
        seen.add(id(part))
        yield part
        waiting += [part.__cause__, part.__context__]
        waiting += getattr(part, "exceptions", None) or ()


def print_exception(error: BaseException) -> None:
    """The traceback on the node's standard error, for what happens outside its answer."""
    try:
        sys.stderr.write(_traceback_text(error))
        sys.stderr.flush()
    except Exception:
        os.write(2, b"an exception could not be printed\n")
