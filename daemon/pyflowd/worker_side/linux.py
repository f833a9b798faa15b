"""The Linux calls that the standard library lacks, by ctypes.

Bound once, before any fork, so that a child pays only for the call. Those that every child makes take plain integers:
each declared argument type would be more pages for it to copy. Refuses to hide errors: OSError with errno.
"""

from __future__ import annotations

import ctypes
import os
import struct
from _signal import SIGKILL  # type: ignore[import-not-found]

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36
SYS_PIDFD_OPEN = 434  # the same number on every architecture
SFD_CLOEXEC, SFD_NONBLOCK = 0o2000000, 0o4000
SIGSET_BYTES = 128
CAPABILITY_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)
_plain_libc = ctypes.CDLL(None)  # without errno: what fresh processes call needs no more than yes or no
_prctl = _plain_libc.prctl
fflush = _plain_libc.fflush  # fflush(None) writes out what C code has buffered in any FILE
unshare, setns = _libc.unshare, _libc.setns
clone, mount = _libc.clone, _libc.mount
clone.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p]
mount.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p]
PAUSE = ctypes.cast(_libc.pause, ctypes.c_void_p)
_syscall = _libc.syscall
_syscall.argtypes = [ctypes.c_long] * 5
_syscall.restype = ctypes.c_long
_any_prctl = _libc["prctl"]
_any_prctl.argtypes = [ctypes.c_int, *[ctypes.c_ulong] * 4]
_NO_CAPABILITIES = ctypes.create_string_buffer(24)
_OF_THIS_PROCESS = ctypes.create_string_buffer(struct.pack("=Ii", CAPABILITY_VERSION_3, 0))


def belong_to_parent() -> None:
    """SIGKILL for this process when its parent dies; and it is the parent of each descendant that loses its own.

    A parent already dead is the caller's to notice.
    """
    if _prctl(PR_SET_PDEATHSIG, SIGKILL) or _prctl(PR_SET_CHILD_SUBREAPER, 1):
        raise OSError("prctl failed")


def die_with_parent(*, whether: bool) -> None:
    """SIGKILL for this process when its parent dies, or not any more. One already dead is the caller's to notice."""
    prctl(PR_SET_PDEATHSIG, SIGKILL if whether else 0)


def adopt_orphans() -> None:
    """Make this process the parent of every descendant that loses its own."""
    if _prctl(PR_SET_CHILD_SUBREAPER, 1):
        raise OSError("prctl(PR_SET_CHILD_SUBREAPER) failed")


def syscall(number: int, *arguments: int) -> int:
    """A call that libc has no function for, with four arguments at most: what it gives, negative with errno set."""
    result: int = _syscall(number, *arguments, *(0,) * (4 - len(arguments)))
    return result


def prctl(option: int, first: int, second: int = 0) -> None:
    """prctl(2) with plain numbers; OSError."""
    check(_any_prctl(option, first, second, 0, 0))


def drop_capabilities() -> None:
    """Have none from now on."""
    check(_libc.capset(_OF_THIS_PROCESS, _NO_CAPABILITIES))


def keep_capabilities(numbers: tuple[int, ...]) -> None:
    """Have these, of those that are permitted, and no others."""
    low = sum(1 << number for number in numbers)
    kept = ctypes.create_string_buffer(struct.pack("=6I", low, low, 0, 0, 0, 0))
    check(_libc.capset(_OF_THIS_PROCESS, kept))


def open_pidfd(pid: int) -> int:
    """A descriptor that stands for a process and outlives its number."""
    if hasattr(os, "pidfd_open"):
        return int(os.pidfd_open(pid))
    descriptor = check(syscall(SYS_PIDFD_OPEN, pid))  # Python 3.8
    os.set_inheritable(descriptor, False)
    return descriptor


def open_signalfd(number: int) -> int:
    """A descriptor that turns readable when signal `number`, which must be blocked, arrives."""
    mask = (1 << (number - 1)).to_bytes(SIGSET_BYTES, "little")
    return check(_libc.signalfd(-1, mask, SFD_CLOEXEC | SFD_NONBLOCK))


def check(result: int) -> int:
    """What a call gave, or the OSError that errno stands for."""
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return result
