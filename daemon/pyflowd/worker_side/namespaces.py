"""A worker's own processes and files and, where needed, IPC objects and network: Linux namespaces.

The zygote has CAP_SYS_ADMIN in a user namespace that bubblewrap made, and nowhere else. For each worker it makes a
process namespace, whose first process waits for ever and shares the zygote's memory: it costs no copied page. So a
worker is an ordinary process, which signals end as everywhere; when it is dead the first one is killed, and the
kernel ends with it whatever the worker left behind, before anybody hears of its death.

The rest the worker does itself: mounts of its own, then a user namespace of its own, in which it has no mapped user
and, after `give_up`, no capability. There the processes of one node are counted apart from those of others.
"""

from __future__ import annotations

import ctypes
import mmap
import os
from resource import RLIMIT_NPROC, setrlimit

from . import linux
from .linux import check
from .scratch import OWN_FILES

CLONE_VM, CLONE_FILES = 0x100, 0x400
CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWUSER, CLONE_NEWPID, CLONE_NEWNET = (
    0x20000,
    0x08000000,
    0x10000000,
    0x20000000,
    0x40000000,
)
MS_NOSUID, MS_NODEV, MS_NOEXEC = 2, 4, 8
SIGCHLD, SIGKILL = 17, 9
STACK_BYTES = 16384
ALIGNED = 16
FOLDERS = ("scratch", "shm")


class Namespaces:
    """What the workers of one zygote are given.

    place: the folder where each worker sees a file system of its own, `files_most` files and `bytes_most` large.
    processes_most: processes and threads that it may have. own_network: an empty network of its own.
    """

    def __init__(self, place: str, bytes_most: int, files_most: int, processes_most: int, own_network: bool) -> None:
        self.scratch = os.path.join(place, FOLDERS[0])
        self._place = os.fsencode(place)
        self._folders = [os.fsencode(os.path.join(place, name)) for name in FOLDERS]
        self._options = b"mode=700,size=%d,nr_inodes=%d" % (bytes_most, files_most + len(FOLDERS) + 1)
        self._processes_most = processes_most
        self._kinds = CLONE_NEWNS | CLONE_NEWIPC | (CLONE_NEWNET if own_network else 0)
        self._own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
        self._stack = mmap.mmap(-1, STACK_BYTES)
        self._stack.madvise(mmap.MADV_DONTFORK)  # who could write to it would say what the next first process does
        self._stack_top = ctypes.addressof(ctypes.c_char.from_buffer(self._stack)) + STACK_BYTES - ALIGNED

    def share_ipc(self) -> None:
        """Workers cannot make IPC objects, nor use any: they need no namespace of their own for that."""
        self._kinds &= ~CLONE_NEWIPC

    def open(self) -> int:
        """In the zygote: what it forks next lives in a new process namespace. Its first process, to be killed."""
        check(linux.unshare(CLONE_NEWPID))
        # All of them wait on one stack: none ever returns, so what the next one writes there is what is there. They
        # share our descriptors, for their copies would keep open what the workers' own ends are.
        return check(linux.clone(linux.PAUSE, self._stack_top, CLONE_VM | CLONE_FILES | SIGCHLD, None))

    def close(self) -> None:
        """In the zygote: what it forks next lives where it does itself."""
        check(linux.setns(self._own, CLONE_NEWPID))

    def enter(self) -> None:
        """In the worker: see nothing of others any more, neither files nor processes nor IPC objects."""
        check(linux.unshare(self._kinds))
        check(linux.mount(b"tmpfs", self._place, b"tmpfs", MS_NOSUID | MS_NODEV, self._options))
        for folder in self._folders:
            os.mkdir(folder, 0o700)
        OWN_FILES.place = self.scratch
        check(linux.mount(b"proc", b"/proc", b"proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, None))

    def give_up(self) -> None:
        """In the worker, last: no capability is left, and its processes are counted from here."""
        check(linux.unshare(CLONE_NEWUSER))
        setrlimit(RLIMIT_NPROC, (self._processes_most, self._processes_most))
        linux.drop_capabilities()
