"""Keys: digests of all that the result of a node depends on. Values are read in pieces, wherever they lie."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import cast

from pyflowd import __version__
from pyflowd.core.kept_results import ResultKey, ResultQuestion
from pyflowd.core.values import Payload
from pyflowd.worker_side.frames import Segment

PIECE_BYTES = 1_000_000
# What changes when the system's own libraries, its name, or its place on earth do: every node can read them.
SYSTEM = ("/etc/ld.so.cache", "/etc/os-release", "/etc/localtime")

Inputs = Iterable[tuple[str, Payload | bytes]]


def key_of(
    question: ResultQuestion, inputs: Inputs, fingerprint: str, variables: Mapping[str, str], stamp: str
) -> ResultKey:
    """fingerprint: of the environment. variables: those that every node sees. stamp: of what the node can read."""
    parts = {
        "code": _digest((question.source, question.outputs)),
        "environment": _digest((question.python, fingerprint, sorted(variables.items()), _system(), __version__)),
        "permissions": _digest((question.permissions, question.variables)),
        "seed": _digest(question.seed),
        "files": files_part(question, stamp),
    }
    parts |= {f'input "{pin}"': _digest_of_bytes(pieces_of(value)) for pin, value in sorted(inputs, key=_pin)}
    return ResultKey(digest=_digest(parts), parts=tuple(parts.items()), fingerprint=fingerprint)


def files_part(question: ResultQuestion, stamp: str) -> str:
    """The part of a key that says what lies in the files and folders that a node can read."""
    return _digest((question.paths, question.identities, stamp))


def pieces_of(value: Payload | bytes) -> Iterator[bytes]:
    """The bytes of a value, a few at a time."""
    if isinstance(value, bytes):
        yield value
        return
    segment = cast("Segment", value)
    if segment.descriptor is None:
        yield segment.read()
        return
    offset = 0
    while piece := os.pread(segment.descriptor, PIECE_BYTES, offset):
        offset += len(piece)
        yield piece


def _pin(item: tuple[str, Payload | bytes]) -> str:
    return item[0]


def _system() -> list[tuple[int, int, int] | None]:
    found: list[tuple[int, int, int] | None] = []
    for path in SYSTEM:
        try:
            status = os.stat(path)
            found.append((status.st_ino, status.st_size, status.st_mtime_ns))
        except OSError:
            found.append(None)
    return found


def _digest(value: object) -> str:
    """Of what JSON can say: different values have different texts."""
    return _digest_of_bytes((json.dumps(value).encode("ascii"),))


def _digest_of_bytes(pieces: Iterable[bytes]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for piece in pieces:
        digest.update(piece)
    return digest.hexdigest()
