"""What the sandbox is made of: features of the kernel, bubblewrap, control groups."""

import json
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from pyflowd.doctor.facts import Bubblewrap, ControlGroups, Kernel
from pyflowd.doctor.probing.commands import outcome
from pyflowd.sandbox.bubblewrap import find_bubblewrap, has_setuid

SETTINGS = Path("/proc/sys")
SWITCHES = (
    "user.max_user_namespaces",
    "kernel.unprivileged_userns_clone",
    "kernel.apparmor_restrict_unprivileged_userns",
)
MODULES = Path("/sys/kernel/security/lsm")
GROUPS = Path("/sys/fs/cgroup")
OWN_GROUPS = Path("/proc/self/cgroup")


def find_kernel() -> Kernel:
    """Tries the features in processes of their own, as the daemon could use them."""
    tried = outcome([sys.executable, "-P", "-m", "pyflowd.doctor.probing.trials"])
    found: dict[str, Any] = json.loads(tried.output) if tried.output else {"trials": {}, "landlock": 0}
    return Kernel(
        machine=os.uname().machine,
        trials=found["trials"],
        landlock=found["landlock"],
        modules=_text(MODULES),
        switches={name: value for name in SWITCHES if (value := _switch(name)) is not None},
    )


def find_wrapper(folders: str | None = None) -> Bubblewrap:
    """Looks for bubblewrap, in `folders` if they are named, and makes a sandbox with it."""
    program = find_bubblewrap(folders)
    if program is None:
        return Bubblewrap(program=None)
    namespaces = ("--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-net")
    tried = outcome([program, *namespaces, "--bind", "/", "/", "--proc", "/proc", "--", "true"])
    return Bubblewrap(
        program=program,
        version=outcome([program, "--version"]).output.removeprefix("bubblewrap "),
        has_setuid=has_setuid(program),
        problem=tried.problem,
    )


def find_control_groups() -> ControlGroups:
    """Looks for the daemon's own group of version 2."""
    if not (GROUPS / "cgroup.controllers").exists():
        return ControlGroups(is_mounted=False)
    own = next((line[3:] for line in _text(OWN_GROUPS).splitlines() if line.startswith("0::")), "/")
    group = GROUPS / own.lstrip("/")
    is_ours = all(
        os.access(path, os.W_OK) for path in (group, group / "cgroup.procs", group / "cgroup.subtree_control")
    )
    return ControlGroups(
        is_mounted=True, is_ours=is_ours, controllers=tuple(_text(group / "cgroup.controllers").split())
    )


def _switch(name: str) -> int | None:
    text = _text(SETTINGS / name.replace(".", "/"))
    return int(text) if text.isdecimal() else None


def _text(path: Path) -> str:
    with suppress(OSError):
        return path.read_text(encoding="utf-8", errors="replace").strip()
    return ""
