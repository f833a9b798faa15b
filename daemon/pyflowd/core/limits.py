"""The figures that bound a run, its calls and the pool. Frozen; the settings make them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pyflowd_client.protocol.errors import ErrorCode, ErrorInfo
from pyflowd_client.protocol.options import LIMITS, RunOptions


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a run and each of its nodes may use. The names are those of a request's options; None is no limit.

    timeout_s: wall time of a node. run_timeout_s: wall time of the run, from its submission.
    cpu_s: CPU time of each process of a node, whole seconds as the kernel counts them.
    memory_bytes: private memory of each process, and resident memory of all processes of a node.
    output_bytes: output passed on as it comes; of what a node writes after that, only the end is kept.
    open_files: descriptors of each process. file_bytes: how long a file may become.
    processes: processes and threads that a node has at once.
    scratch_bytes, scratch_files: what a node keeps in its scratch folder.
    """

    timeout_s: float = 300.0
    run_timeout_s: float | None = None
    cpu_s: int | None = None
    memory_bytes: int = 2_000_000_000
    output_bytes: int = 1_000_000
    open_files: int | None = 1024
    file_bytes: int | None = 4_000_000_000
    processes: int = 512
    scratch_bytes: int = 1_000_000_000
    scratch_files: int = 100_000


Caps = Mapping[str, float]


def asked_limits(options: RunOptions) -> dict[str, Any]:
    """The limits that a request names."""
    return {name: figure for name in LIMITS if (figure := getattr(options, name)) is not None}


def limits_refusal(asked: Mapping[str, Any], caps: Caps) -> ErrorInfo | None:
    """Why these limits cannot be granted; `caps` are the highest that the settings allow."""
    for name, figure in asked.items():
        if not 0 < figure < float("inf"):
            return ErrorInfo(code=ErrorCode.BAD_INPUT, message=f"`{name}` must be a number over 0.")
        if figure > caps.get(name, figure):
            message = f"`{name}` may be {caps[name]:g} at most, the daemon's settings say; {figure:g} was asked for."
            return ErrorInfo(code=ErrorCode.NOT_PERMITTED, message=message)
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolLimits:
    """How many processes there may be.

    running: calls under way at once, over all environments. urgent: beside those, so many that go before others.
    spares: idle processes kept ready for each environment.
    held: processes that nodes of live sessions keep from one execution to the next.
    ahead: while calls wait, so many processes are forked in a row: that costs less than one after the other.
    reserve: so few left are filled up in the midst of work; else that waits until nobody has worked for quiet_s.
    first_spares_s: after its start an environment first serves who has waited for it.
    retire_s: an environment that nobody has used for so long is let go, unless it is to be kept warm.
    environments: when there are more, those that are not at work are let go, the longest unused first.
    memory_bytes: when their fork servers and spares need more, the same.
    """

    running: int = 4
    urgent: int = 4
    spares: int = 16
    held: int = 256
    ahead: int = 24
    reserve: int = 2
    quiet_s: float = 0.006
    first_spares_s: float = 0.03
    retire_s: float = 300.0
    environments: int = 12
    memory_bytes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Graces:
    """How long the daemon waits before it becomes ruder, seconds."""

    interrupt_s: float = 1.0
    leave_s: float = 1.0
    backoff_s: float = 1.0
    backoff_most_s: float = 30.0
    failures_until_broken: int = 5
