"""Folders with all below them: deleted, whatever their permissions; measured, and opened for others to read."""

import os
import shutil
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Any

READABLE = stat.S_IRUSR | stat.S_IRGRP | stat.S_IROTH
REACHABLE = READABLE | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH
EXECUTABLE = stat.S_IXUSR


def delete_tree(folder: Path) -> None:
    """Deletes a folder, which may be gone, with what is in it; links are not followed."""
    if os.path.lexists(folder):
        shutil.rmtree(folder, onerror=_retry)


def settle_tree(folder: Path) -> int:
    """Bytes on the disk. Others can read everything afterwards: a resolver's cache may have been filled privately."""
    total = 0
    waiting = [str(folder)]
    while waiting:
        current = waiting.pop()
        _allow(current, os.stat(current).st_mode, REACHABLE)
        with os.scandir(current) as entries:
            for entry in entries:
                found = entry.stat(follow_symlinks=False)
                total += found.st_blocks * 512
                if stat.S_ISDIR(found.st_mode):
                    waiting.append(entry.path)
                elif stat.S_ISREG(found.st_mode):
                    _allow(entry.path, found.st_mode, REACHABLE if found.st_mode & EXECUTABLE else READABLE)
    return total


def _allow(path: str, mode: int, bits: int) -> None:
    if mode & bits != bits:
        os.chmod(path, stat.S_IMODE(mode) | bits)


def _retry(act: Callable[..., Any], path: str, reason: Any) -> None:
    """The folder around it may not be writable: a package may bring such ones."""
    if isinstance(reason[1], FileNotFoundError):
        return
    os.chmod(os.path.dirname(path), stat.S_IRWXU)
    if os.path.isdir(path) and not os.path.islink(path):
        os.chmod(path, stat.S_IRWXU)
        delete_tree(Path(path))
        return
    act(path)
