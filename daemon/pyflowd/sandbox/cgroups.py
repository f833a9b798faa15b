"""Control groups (v2), where systemd has handed the daemon its own: `Delegate=yes` in its unit.

    ours/daemon     the daemon, its fork servers, workers that are new
    ours/node-N     a node that has been at work for a tenth of a second, with all that it starts

A move takes as long as a small node, so that only long ones are moved. There the kernel bounds their memory, of any
kind, and their processes, and ends all of them at once. Refuses groups that were not handed over: systemd reckons with
nobody else in its own.
"""

import logging
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

CONTROLLERS = ("memory", "pids")
DELEGATED = ("user.delegate", "trusted.delegate")
OUT_OF_MEMORY = "oom_kill"

log = logging.getLogger(__name__)


def find_delegated() -> Path | None:
    """The group of this process, if it is ours to divide."""
    mounted = mount_point()
    with suppress(OSError, StopIteration):
        lines = Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()
        ours = next(line[3:] for line in lines if line.startswith("0::"))
        path = Path(f"{mounted}{ours}")
        if mounted is not None and _is_delegated(path) and os.access(path / "cgroup.procs", os.W_OK):
            return path
    return None


def _is_delegated(path: Path) -> bool:
    for name in DELEGATED:
        with suppress(OSError):
            if os.getxattr(path, name) == b"1":
                return True
    return False


def mount_point() -> str | None:
    """Where control groups v2 are mounted, if they are."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            words = line.split(" ")
            if words[words.index("-") + 1] == "cgroup2":
                return words[4]
    return None


def take_over() -> "Groups | None":
    """The groups of this daemon, before it has started any process; None where there are none to be had."""
    ours = find_delegated()
    if ours is None:
        return None
    try:
        groups = Groups(ours)
    except OSError as error:
        log.warning("the control group %s cannot be divided: %s", ours, error)
        return None
    log.info("nodes at work get control groups below %s, with limits on %s", ours, groups.controllers or "nothing")
    return groups


class Groups:
    """The groups below ours. OSError when they cannot be made after all."""

    def __init__(self, ours: Path) -> None:
        self._ours = ours
        self._made = 0
        home = ours / "daemon"
        home.mkdir(exist_ok=True)
        (home / "cgroup.procs").write_text(str(os.getpid()), encoding="ascii")
        there = (ours / "cgroup.controllers").read_text(encoding="ascii").split()
        self.controllers = tuple(name for name in CONTROLLERS if name in there)
        if self.controllers:
            wanted = " ".join(f"+{name}" for name in self.controllers)
            (ours / "cgroup.subtree_control").write_text(wanted, encoding="ascii")

    def new(self, memory_bytes: int, processes: int) -> "Group":
        """An empty group with limits, as far as the kernel has been told to keep them; OSError."""
        self._made += 1
        group = Group(self._ours / f"node-{self._made}")
        group.path.mkdir()
        if "memory" in self.controllers:
            group.set("memory.max", memory_bytes)
            group.set("memory.swap.max", 0)
            group.set("memory.oom.group", 1)
        if "pids" in self.controllers:
            group.set("pids.max", processes)
        return group


@dataclass(frozen=True, slots=True)
class Group:
    """One group of processes."""

    path: Path

    def set(self, name: str, figure: int) -> None:
        """Set a limit, where the kernel has it."""
        with suppress(FileNotFoundError):
            (self.path / name).write_text(str(figure), encoding="ascii")

    def take(self, pids: Iterable[int]) -> None:
        """Move processes here; those that are gone by now need no moving. What they start from now on starts here."""
        for pid in pids:
            with suppress(ProcessLookupError):
                (self.path / "cgroup.procs").write_text(str(pid), encoding="ascii")

    def has_run_out_of_memory(self) -> bool:
        """Whether the kernel has ended what was in here for that."""
        with suppress(OSError):
            for line in (self.path / "memory.events").read_text(encoding="ascii").splitlines():
                name, _, count = line.partition(" ")
                if name == OUT_OF_MEMORY:
                    return int(count) > 0
        return False

    def end(self) -> bool:
        """Kill all that is in here, at once; whether it is empty and gone by now."""
        with suppress(OSError):
            (self.path / "cgroup.kill").write_text("1", encoding="ascii")
        try:
            self.path.rmdir()
        except FileNotFoundError:
            return True
        except OSError:
            return False
        return True
