"""Stamps: texts that change when a file does, or anything in a folder. Nothing is opened, and no link is followed.

Times are as coarse as the clock they come from, so that two changes which follow each other at once may have the same:
of what has changed just now there is no stamp. Its change time counts, which no program can set.
"""

import hashlib
import os
import stat
import time
from collections.abc import Callable, Iterable, Iterator

from pyflowd.core.paths import is_within

ENTRIES_MOST = 10_000
COARSE_NS, FINE_NS = 2_000_000_000, 100_000_000
WHOLE_SECOND_NS = 1_000_000_000
ELSEWHERE = ("/proc", "/sys", "/dev")  # what is read there is made at that moment


class UnstampableError(Exception):
    """There is no stamp of this path; the message says why."""


def stamp_of(paths: Iterable[str], now_ns: Callable[[], int] = time.time_ns) -> str:
    """A digest for all of these files, and folders with all that is below them. UnstampableError.

    now_ns: the clock by which files are dated, nanoseconds since the epoch.
    """
    digest = hashlib.blake2b(digest_size=16)
    for count, (path, found) in enumerate(_entries(paths)):
        if count == ENTRIES_MOST:
            raise UnstampableError(f"more than {ENTRIES_MOST} files would have to be looked at, {path!r} among them")
        if now_ns() - found.st_ctime_ns < _clock_step_ns(found.st_ctime_ns):
            raise UnstampableError(f"{path!r} has changed just now")
        digest.update(_described(path, found))
    return digest.hexdigest()


def _entries(paths: Iterable[str]) -> Iterator[tuple[str, os.stat_result]]:
    """Each path with all below it, in an order that does not depend on the file system."""
    waiting: list[tuple[str, int | None]] = [(path, None) for path in sorted(paths, reverse=True)]
    for path, _ in waiting:
        if is_within(path, ELSEWHERE):
            raise UnstampableError(f"{path!r} is no file on a disk")
    while waiting:
        path, device = waiting.pop()
        try:
            found = os.lstat(path)
            if device not in (None, found.st_dev):  # nodes may see what lies below what was mounted since
                raise UnstampableError(f"{path!r} is on another disk than the folder it is in")
            yield path, found
            if stat.S_ISDIR(found.st_mode):
                waiting += [(os.path.join(path, name), found.st_dev) for name in _names_in(path)]
        except (OSError, ValueError) as error:
            raise UnstampableError(f"{path!r} cannot be looked at ({error})") from None


def _names_in(folder: str) -> list[str]:
    names = []
    with os.scandir(folder) as entries:
        for entry in entries:
            names.append(entry.name)
            if len(names) > ENTRIES_MOST:
                break
    return sorted(names, reverse=True)


def _described(path: str, found: os.stat_result) -> bytes:
    kind = stat.S_IFMT(found.st_mode)
    if kind not in (stat.S_IFREG, stat.S_IFDIR, stat.S_IFLNK):
        raise UnstampableError(f"{path!r} is neither a file nor a folder")
    target = os.readlink(path) if kind == stat.S_IFLNK else ""
    numbers = (found.st_dev, found.st_ino, found.st_mode, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
    return repr((os.fsencode(path), os.fsencode(target), numbers)).encode("ascii")


def _clock_step_ns(time_ns: int) -> int:
    """How long a second change may have the same time. Clocks that count seconds are FAT's and some networks'."""
    return FINE_NS if time_ns % WHOLE_SECOND_NS else COARSE_NS
