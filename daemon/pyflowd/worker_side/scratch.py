"""The removal of a worker's scratch folder, once every process of the worker is dead.

An empty one goes at once; emptying a full one may take long and is for a process of its own. Follows no link; what
the node made unreadable is opened up first; refuses to fail: what cannot be removed stays.
"""

from __future__ import annotations

import contextlib
import os


def remove_if_empty(folder: str) -> bool:
    """Whether the folder is gone."""
    try:
        os.rmdir(folder)
    except OSError as error:
        return isinstance(error, FileNotFoundError)
    return True


def remove_tree(folder: str) -> None:
    """Remove a folder with everything in it; a loop, not a recursion: the tree may be deep."""
    folders = [folder]
    for path in folders:  # grows as it goes
        folders += _remove_files(path)
    for path in reversed(folders):
        remove_if_empty(path)


def _remove_files(path: str) -> list[str]:
    """Remove what is no folder; the folders that are left."""
    folders = []
    with contextlib.suppress(OSError):
        os.chmod(path, 0o700)
        with os.scandir(path) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                    continue
                with contextlib.suppress(OSError):
                    os.unlink(entry.path)
    return folders
