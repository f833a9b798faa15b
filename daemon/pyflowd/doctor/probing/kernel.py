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
from pyflowd.sandbox.cgroups import Groups, mount_point

SETTINGS = Path("/proc/sys")
SWITCHES = (
    "user.max_user_namespaces",
    "kernel.unprivileged_userns_clone",
    "kernel.apparmor_restrict_unprivileged_userns",
)
MODULES = Path("/sys/kernel/security/lsm")


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


def find_control_groups(ours: Groups | None) -> ControlGroups:
    """What there is of version 2, and what of it the daemon has divided."""
    return ControlGroups(
        is_mounted=mount_point() is not None, is_ours=ours is not None, controllers=ours.controllers if ours else ()
    )


def _switch(name: str) -> int | None:
    text = _text(SETTINGS / name.replace(".", "/"))
    return int(text) if text.isdecimal() else None


def _text(path: Path) -> str:
    with suppress(OSError):
        return path.read_text(encoding="utf-8", errors="replace").strip()
    return ""
