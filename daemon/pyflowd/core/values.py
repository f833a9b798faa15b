"""Values and code as the core sees them: opaque, with a size. It never looks inside."""

from dataclasses import dataclass
from typing import Protocol


class Payload(Protocol):
    """Bytes that the shell holds, in memory or in a sealed memfd."""

    size: int

    def read(self) -> bytes:
        """The bytes themselves: for the shell only."""

    def close(self) -> None:
        """Give up whatever holds them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Value:
    """One output of a node, as JSON text in `payload`; type and preview were made by the worker."""

    payload: Payload
    type: str
    preview: str | None = None
