"""A user namespace for a daemon that root has started: its nodes are a user who owns nothing.

Two users are mapped: root, who sets the view up, and the one whom nodes become. `Popen` hands the descriptor on.
"""

import ctypes
import mmap
import os
import pwd
import signal
from contextlib import suppress

from pyflowd.worker_side import linux

CLONE_VM, CLONE_NEWUSER = 0x100, 0x10000000
STACK_BYTES = 16384


def node_ids(name: str) -> tuple[int, int]:
    """User and group of nodes when root is the one who starts the daemon; KeyError when there is no such user."""
    found = pwd.getpwnam(name)
    return found.pw_uid, found.pw_gid


def make_user_namespace(uid: int, gid: int) -> int:
    """A descriptor of a new user namespace in which root and this user exist; OSError where the system refuses."""
    with mmap.mmap(-1, STACK_BYTES) as stack:
        top = ctypes.addressof(ctypes.c_char.from_buffer(stack)) + STACK_BYTES - 64
        pid = linux.check(linux.clone(linux.PAUSE, top, CLONE_VM | CLONE_NEWUSER | signal.SIGCHLD, None))
        try:
            for kind, number in (("uid", uid), ("gid", gid)):
                with open(f"/proc/{pid}/{kind}_map", "w", encoding="ascii") as file:
                    file.write(f"0 0 1\n{number} {number} 1")
            return os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
        finally:
            os.kill(pid, signal.SIGKILL)
            with suppress(ChildProcessError):
                os.waitpid(pid, 0)
