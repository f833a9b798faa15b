"""A graph file that somebody edits: it tells when there is a new text, whichever way an editor writes.

Looking is a `stat`, now and then. Editors write in place or put another file in its place; a file that is being written
is read again the next time. A file that is empty may be one of which nothing is written yet: that has to last.
"""

import os
from typing import NamedTuple

from pyflowd_client.errors import GraphFileError
from pyflowd_client.submission import read_graph

LOOK_EVERY_S = 0.2
EMPTY_LOOKS = 5


class Stamp(NamedTuple):
    """By what a changed file is known."""

    inode: int
    changed_ns: int
    size_bytes: int


class WatchedFile:
    """The file at `path`, whose text is known at first. Nothing is raised twice for the same state of the file."""

    def __init__(self, path: str) -> None:
        """GraphFileError when it cannot be read."""
        self.path = path
        self._stamp = self._look()
        self.document, self.name = read_graph(path)
        self._empty_looks = 0

    def new_text(self) -> str | None:
        """The text, if it is another than the last; GraphFileError, once, when there is none to be had."""
        stamp = self._look()
        if stamp == self._stamp:
            return None
        if stamp is None:
            self._stamp = None
            raise GraphFileError(f"{self.path} is gone; the session goes on with the last graph.")
        if stamp.size_bytes == 0 and self._empty_looks < EMPTY_LOOKS:
            self._empty_looks += 1
            return None
        try:
            document, _ = read_graph(self.path)
        finally:
            self._settle(stamp)
        if self._stamp != stamp or document == self.document:
            return None
        self.document = document
        return document

    def _settle(self, stamp: Stamp) -> None:
        """What was read was the whole, unless it has changed meanwhile."""
        if self._look() == stamp:
            self._stamp, self._empty_looks = stamp, 0

    def _look(self) -> Stamp | None:
        try:
            found = os.stat(self.path)
        except OSError:
            return None
        return Stamp(found.st_ino, found.st_mtime_ns, found.st_size)
