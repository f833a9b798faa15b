"""The exception by which the shell declines a request."""

from pyflowd_client.protocol.errors import ErrorCode, ErrorInfo


class Refusal(Exception):  # noqa: N818 - the protocol's word
    """A request is not carried out."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        super().__init__(message)
        self.error = ErrorInfo(code=code, message=message)
