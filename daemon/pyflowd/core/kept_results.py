"""Results that are kept: what is asked about one, what it depends on, and what it is."""

from pyflowd.core.permissions import Variables
from pyflowd.core.records import record
from pyflowd.core.values import Value

Parts = tuple[tuple[str, str], ...]


@record
class ResultQuestion:
    """What the result of a node depends on, beside its inputs and what lies on the disk.

    place: which node of which graph it is, for comparisons; it does not decide. outputs: the names of its pins.
    permissions: canonical text. paths: files and folders that it can read beyond what every node can.
    identities: which of them were granted, whatever lies there by now; those are what it sees.
    explains: whether somebody wants to know what differs from an earlier result of the same place.
    """

    place: str
    source: str
    outputs: tuple[str, ...]
    python: str
    permissions: str
    variables: Variables
    seed: int | None
    paths: tuple[str, ...]
    identities: tuple[str, ...]
    explains: bool


@record
class ResultKey:
    """A digest of all that a result depends on, and of each part, by its name.

    fingerprint: of the environment, which whoever executes the node must have known it by.
    """

    digest: str
    parts: Parts
    fingerprint: str


@record
class KeptResult:
    """What a node that succeeded has left: outputs in declared order, what it wrote as (stream, text), warnings."""

    outputs: tuple[tuple[str, Value], ...]
    texts: tuple[tuple[str, str], ...]
    warnings: tuple[str, ...]
