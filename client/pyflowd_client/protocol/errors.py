"""What can go wrong, as codes that never change their meaning, and the exit status each one has.

An error names the guilty side: codes of a node are the node's fault, codes of a
refusal are the client's, the daemon's or the environment's.
"""

from enum import IntEnum, StrEnum

from pyflowd_client.protocol.message import Message


class ErrorCode(StrEnum):
    """Stable codes. The comment says whose fault it is."""

    # the node
    EXCEPTION = "exception"  # its code raised
    EXITED = "exited"  # its code left the process (sys.exit, os._exit)
    KILLED = "killed"  # a signal ended its process (segmentation fault, abort, kill)
    TIME_LIMIT = "time_limit"  # wall time, of it or of its run
    CPU_LIMIT = "cpu_limit"
    MEMORY_LIMIT = "memory_limit"
    OPEN_FILES_LIMIT = "open_files_limit"
    FILE_SIZE_LIMIT = "file_size_limit"
    PROCESSES_LIMIT = "processes_limit"
    SCRATCH_LIMIT = "scratch_limit"  # bytes in its scratch folder
    SCRATCH_FILES_LIMIT = "scratch_files_limit"
    NOT_JSON = "not_json"  # returned a value that is not JSON
    BAD_OUTPUT = "bad_output"  # returned too few values for its declared outputs
    BAD_FRAME = "bad_frame"  # wrote nonsense to the daemon's channel
    CANCELLED = "cancelled"
    SUPERSEDED = "superseded"  # in a live session something above it changed meanwhile
    SKIPPED = "skipped"  # something it depends on did not finish
    # the environment
    ENVIRONMENT = "environment"  # it is not there, cannot be made, or cannot be started or used
    WORKER_LOST = "worker_lost"  # the process died before the node began
    # the graph
    BAD_GRAPH = "bad_graph"
    # the client
    BAD_MESSAGE = "bad_message"
    BAD_INPUT = "bad_input"  # an input names no pin, or is not JSON; a limit or a permission makes no sense
    PROTOCOL_VERSION = "protocol_version"
    NO_SESSION = "no_session"  # the first message must be hello
    UNKNOWN_RUN = "unknown_run"
    NOT_PERMITTED = "not_permitted"
    # the daemon
    BUSY = "busy"
    STOPPING = "stopping"
    INTERNAL = "internal"


class ExitStatus(IntEnum):
    """Exit statuses of the command line (sysexits where one fits)."""

    DONE = 0
    NODE_FAILED = 1
    ATTENTION = 1
    USAGE = 2
    BAD_GRAPH = 65
    UNAVAILABLE = 69
    BUSY = 75
    PROTOCOL = 76
    NOT_PERMITTED = 77
    CONFIGURATION = 78
    TIME_LIMIT = 124
    INTERRUPTED = 130


EXIT_STATUS: dict[ErrorCode, ExitStatus] = {
    ErrorCode.BAD_GRAPH: ExitStatus.BAD_GRAPH,
    ErrorCode.BAD_INPUT: ExitStatus.USAGE,
    ErrorCode.ENVIRONMENT: ExitStatus.CONFIGURATION,
    ErrorCode.BAD_MESSAGE: ExitStatus.PROTOCOL,
    ErrorCode.PROTOCOL_VERSION: ExitStatus.PROTOCOL,
    ErrorCode.NO_SESSION: ExitStatus.PROTOCOL,
    ErrorCode.UNKNOWN_RUN: ExitStatus.USAGE,
    ErrorCode.NOT_PERMITTED: ExitStatus.NOT_PERMITTED,
    ErrorCode.BUSY: ExitStatus.BUSY,
    ErrorCode.STOPPING: ExitStatus.BUSY,
    ErrorCode.INTERNAL: ExitStatus.UNAVAILABLE,
    ErrorCode.TIME_LIMIT: ExitStatus.TIME_LIMIT,
    ErrorCode.CPU_LIMIT: ExitStatus.TIME_LIMIT,
    ErrorCode.CANCELLED: ExitStatus.INTERRUPTED,
    ErrorCode.SUPERSEDED: ExitStatus.INTERRUPTED,
}


class ErrorFrame(Message):
    """Where a failed node was: a line of its code, and short texts that show the variables there, by name.

    title: of the node whose code it is. line: counts from 1. source: that line. locals: secrets are masked, by name.
    """

    title: str
    line: int
    function: str
    source: str
    locals: dict[str, str]


class ErrorInfo(Message):
    """One error as it travels: `type` is the exception's class name where a node raised one.

    hint: one line, what would allow it, where something was denied that could be.
    frames: those in the code of nodes, the outermost first; None where nobody knows.
    """

    code: ErrorCode
    message: str
    type: str | None = None
    traceback: str | None = None
    hint: str | None = None
    frames: tuple[ErrorFrame, ...] | None = None


def exit_status(code: ErrorCode) -> ExitStatus:
    """The exit status of a command that ended with `code`; a node's own failures give 1."""
    return EXIT_STATUS.get(code, ExitStatus.NODE_FAILED)
