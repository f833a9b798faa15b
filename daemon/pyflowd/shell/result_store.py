"""The store of results: a folder with a file for each, named by the digest of its key.

    | magic | digest of the rest | u32 length of header | header: JSON object | value 0 | value 1 | ...

A file is written beside its place and moved there, so that it is there as a whole or not at all; what a crash or a disk
has left of one does not fit its digest, and is removed. Several daemons may share a store: they lock nothing, since all
that one can do to another is to remove a file, which is then a result that nobody has kept. The least recently used go
first when all need more than their budget; a file is dated when it is used. `last/` has the parts of the newest key of
each node, for comparisons.
"""

import hashlib
import json
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from pyflowd.core.kept_results import Parts

MAGIC = b"pyflowd result 1\n"
DIGEST_BYTES = 16
LENGTH_BYTES = 4
BLOCK_BYTES = 4096  # what a file takes at least
LEFT_AFTER_S = 600.0  # a draft that is older was left by a crash
SHARE = 16  # a store is counted again when this part of its budget was written


@dataclass(frozen=True, slots=True)
class Entry:
    """What a file holds: a header, as it was given, and values."""

    header: dict[str, Any]
    values: tuple[bytes, ...]


class ResultStore:
    """One folder, private to its user. OSError is never raised: what cannot be read was not kept, nor what cannot be
    written."""

    def __init__(self, folder: Path, size_bytes: int) -> None:
        self._folder = folder
        self._size_bytes = size_bytes
        self._numbers = count()
        self._written_bytes = size_bytes  # what others have written is not known yet: the first is counted

    def size_of(self, digest: str) -> int | None:
        """How large the file of a result is; None when there is none."""
        with suppress(OSError):
            return os.stat(self._place(digest)).st_size
        return None

    def get(self, digest: str) -> Entry | None:
        """A result, which is now the most recently used."""
        path = self._place(digest)
        try:
            with open(path, "rb") as file:
                data = file.read()
        except OSError:
            return None
        entry = _read(data, digest)
        with suppress(OSError):
            if entry is None:
                path.unlink()
            else:
                os.utime(path)
        return entry

    def put(self, digest: str, header: dict[str, Any], values: Iterable[Iterable[bytes]]) -> bool:
        """Keep a result; each value comes in pieces. False when that cannot be."""
        place = self._place(digest)
        draft = place.with_name(f"draft-{os.getpid()}-{next(self._numbers)}")
        try:
            self._make_folder(place.parent)
            size = _write(draft, {**header, "key": digest}, values, self._size_bytes)
            if size is not None:
                draft.replace(place)
                self._count(size)
                return True
        except OSError:
            pass
        with suppress(OSError):
            draft.unlink()
        return False

    def last(self, node: str) -> Parts | None:
        """The parts of the newest key of a node."""
        try:
            found = json.loads(self._place_of_last(node).read_bytes())
            return tuple((str(name), str(digest)) for name, digest in found)
        except (OSError, ValueError, TypeError):
            return None

    def put_last(self, node: str, parts: Parts) -> None:
        """Remember the newest key of a node."""
        place = self._place_of_last(node)
        draft = place.with_name(f"draft-{os.getpid()}-{next(self._numbers)}")
        with suppress(OSError):
            self._make_folder(place.parent)
            draft.write_text(json.dumps(parts), encoding="ascii")
            draft.replace(place)
            self._count(BLOCK_BYTES)

    def _place(self, digest: str) -> Path:
        return self._folder / digest[:2] / digest[2:]

    def _place_of_last(self, node: str) -> Path:
        name = hashlib.blake2b(node.encode("utf-8", "surrogatepass"), digest_size=DIGEST_BYTES).hexdigest()
        return self._folder / "last" / name

    def _make_folder(self, folder: Path) -> None:
        folder.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)

    def _count(self, size: int) -> None:
        self._written_bytes += _taken(size)
        if self._written_bytes * SHARE >= self._size_bytes:
            self._written_bytes = 0
            self._shrink()

    def _shrink(self) -> None:
        """Remove what was used longest ago, until the rest fits."""
        found = sorted(self._files())
        excess = sum(size for _, size, _ in found) - self._size_bytes
        for _, size, path in found:
            if excess <= 0:
                break
            with suppress(OSError):
                os.unlink(path)
            excess -= size

    def _files(self) -> Iterator[tuple[int, int, str]]:
        """(when it was used, what it takes, path) of each file; drafts of daemons that are gone are removed."""
        too_old_ns = time.time_ns() - int(LEFT_AFTER_S * 1e9)
        for folder in _folders_in(self._folder):
            with suppress(OSError), os.scandir(folder) as entries:
                for entry in entries:
                    with suppress(OSError):
                        found = entry.stat(follow_symlinks=False)
                        if entry.name.startswith("draft-") and found.st_mtime_ns < too_old_ns:
                            os.unlink(entry.path)
                        else:
                            yield found.st_mtime_ns, _taken(found.st_size), entry.path


def _folders_in(folder: Path) -> list[str]:
    with suppress(OSError), os.scandir(folder) as entries:
        return [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
    return []


def _taken(size: int) -> int:
    return max(1, -(-size // BLOCK_BYTES)) * BLOCK_BYTES


def _write(draft: Path, header: dict[str, Any], values: Iterable[Iterable[bytes]], most: int) -> int | None:
    """The size of the file; None when it would be too large. The digest is written last, into the place left for it."""
    text = json.dumps(header).encode("ascii")
    digest = hashlib.blake2b(digest_size=DIGEST_BYTES)
    size = len(MAGIC) + DIGEST_BYTES
    with open(draft, "xb") as file:
        file.write(MAGIC + bytes(DIGEST_BYTES))
        pieces = (piece for value in ((len(text).to_bytes(LENGTH_BYTES, "little"), text), *values) for piece in value)
        for piece in pieces:
            size += len(piece)
            if _taken(size) > most:
                return None
            digest.update(piece)
            file.write(piece)
        file.seek(len(MAGIC))
        file.write(digest.digest())
    return size


def _read(data: bytes, key: str) -> Entry | None:
    """What a file says; None when it is damaged."""
    start = len(MAGIC) + DIGEST_BYTES
    if data[: len(MAGIC)] != MAGIC:
        return None
    if hashlib.blake2b(data[start:], digest_size=DIGEST_BYTES).digest() != data[len(MAGIC) : start]:
        return None
    offset = start + LENGTH_BYTES
    end = offset + int.from_bytes(data[start:offset], "little")
    try:
        header = json.loads(data[offset:end])
        if header["key"] != key:
            return None
        values = []
        for size in header["sizes"]:
            values.append(data[end : end + size])
            end += size
    except (ValueError, LookupError, TypeError, RecursionError):  # not ours, though its digest fits
        return None
    return Entry(header, tuple(values))
