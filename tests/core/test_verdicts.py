"""What the end of a process, and an answer over a limit, is called."""

import pytest

from pyflowd.core import verdicts
from pyflowd.core.limits import Limits
from pyflowd_client.protocol.errors import ErrorCode, ErrorInfo

LIMITS = Limits()


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (ErrorCode.MEMORY_LIMIT, "asked for more memory than its limit of 2 GB leaves"),
        (ErrorCode.OPEN_FILES_LIMIT, "had more files open than its limit of 1024 allows"),
        (ErrorCode.FILE_SIZE_LIMIT, "wrote more into a file than its limit of 4 GB allows"),
        (ErrorCode.PROCESSES_LIMIT, "had more processes than its limit of 512 allows"),
        (ErrorCode.SCRATCH_LIMIT, "filled its scratch folder: the limit is 1 GB"),
        (ErrorCode.SCRATCH_FILES_LIMIT, "filled its scratch folder: the limit is 100000 files"),
    ],
)
def test_a_breach_has_its_figure_and_what_the_node_saw(code: ErrorCode, words: str) -> None:
    error = ErrorInfo(code=code, message="no more", type="OSError", traceback="t", hint="h")
    told = verdicts.with_figures(error, LIMITS)
    assert told == ErrorInfo(code=code, message=f"The node {words} (no more).", type="OSError", traceback="t", hint="h")


def test_what_is_no_breach_stays_as_it_is() -> None:
    error = ErrorInfo(code=ErrorCode.EXCEPTION, message="no")
    assert verdicts.with_figures(error, LIMITS) is error
    unlimited = ErrorInfo(code=ErrorCode.OPEN_FILES_LIMIT, message="no")
    assert verdicts.with_figures(unlimited, Limits(open_files=None)) is unlimited


def test_an_error_with_another_code_or_traceback_keeps_the_rest() -> None:
    error = ErrorInfo(code=ErrorCode.CANCELLED, message="m", type="KeyboardInterrupt", traceback="t", hint="h")
    assert verdicts.with_code(error, ErrorCode.EXCEPTION).hint == "h"
    assert verdicts.with_traceback(error, "u") == ErrorInfo(
        code=ErrorCode.CANCELLED, message="m", type="KeyboardInterrupt", traceback="u", hint="h"
    )
