"""The figures that bound a call and the pool. Frozen; the settings make them."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CallLimits:
    """What one call may use. `cpu_s` is whole seconds, as the kernel counts them."""

    wall_s: float = 300.0
    memory_bytes: int = 2_000_000_000
    cpu_s: int | None = None
    output_bytes: int = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolLimits:
    """How many processes there may be.

    running: calls under way at once, over all environments.
    spares: idle processes kept ready for each environment.
    ahead: while calls wait, so many processes are forked in a row: that costs less than one after the other.
    reserve: so few left are filled up in the midst of work; else that waits until nobody has worked for quiet_s.
    first_spares_s: after its start an environment first serves who has waited for it.
    """

    running: int = 4
    spares: int = 16
    ahead: int = 24
    reserve: int = 2
    quiet_s: float = 0.006
    first_spares_s: float = 0.03


@dataclass(frozen=True, slots=True, kw_only=True)
class Graces:
    """How long the daemon waits before it becomes ruder, seconds."""

    interrupt_s: float = 1.0
    leave_s: float = 1.0
    backoff_s: float = 1.0
    backoff_most_s: float = 30.0
    failures_until_broken: int = 5
