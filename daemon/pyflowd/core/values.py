"""Values and code as the core sees them: opaque, with a size. It never looks inside."""

from typing import Protocol

from pyflowd.core.records import record


class Payload(Protocol):
    """Bytes that the shell holds, in memory or in a sealed memfd."""

    size: int

    def read(self) -> bytes:
        """The bytes themselves: for the shell only."""

    def close(self) -> None:
        """Give up whatever holds them."""


@record
class Value:
    """One output of a node, as JSON text in `payload`; type and preview were made by the worker."""

    payload: Payload
    type: str
    preview: str | None = None


@record
class Kept:
    """An output that is no JSON: an object in the process of its node, and of those that it is passed on to there.

    size_bytes: about. It is shown as a value that is too large to be.
    """

    type: str
    size_bytes: int
    preview: str | None = None
