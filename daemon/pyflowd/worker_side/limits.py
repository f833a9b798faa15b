"""Resource limits of one call.

RLIMIT_DATA bounds private memory, not shared mappings nor memfds: the kernel has no rlimit for those. RLIMIT_CPU counts
one process, not its children; the wall clock is the daemon's. Limits are only ever lowered: a process cannot raise
its own hard limit, so a resident worker keeps the lowest it was given. (Of CPU time that is so for its last call only.)
"""

from __future__ import annotations

from resource import RLIM_INFINITY, RLIMIT_CORE, RLIMIT_CPU, getrlimit, setrlimit
from time import process_time

CPU_GRACE_S = 2


def refuse_core_dumps() -> None:
    """No core files, for this process and every one it forks."""
    setrlimit(RLIMIT_CORE, (0, 0))


def lower(which: int, most: int) -> None:
    """Bound a resource of the kernel's, by its number in `resource`; a lower bound that is there stays."""
    _, ceiling = getrlimit(which)
    if ceiling == RLIM_INFINITY or most < ceiling:
        ceiling = most
    setrlimit(which, (ceiling, ceiling))


def limit_cpu(cpu_s: int, last: int) -> None:
    """Bound CPU time from now on: SIGXCPU at `cpu_s`; SIGKILL soon after, if this is the process's last call."""
    soft = int(process_time() + cpu_s + 0.9)  # what it used so far is not its fault, nor a tenth of a second
    _, ceiling = getrlimit(RLIMIT_CPU)
    unbounded = ceiling == RLIM_INFINITY
    if last and (unbounded or soft + CPU_GRACE_S < ceiling):
        ceiling = soft + CPU_GRACE_S
    setrlimit(RLIMIT_CPU, (soft if unbounded or soft < ceiling else ceiling, ceiling))


def unlimit_cpu() -> None:
    """Bound CPU time no longer, as far as that is possible."""
    _, ceiling = getrlimit(RLIMIT_CPU)
    setrlimit(RLIMIT_CPU, (ceiling, ceiling))
