"""The scratch folders of workers: each an empty folder of its own, nothing of it left for the next.

    new > a worker's > no process of the worker is left > full > emptied and removed, by a process of its own
                                                        > empty > the next worker's

A file system may take longer to make and remove a folder than a node takes to run, so empty ones serve again; a new
one is made by the worker it is for. Follows no link; what the node made unreadable is opened up first; refuses to
fail: what cannot be removed stays.
"""

from __future__ import annotations

import contextlib
import os
import stat

KEPT_MOST = 256
MODE = 0o700
NODES = "nodes"


class ScratchFolders:
    """The folders of one zygote's workers, in `root`, which is its own. Those of living workers are theirs.

    They lie in a folder of that: the zygote may write nowhere else, not even to make `root` again, when somebody has
    cleaned up.
    """

    def __init__(self, root: str) -> None:
        self._root = os.path.join(root, NODES)
        with contextlib.suppress(OSError):  # then workers will find the same, and say so
            os.makedirs(self._root, MODE, exist_ok=True)
        self._clean: list[str] = []

    @property
    def is_there(self) -> bool:
        """Whether `root` is: where we are bound in files, another in its place is none of ours."""
        return os.path.isdir(os.path.dirname(self._root))

    def take(self, worker: int) -> tuple[str, bool]:
        """The path of an empty folder for a worker, and whether it is there already."""
        if self._clean:
            return self._clean.pop(0), True
        return os.path.join(self._root, str(worker)), False

    def give_back(self, folder: str) -> bool:
        """No process is left that knows it. False: it is not as new, and must be removed with what is in it."""
        if len(self._clean) < KEPT_MOST and _is_as_new(folder):
            self._clean.append(folder)
            return True
        return _remove_if_empty(folder)

    def close(self) -> None:
        """Remove all that no worker has."""
        for folder in (*self._clean, self._root):
            _remove_if_empty(folder)


class OwnFiles:
    """The file system of this worker, where it has one of its own: how full it is."""

    def __init__(self) -> None:
        self.place: str | None = None
        self.is_all = False  # the worker may write nowhere else

    def used_bytes(self) -> int:
        """What is in it; -1 when there is none."""
        if self.place is None:
            return -1
        found = os.statvfs(self.place)
        return (found.f_blocks - found.f_bfree) * found.f_frsize

    def limit_behind(self, error: OSError) -> str | None:
        """The error code of what was used up when the kernel said "no space left"; some may be free again by now."""
        if self.place is None:
            return None
        if not os.statvfs(self.place).f_bavail:
            return "scratch_limit"
        if isinstance(error.filename, str):  # it could not be made; a file that is there has none
            return "scratch_files_limit" if self.is_all or error.filename.startswith(self.place) else None
        return "scratch_limit" if self.is_all else None


OWN_FILES = OwnFiles()


class OwnFolder:
    """Where each worker has a file system of its own that is gone with it: all see theirs in the same place."""

    is_there = True

    def __init__(self, path: str) -> None:
        self._path = path

    def take(self, _: int) -> tuple[str, bool]:
        """The path, where the worker will have put a folder itself."""
        return self._path, True

    def give_back(self, _: str) -> bool:
        """It is gone."""
        return True

    def close(self) -> None:
        """There is nothing to remove."""


def remove_tree(folder: str) -> None:
    """Remove a folder with everything in it; a loop, not a recursion: the tree may be deep."""
    if os.path.islink(folder):  # put there by a node in the lowest tier
        with contextlib.suppress(OSError):
            os.unlink(folder)
        return
    folders = [folder]
    for path in folders:  # grows as it goes
        folders += _remove_files(path)
    for path in reversed(folders):
        _remove_if_empty(path)


def _is_as_new(folder: str) -> bool:
    """Whether a worker could not tell it from a folder made for it."""
    try:
        status = os.lstat(folder)
        content = os.listdir(folder) + os.listxattr(folder)
    except OSError:
        return False
    return not content and status.st_mode == stat.S_IFDIR | MODE and status.st_uid == os.geteuid()


def _remove_if_empty(folder: str) -> bool:
    """Whether the folder is gone."""
    try:
        os.rmdir(folder)
    except OSError as error:
        return isinstance(error, FileNotFoundError)
    return True


def _remove_files(path: str) -> list[str]:
    """Remove what is no folder; the folders that are left."""
    folders = []
    with contextlib.suppress(OSError):
        os.chmod(path, MODE)
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                    continue
                with contextlib.suppress(OSError):
                    os.unlink(entry.path)
    return folders
