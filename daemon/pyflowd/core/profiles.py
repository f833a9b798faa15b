"""Profiles: what a fork server is started for. Workers are forked ready for one, so what differs needs another server.

An `EnvironmentId` is the canonical text of a profile: the interpreter's path alone when nothing is permitted beyond
what every node may, which is by far the most frequent.
"""

import json
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from typing import Any

from pyflowd.core.ids import EnvironmentId
from pyflowd.core.limits import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """An interpreter, and what its nodes may reach. Paths are absolute, and real except for `python`.

    net: networks and the sockets of others. read, write: files and folders with all below; what may be written may be
    read. everything: all that the user may. workdir: where nodes start, which they may read; None is their scratch.
    links: (link, real path) of what was granted by way of a link: there nodes look for it.
    identities: which files and folders `paths` were when they were granted: what stands there later is another's.
    scratch_bytes, scratch_files, processes: what each node may have of these, where each has its own file system and
    its processes are counted apart; None is what the settings say.
    """

    python: str
    net: bool = False
    read: tuple[str, ...] = ()
    write: tuple[str, ...] = ()
    everything: bool = False
    workdir: str | None = None
    links: tuple[tuple[str, str], ...] = ()
    identities: tuple[str, ...] = ()
    scratch_bytes: int | None = None
    scratch_files: int | None = None
    processes: int | None = None

    @property
    def id(self) -> EnvironmentId:
        """The canonical text: equal profiles have equal ones."""
        if self == Profile(python=self.python):
            return EnvironmentId(self.python)
        return EnvironmentId(json.dumps(asdict(self)))

    @property
    def paths(self) -> tuple[str, ...]:
        """All that a fork server sees for the sake of its nodes alone."""
        return (*self.read, *self.write, *([self.workdir] if self.workdir else []))

    @property
    def permissions(self) -> str:
        """For people: what nodes may do beyond what every node may; "" when that is nothing."""
        if self.everything:
            return "everything"
        parts = ["net"] if self.net else []
        parts += [f"read {path}" for path in self.read] + [f"write {path}" for path in self.write]
        parts += [f"start in {self.workdir}"] if self.workdir else []
        return ", ".join(parts)


NOWHERE = EnvironmentId("")  # the profile of nodes that are permitted nothing, in an interpreter not yet known


def in_python(profile: EnvironmentId, python: str) -> EnvironmentId:
    """The same profile, of an interpreter."""
    return EnvironmentId(python) if profile == NOWHERE else replace(profile_of(profile), python=python).id


def bounded(environment: EnvironmentId, limits: Limits) -> EnvironmentId:
    """The same for nodes with limits that a fork server has to be started with."""
    return replace(
        profile_of(environment),
        scratch_bytes=limits.scratch_bytes,
        scratch_files=limits.scratch_files,
        processes=limits.processes,
    ).id


@lru_cache(1024)
def profile_of(environment: EnvironmentId) -> Profile:
    """The profile that an id stands for."""
    if not environment.startswith("{"):
        return Profile(python=environment)
    fields: dict[str, Any] = json.loads(environment)
    fields |= {name: tuple(fields[name]) for name in ("read", "write", "identities")}
    return Profile(**fields | {"links": tuple(map(tuple, fields["links"]))})
