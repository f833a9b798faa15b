"""Where a path leads that somebody names whom we do not trust: links are followed on file systems that answer.

To look something up on a network's file system, or where one is mounted at first use, can take for ever, and tells
another machine of it.
"""

import os
import re
from collections.abc import Iterator

LINKS_MOST = 40  # as the kernel
LOCAL_KINDS = (
    "bcachefs btrfs devtmpfs erofs exfat ext2 ext3 ext4 f2fs jfs ntfs3 overlay proc ramfs rootfs squashfs sysfs tmpfs"
    " vfat xfs zfs"
)
LOCAL = frozenset(LOCAL_KINDS.split())


def real_path(path: str) -> str | None:
    """The real path of what exists of it, with the rest as it is; None where nobody should look."""
    kinds = dict(_mounts())
    current, waiting, links = "/", path.split("/")[::-1], 0
    while waiting:
        name = waiting.pop()
        step = os.path.normpath(os.path.join(current, name))
        if _kind(step, kinds) not in LOCAL:
            return None
        target = _target(step)
        if not os.path.lexists(step):
            return os.path.normpath(os.path.join(step, *waiting[::-1]))
        if target is None:
            current = step
            continue
        links += 1
        if links > LINKS_MOST:
            return None
        current = "/" if target.startswith("/") else current
        waiting += target.split("/")[::-1]
    return current


def _target(path: str) -> str | None:
    try:
        return os.readlink(path)
    except OSError:
        return None


def _kind(path: str, kinds: dict[str, str]) -> str:
    while path not in kinds and path != "/":
        path = os.path.dirname(path)
    return kinds.get(path, "")


def _mounts() -> Iterator[tuple[str, str]]:
    """(mount point, kind of file system); of several at one place the last is what is seen."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as file:
        for line in file:
            words = line.split(" ")
            place = re.sub(r"\\(\d{3})", lambda match: chr(int(match[1], 8)), words[4])
            yield place, words[words.index("-") + 1]
