"""What the end of a process means, in words that name the guilty side and the remedy."""

import signal

from pyflowd.core.limits import CallLimits
from pyflowd_client.protocol.errors import ErrorCode, ErrorInfo

_CRASHES = {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT}


def death(status: int, limits: CallLimits) -> ErrorInfo:
    """Why a call has no answer, from the wait status of its worker."""
    number = status & 0x7F
    if not number:
        exit_code = status >> 8
        message = f"The node's code left its process with exit status {exit_code} (os._exit?) instead of returning."
        return ErrorInfo(code=ErrorCode.EXITED, message=message)
    if number == signal.SIGXCPU:
        return ErrorInfo(code=ErrorCode.TIME_LIMIT, message=f"The node used its CPU time, {limits.cpu_s} s.")
    try:
        name = signal.Signals(number).name
    except ValueError:
        name = f"signal {number}"
    if number in _CRASHES:
        what = f"The node's process crashed ({name}): compiled code that it called is at fault."
    elif number == signal.SIGKILL:
        what = "The node's process was killed (SIGKILL) from outside the daemon: perhaps the system ran out of memory."
    else:
        what = f"The node's process was ended by {name}."
    return ErrorInfo(code=ErrorCode.KILLED, message=what)


def time_limit(limits: CallLimits) -> ErrorInfo:
    """The wall time is over."""
    message = f"The node took longer than its time limit of {limits.wall_s:g} s and was ended."
    return ErrorInfo(code=ErrorCode.TIME_LIMIT, message=message)


def memory_limit(used_bytes: int, limits: CallLimits) -> ErrorInfo:
    """The resident memory went over the limit."""
    message = f"The node used {_size(used_bytes)} of memory, the limit is {_size(limits.memory_bytes)}; it was ended."
    return ErrorInfo(code=ErrorCode.MEMORY_LIMIT, message=message)


def allocation_failed(error: ErrorInfo, limits: CallLimits) -> ErrorInfo:
    """The node was refused memory, and did not go on without it."""
    message = f"The node asked for more memory than its limit of {_size(limits.memory_bytes)} leaves ({error.message})."
    return ErrorInfo(code=error.code, message=message, type=error.type, traceback=error.traceback)


def cancelled() -> ErrorInfo:
    """Somebody with the right asked for it."""
    return ErrorInfo(code=ErrorCode.CANCELLED, message="The run was cancelled.")


def bad_frame(reason: str) -> ErrorInfo:
    """The worker's channel was abused, which only the node's own code can do."""
    message = f"The node's process wrote to the daemon's channel what it may not ({reason}) and was ended."
    return ErrorInfo(code=ErrorCode.BAD_FRAME, message=message)


def with_traceback(verdict: ErrorInfo, traceback: str | None) -> ErrorInfo:
    """Our verdict, with where the node was when it was interrupted."""
    return ErrorInfo(code=verdict.code, message=verdict.message, type=verdict.type, traceback=traceback)


def with_code(error: ErrorInfo, code: ErrorCode) -> ErrorInfo:
    """The same error under another code."""
    return ErrorInfo(code=code, message=error.message, type=error.type, traceback=error.traceback)


def _size(count: int) -> str:
    value, units = float(count), ["bytes", "kB", "MB", "GB"]
    while value >= 1000 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{value:.3g} {units[0]}"
