"""Resource limits of one call.

RLIMIT_DATA bounds private memory, not shared mappings nor memfds: the kernel has no rlimit for those. RLIMIT_CPU counts
one process, not its children; the wall clock is the daemon's. Limits are only ever lowered: a process cannot raise
its own hard limit, so a resident worker keeps the lowest it was given.
"""

from __future__ import annotations

import resource

CPU_GRACE_S = 2


def refuse_core_dumps() -> None:
    """No core files, for this process and every one it forks."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def limit_memory(memory_bytes: int) -> None:
    """Bound private memory: an allocation beyond it is a MemoryError."""
    _lower(resource.RLIMIT_DATA, memory_bytes, memory_bytes)


def limit_cpu(cpu_s: int, last: bool) -> None:
    """Bound CPU time from now on: SIGXCPU at `cpu_s`; SIGKILL soon after, if this is the process's last call."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    soft = int(usage.ru_utime + usage.ru_stime) + cpu_s
    _lower(resource.RLIMIT_CPU, soft, soft + CPU_GRACE_S if last else resource.RLIM_INFINITY)


def _lower(kind: int, soft: int, hard: int) -> None:
    ceiling = resource.getrlimit(kind)[1]
    resource.setrlimit(kind, (_least(soft, ceiling), _least(hard, ceiling)))


def _least(limit: int, ceiling: int) -> int:
    if resource.RLIM_INFINITY in (limit, ceiling):
        return ceiling if limit == resource.RLIM_INFINITY else limit
    return min(limit, ceiling)
