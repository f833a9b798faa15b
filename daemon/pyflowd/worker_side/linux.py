"""The Linux calls that the standard library lacks, by ctypes.

Bound once, before any fork, so that a child pays only for the call. Refuses to hide errors: OSError with errno.
"""

from __future__ import annotations

import ctypes
import os
from _signal import SIGKILL  # type: ignore[import-not-found]

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
FIONREAD = 0x541B  # `termios` has it too, and five mappings for each fork to copy
SYS_PIDFD_OPEN = 434  # the same number on every architecture
SFD_CLOEXEC, SFD_NONBLOCK = 0o2000000, 0o4000
SIGSET_BYTES = 128

_libc = ctypes.CDLL(None, use_errno=True)
_prctl = ctypes.CDLL(None).prctl  # without errno: a fresh process calls it twice, and needs no more than yes or no
_prctl.argtypes = [ctypes.c_int, ctypes.c_ulong]
_fflush = _libc.fflush
_fflush.argtypes = [ctypes.c_void_p]
_syscall = _libc.syscall
_syscall.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_long]
_syscall.restype = ctypes.c_long


def die_with_parent() -> None:
    """SIGKILL for this process when its parent dies. A parent already dead is the caller's to notice."""
    if _prctl(PR_SET_PDEATHSIG, SIGKILL):
        raise OSError("prctl(PR_SET_PDEATHSIG) failed")


def adopt_orphans() -> None:
    """Make this process the parent of every descendant that loses its own."""
    if _prctl(PR_SET_CHILD_SUBREAPER, 1):
        raise OSError("prctl(PR_SET_CHILD_SUBREAPER) failed")


def flush_stdio() -> None:
    """Write out what C code has buffered in any FILE."""
    _fflush(None)


def open_pidfd(pid: int) -> int:
    """A descriptor that stands for a process and outlives its number."""
    if hasattr(os, "pidfd_open"):
        return int(os.pidfd_open(pid))
    descriptor = _check(_syscall(SYS_PIDFD_OPEN, pid, 0))  # Python 3.8
    os.set_inheritable(descriptor, False)
    return descriptor


def open_signalfd(number: int) -> int:
    """A descriptor that turns readable when signal `number`, which must be blocked, arrives."""
    mask = (1 << (number - 1)).to_bytes(SIGSET_BYTES, "little")
    return _check(_libc.signalfd(-1, mask, SFD_CLOEXEC | SFD_NONBLOCK))


def _check(result: int) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
