"""What the client raises. Every error knows the exit status that a command ending with it has.

They name what happened, not "error": `except DaemonLost` reads as the sentence it is.
"""
# ruff: noqa: N818

from pyflowd_client.protocol.errors import ErrorCode, ErrorInfo, ExitStatus, exit_status
from pyflowd_client.protocol.events import NodeFinished
from pyflowd_client.protocol.states import RunState


class PyflowdError(Exception):
    """The base of all errors of this package. The message is a sentence for people."""

    exit_status: ExitStatus = ExitStatus.UNAVAILABLE


class DaemonUnavailable(PyflowdError):
    """There is no daemon to talk to, and none could be started."""


class DaemonLost(PyflowdError):
    """The connection broke. What the daemon had accepted is reported as interrupted when the next one starts."""


class LocationRefused(PyflowdError):
    """The place for the daemon's socket is unusable or not safe."""

    exit_status = ExitStatus.CONFIGURATION


class ProtocolMismatch(PyflowdError):
    """Daemon and client share no protocol version, or what answers is no pyflowd at all."""

    exit_status = ExitStatus.PROTOCOL


class RequestUnsendable(PyflowdError):
    """The request is too large, or holds text or numbers that cannot travel."""

    exit_status = ExitStatus.USAGE


class GraphFileError(PyflowdError):
    """A graph file that cannot be read."""

    exit_status = ExitStatus.BAD_GRAPH


class RequirementsFileError(PyflowdError):
    """A file of requirements that cannot be read, or has something in it that cannot be passed on."""

    exit_status = ExitStatus.USAGE


class UsageRefused(PyflowdError):
    """A command line that makes no sense."""

    exit_status = ExitStatus.USAGE


class Refused(PyflowdError):
    """The daemon did not carry a request out. `code` says why."""

    def __init__(self, error: ErrorInfo) -> None:
        super().__init__(error.message)
        self.error = error
        self.code: ErrorCode = error.code
        self.exit_status = exit_status(error.code)


class ChangeRefused(Refused):
    """A live session was not changed. `change` is what the change was called; the session goes on without it."""

    def __init__(self, error: ErrorInfo, change: str) -> None:
        super().__init__(error)
        self.change = change


class RunFailed(PyflowdError):
    """A run ended in another state than succeeded.

    state: how it ended; failures: the nodes that failed, as their events; error: what ended the whole run, if anything.
    """

    def __init__(
        self, message: str, *, state: RunState, failures: tuple[NodeFinished, ...], error: ErrorInfo | None
    ) -> None:
        super().__init__(message)
        self.state = state
        self.failures = failures
        self.error = error
        self.exit_status = run_exit_status(state, failures, error)


def run_exit_status(state: RunState, failures: tuple[NodeFinished, ...], error: ErrorInfo | None) -> ExitStatus:
    """The exit status of a run that is over."""
    if state is RunState.SUCCEEDED:
        return ExitStatus.DONE
    if error is not None:
        return exit_status(error.code)
    if state in (RunState.CANCELLED, RunState.INTERRUPTED):
        return ExitStatus.INTERRUPTED
    if any(node.error is not None and exit_status(node.error.code) is ExitStatus.TIME_LIMIT for node in failures):
        return ExitStatus.TIME_LIMIT
    return ExitStatus.NODE_FAILED
