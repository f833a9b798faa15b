"""What the end of a process means, in words that name the guilty side and the remedy."""

import signal
from functools import cache
from typing import Any

from pyflowd.core.limits import Limits
from pyflowd.core.usage import Observation
from pyflowd.worker_side import CANNOT_BEGIN
from pyflowd_client.protocol.errors import ErrorCode, ErrorInfo

CPU_COUNTED_WITHIN_S = 0.5  # the kernel's limit counts whole ticks, what it reports in the end does not
SHARED_BYTES = 32_000_000  # a worker's resident size includes pages of the interpreter that it shares with its zygote
_CRASHES = {signal.SIGSEGV, signal.SIGBUS, signal.SIGFPE, signal.SIGILL, signal.SIGABRT}


def death(status: int, cpu_s: float, limits: Limits) -> ErrorInfo:
    """Why a call has no answer, from the wait status of its worker and the CPU time it used."""
    number = status & 0x7F
    if not number:
        exit_code = status >> 8
        if exit_code == CANNOT_BEGIN:
            message = "The node's process could not be made ready, and ended before the node began."
            return ErrorInfo(code=ErrorCode.WORKER_LOST, message=message)
        message = f"The node's code left its process with exit status {exit_code} (os._exit?) instead of returning."
        return ErrorInfo(code=ErrorCode.EXITED, message=message)
    is_ended_by_kernel = number in (signal.SIGXCPU, signal.SIGKILL)
    if is_ended_by_kernel and limits.cpu_s is not None and cpu_s > limits.cpu_s - CPU_COUNTED_WITHIN_S:
        message = f"The node used {cpu_s:.3g} s of CPU time, the limit is {limits.cpu_s} s; it was ended."
        return ErrorInfo(code=ErrorCode.CPU_LIMIT, message=message)
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


def time_limit(limits: Limits) -> ErrorInfo:
    """The wall time is over."""
    message = f"The node took longer than its time limit of {limits.timeout_s:g} s and was ended."
    return ErrorInfo(code=ErrorCode.TIME_LIMIT, message=message)


def observed(now: Observation, limits: Limits) -> ErrorInfo | None:
    """What was seen of a node goes beyond a limit."""
    if now.memory_bytes > limits.memory_bytes + SHARED_BYTES:
        used, most = _size(now.memory_bytes), _size(limits.memory_bytes)
        message = f"The node used {used} of memory, the limit is {most}; it was ended."
        return ErrorInfo(code=ErrorCode.MEMORY_LIMIT, message=message)
    if now.processes is not None and now.processes > limits.processes:
        message = (
            f"The node had at least {now.processes} processes and threads, the limit is {limits.processes}: ended."
        )
        return ErrorInfo(code=ErrorCode.PROCESSES_LIMIT, message=message)
    return None


def out_of_memory(limits: Limits) -> ErrorInfo:
    """The kernel kept the limit."""
    message = f"The node used more memory than its limit of {_size(limits.memory_bytes)}; it was ended."
    return ErrorInfo(code=ErrorCode.MEMORY_LIMIT, message=message)


def run_time_limit(limits: Limits) -> ErrorInfo:
    """The wall time of the run is over."""
    message = f"The run took longer than its time limit of {limits.run_timeout_s:g} s and was ended."
    return ErrorInfo(code=ErrorCode.TIME_LIMIT, message=message)


def judged(error: ErrorInfo, verdict: ErrorInfo | None, limits: Limits) -> ErrorInfo:
    """Why a node failed that could tell so itself; our own verdict, if we ended it, goes before."""
    if verdict is not None:
        return with_traceback(verdict, error.traceback)
    if error.code is ErrorCode.CANCELLED:  # nobody asked for it: the node raised KeyboardInterrupt by itself
        return with_code(error, ErrorCode.EXCEPTION)
    return with_figures(error, limits)


def with_figures(error: ErrorInfo, limits: Limits) -> ErrorInfo:
    """The node was refused what goes beyond a limit, and did not go on without it: which limit that was."""
    breach = _breach(error.code, limits)
    return error if breach is None else _changed(error, message=f"The node {breach} ({error.message}).")


def _breach(code: ErrorCode, limits: Limits) -> str | None:
    match code:
        case ErrorCode.MEMORY_LIMIT:
            return f"asked for more memory than its limit of {_size(limits.memory_bytes)} leaves"
        case ErrorCode.OPEN_FILES_LIMIT if limits.open_files is not None:
            return f"had more files open than its limit of {limits.open_files} allows"
        case ErrorCode.FILE_SIZE_LIMIT if limits.file_bytes is not None:
            return f"wrote more into a file than its limit of {_size(limits.file_bytes)} allows"
        case ErrorCode.PROCESSES_LIMIT:
            return f"had more processes than its limit of {limits.processes} allows"
        case ErrorCode.SCRATCH_LIMIT:
            return f"filled its scratch folder: the limit is {_size(limits.scratch_bytes)}"
        case ErrorCode.SCRATCH_FILES_LIMIT:
            return f"filled its scratch folder: the limit is {limits.scratch_files} files"
    return None


@cache
def cancelled() -> ErrorInfo:
    """Somebody with the right asked for it."""
    return ErrorInfo(code=ErrorCode.CANCELLED, message="The run was cancelled.")


@cache
def superseded() -> ErrorInfo:
    """What was executed is out of date."""
    message = "Something at or above the node changed while it ran: it is executed again."
    return ErrorInfo(code=ErrorCode.SUPERSEDED, message=message)


@cache
def process_gone() -> ErrorInfo:
    """The process that a node of a live session has kept does not take the call."""
    message = "The process that the node had kept is gone: it is executed in a new one."
    return ErrorInfo(code=ErrorCode.SUPERSEDED, message=message)


@cache
def abandoned() -> ErrorInfo:
    """Nobody follows a live session."""
    return ErrorInfo(code=ErrorCode.CANCELLED, message="Nobody followed the live session any more.")


def unknown_run(run: str) -> ErrorInfo:
    """Somebody means a run that is not there."""
    return ErrorInfo(code=ErrorCode.UNKNOWN_RUN, message=f"No run '{run}' is known here.")


def bad_frame(reason: str) -> ErrorInfo:
    """The worker's channel was abused, which only the node's own code can do."""
    message = f"The node's process wrote to the daemon's channel what it may not ({reason}) and was ended."
    return ErrorInfo(code=ErrorCode.BAD_FRAME, message=message)


def with_traceback(verdict: ErrorInfo, traceback: str | None) -> ErrorInfo:
    """Our verdict, with where the node was when it was interrupted."""
    return _changed(verdict, traceback=traceback)


def with_code(error: ErrorInfo, code: ErrorCode) -> ErrorInfo:
    """The same error under another code."""
    return _changed(error, code=code)


def _changed(error: ErrorInfo, **fields: Any) -> ErrorInfo:
    return ErrorInfo(**{name: getattr(error, name) for name in ErrorInfo.FIELDS} | fields)


def _size(count: int) -> str:
    value, units = float(count), ["bytes", "kB", "MB", "GB"]
    while value >= 1000 and len(units) > 1:
        value, units = value / 1000, units[1:]
    return f"{value:.3g} {units[0]}"
