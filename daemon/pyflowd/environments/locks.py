"""Files that one process at a time has locked. The kernel unlocks them when whoever did it is dead, with its children.

A lock file is deleted by who holds it, so whoever gets the lock looks whether the file is still the one of that name.
"""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Lock:
    """waits: for others, or else BlockingIOError. told: called once before waiting."""

    waits: bool = True
    told: Callable[[], None] = lambda: None


@contextmanager
def locked(path: Path, lock: Lock) -> Iterator[int]:
    """Yields the descriptor: children that inherit it hold the lock as well, until they are dead or it is unlocked."""
    descriptor = _acquire(path, lock)
    try:
        yield descriptor
    finally:
        with suppress(OSError):
            path.unlink()
        fcntl.flock(descriptor, fcntl.LOCK_UN)
        os.close(descriptor)


def is_free(path: Path) -> bool:
    """Whether nobody holds it now."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def _acquire(path: Path, lock: Lock) -> int:
    told = False
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not lock.waits:
                os.close(descriptor)
                raise
            if not told:
                lock.told()
            told = True
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        if _is_still(path, descriptor):
            return descriptor
        os.close(descriptor)


def _is_still(path: Path, descriptor: int) -> bool:
    with suppress(FileNotFoundError):
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    return False
