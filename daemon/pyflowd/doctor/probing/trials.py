"""`python -m pyflowd.doctor.probing.trials` tries what the sandbox needs of the kernel, and prints what failed as JSON.

Each trial has a process of its own, for none can be taken back. They do what the sandbox does, and look whether it
holds: a wall that denies nothing is none.
"""

import fcntl
import json
import os
import signal
import socket
import sys
from collections.abc import Callable

from pyflowd.worker_side import landlock, linux
from pyflowd.worker_side.confinement import PR_SET_NO_NEW_PRIVS
from pyflowd.worker_side.landlock import Ruleset
from pyflowd.worker_side.namespaces import CLONE_NEWNS, CLONE_NEWUSER
from pyflowd.worker_side.seccomp import Filter

SCOPES = landlock.SIGNALS | landlock.ABSTRACT_SOCKETS
HELD_OPEN = "it lets through what it should deny"


def _refuse_new_privileges() -> None:
    linux.prctl(PR_SET_NO_NEW_PRIVS, 1)


def _make_user_namespace() -> None:
    """And be somebody in it: where a kernel gives no capabilities in there, the mount is denied."""
    uid = os.getuid()
    linux.check(linux.unshare(CLONE_NEWUSER | CLONE_NEWNS))
    for name, text in (("setgroups", "deny"), ("uid_map", f"0 {uid} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as file:
            file.write(text)
    linux.check(linux.mount(b"tmpfs", b"/tmp", b"tmpfs", 0, None))


def _enter_landlock() -> None:
    if not landlock.version():
        raise OSError("the kernel has none, or it is not switched on")
    _refuse_new_privileges()
    Ruleset(files=True, tcp=True, scopes=SCOPES).enter()
    _expect_denial(lambda: os.listdir("/"))
    if landlock.version() >= landlock.VERSION_WITH_SCOPES:
        _expect_denial(lambda: os.kill(os.getppid(), 0))


def _load_filters() -> None:
    _refuse_new_privileges()
    for name in ("floor", "sockets"):
        Filter(name).load()
    _expect_denial(lambda: socket.socket(socket.AF_UNIX))


def _open_pidfd() -> None:
    signal.pidfd_send_signal(linux.open_pidfd(os.getpid()), 0)


def _seal_memfd() -> None:
    descriptor = os.memfd_create("pyflowd", os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC)
    fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, fcntl.F_SEAL_WRITE)
    _expect_denial(lambda: os.write(descriptor, b"1"))


TRIALS: dict[str, Callable[[], None]] = {
    "user namespaces": _make_user_namespace,
    "Landlock": _enter_landlock,
    "seccomp": _load_filters,
    "no_new_privs": _refuse_new_privileges,
    "pidfd": _open_pidfd,
    "memfd": _seal_memfd,
}


def _expect_denial(act: Callable[[], object]) -> None:
    try:
        act()
    except PermissionError:
        return
    raise OSError(HELD_OPEN)


def attempt(trial: Callable[[], None]) -> str:
    """Why it does not work; "" when it does."""
    reading, writing = os.pipe()
    pid = os.fork()
    if not pid:
        os.write(writing, _problem(trial).encode())
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, encoding="utf-8") as pipe:
        problem = pipe.read()
    _, status = os.waitpid(pid, 0)
    return f"signal {os.WTERMSIG(status)} ended the trial" if os.WIFSIGNALED(status) else problem


def _problem(trial: Callable[[], None]) -> str:
    try:
        trial()
    except Exception as error:
        return str(error) or repr(error)
    return ""


def main() -> None:
    """Try everything."""
    problems = {name: attempt(trial) for name, trial in TRIALS.items()}
    sys.stdout.write(json.dumps({"trials": problems, "landlock": landlock.version()}))


if __name__ == "__main__":
    main()
