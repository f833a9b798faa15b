"""Profiles: what a fork server is started for. Workers are forked ready for one, so what differs needs another server.

An `EnvironmentId` is the canonical text of a profile: the interpreter's path alone when nothing is permitted beyond
what every node may, which is by far the most frequent.
"""

import json
from dataclasses import asdict, dataclass
from typing import Any

from pyflowd.core.ids import EnvironmentId


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """An interpreter, and what its nodes may reach. Paths are absolute, and real except for `python`.

    net: networks and the sockets of others. read, write: files and folders with all below; what may be written may be
    read. everything: all that the user may. workdir: where nodes start, which they may read; None is their scratch.
    """

    python: str
    net: bool = False
    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    everything: bool = False
    workdir: str | None = None

    @property
    def id(self) -> EnvironmentId:
        """The canonical text: equal profiles have equal ones."""
        if self == Profile(python=self.python):
            return EnvironmentId(self.python)
        return EnvironmentId(json.dumps(asdict(self)))

    @property
    def label(self) -> str:
        """For messages: the interpreter, and in brackets what its nodes may do beyond what every node may."""
        parts = ["everything"] if self.everything else [
            *(["net"] if self.net else []),
            *(f"read {path}" for path in self.read),
            *(f"write {path}" for path in self.write),
        ]  # fmt: skip
        parts += [f"in {self.workdir}"] if self.workdir else []
        return f"{self.python} [{', '.join(parts)}]" if parts else self.python


def profile_of(environment: EnvironmentId) -> Profile:
    """The profile that an id stands for."""
    if not environment.startswith("{"):
        return Profile(python=environment)
    fields: dict[str, Any] = json.loads(environment)
    return Profile(**fields | {name: tuple(fields[name]) for name in ("read", "write")})
