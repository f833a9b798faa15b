"""Processes that dead workers left behind.

Every worker adopts the orphans among its descendants for as long as it lives, and the zygote adopts those of dead
workers. So whatever is a child of the zygote without being its own is a stranger whose worker is dead: found by
parentage alone, whatever sessions or groups it made for itself. Refuses to wait: a death is seen by the reaper.
"""

from __future__ import annotations

import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Container

_CHILDREN = "/proc/self/task/%d/children"


def kill_strangers(own: Container[int]) -> bool:
    """SIGKILL every child that is not in `own`, with its process group; whether there was any."""
    found = False
    for pid in children():
        if pid in own:
            continue
        found = True
        try:
            group = os.getpgid(pid)
            if group not in own and group != os.getpgrp():
                os.killpg(group, signal.SIGKILL)
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
    return found


def children() -> list[int]:
    """Those of this process, with the dead that nobody has asked for."""
    pid = os.getpid()
    try:
        with open(_CHILDREN % pid, "rb") as file:
            return [int(word) for word in file.read().split()]
    except FileNotFoundError:  # a kernel without CONFIG_PROC_CHILDREN
        return [int(name) for name in os.listdir("/proc") if name.isdigit() and _parent(name) == pid]


def _parent(name: str) -> int:
    try:
        with open("/proc/%s/stat" % name, "rb") as file:
            stat = file.read()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int(stat[stat.rindex(b")") + 1 :].split(None, 2)[1])
