"""Where the daemon's environments lie, and which of them are complete.

    ROOT/named/NAME/     made by people, and changed by them
    ROOT/built/DIGEST/   made for what a graph requires, never changed
    ROOT/records/        one file for each that is complete
    ROOT/locks/          one file for each of them, locked by whoever makes or changes it
    ROOT/work/           what is only needed meanwhile
    ROOT/interpreters/   what interpreters have said of themselves

An environment exists as soon as its record does, which is written last; a folder without one is being made, or was
left behind. Records lie where no package can bring a file. Nothing is started here, and nothing of an environment is
executed.
"""

import hashlib
import json
import os
import platform
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, replace
from enum import StrEnum
from functools import lru_cache
from pathlib import Path

from pyflowd.environments.failures import EnvironmentFailed
from pyflowd.environments.locks import Lock, is_free, locked
from pyflowd.environments.trees import delete_tree
from pyflowd.graph.environment_specs import EnvironmentSpec, is_environment_name

FOLDERS = {"named": 0o755, "built": 0o755, "records": 0o700, "locks": 0o700, "work": 0o700}
LEAST_OF_ID = 4
INTERRUPTED = "A change of it was interrupted, so packages may be missing: install into it once more."


class Kind(StrEnum):
    """Whether people gave it a name, or it was built for what it contains."""

    NAMED = "named"
    BUILT = "built"


class UnknownEnvironment(EnvironmentFailed):
    """There is no such environment, or several could be meant."""


@dataclass(frozen=True, slots=True)
class Place:
    """One environment, whether it exists or not. `id` is its name or its digest."""

    kind: Kind
    id: str

    @property
    def key(self) -> str:
        """Names its lock and its working folder."""
        return f"{self.kind}-{self.id}"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentRecord:
    """What is known of an environment that exists.

    base: the interpreter below it. requirements, optional: what was asked to be in it. created, used: seconds since the
    epoch. size_bytes: on the disk. warnings: what could not be had, and why.
    """

    kind: Kind
    id: str
    python: str
    base: str
    version: str
    manager: str
    asked_python: str = ""
    requirements: tuple[str, ...] = ()
    optional: tuple[str, ...] = ()
    allow_builds: bool = False
    packages: int = 0
    size_bytes: int = 0
    created: float = 0.0
    used: float = 0.0
    warnings: tuple[str, ...] = ()

    @property
    def place(self) -> Place:
        """Which it is."""
        return Place(self.kind, self.id)


class EnvironmentStore:
    """Finds environments. `default_python` is the interpreter of those that do not say which."""

    def __init__(self, root: Path, default_python: str = "") -> None:
        self.root = root
        self._default = default_python

    def place_of(self, spec: EnvironmentSpec) -> Place:
        """Where an environment is that is named, or has to be built."""
        return Place(Kind.NAMED, checked_name(spec.name)) if spec.name else Place(Kind.BUILT, self.id_of(spec))

    def folder(self, place: Place) -> Path:
        """The virtual environment."""
        return self.root / place.kind / place.id

    def find(self, spec: EnvironmentSpec) -> Path | None:
        """The interpreter of the environment if it is complete, and the interpreter below it still there."""
        if not (spec.name or spec.is_built):
            return None
        return self.find_at(self.place_of(spec))

    def find_at(self, place: Place) -> Path | None:
        """As `find`, of one whose place is known."""
        python = f"{self.root}/{place.kind}/{place.id}/bin/python"
        record = f"{self.root}/records/{place.key}.json"
        return Path(python) if os.path.exists(record) and os.path.exists(python) else None

    def touch(self, spec: EnvironmentSpec) -> None:
        """Somebody uses it now. One that is gone, or cannot be written, stays as it is."""
        with suppress(OSError):
            os.utime(self.record_file(self.place_of(spec)))

    def records(self) -> list[EnvironmentRecord]:
        """All that exist: the named ones, then the built ones, each by id."""
        found = (self.read(place) for place in self._places())
        return [record for record in found if record is not None]

    def record(self, text: str) -> EnvironmentRecord:
        """The one with this name, or whose id begins with this."""
        if is_environment_name(text):
            exact = self.read(Place(Kind.NAMED, text)) or self.read(Place(Kind.BUILT, text))
            if exact is not None:
                return exact
        begun = [place.id for place in self._places() if place.kind is Kind.BUILT and place.id.startswith(text)]
        records = [record for id in begun if (record := self.read(Place(Kind.BUILT, id)))] if text else []
        if len(records) > 1 or (records and len(text) < LEAST_OF_ID):
            raise UnknownEnvironment(f"'{text}' is the beginning of {len(records)} environments; write more of the id")
        if not records:
            raise UnknownEnvironment(f"there is no environment '{text}'", hint="`pyflowctl env list` shows all.")
        return records[0]

    def read(self, place: Place) -> EnvironmentRecord | None:
        """What is known of it; None when it does not exist."""
        folder, file = self.folder(place), self.record_file(place)
        if not folder.is_dir():
            return None
        try:
            found = json.loads(file.read_bytes())
            used = file.stat().st_mtime
            lists = {name: tuple(value) for name, value in found.items() if isinstance(value, list)}
            record = EnvironmentRecord(**found | lists | {"kind": place.kind, "id": place.id})
        except (OSError, ValueError, TypeError, AttributeError):
            return None
        warnings = record.warnings
        if self.changing(place).exists() and is_free(self.lock_file(place)):
            warnings += (INTERRUPTED,)
        return replace(record, python=str(folder / "bin" / "python"), used=used, warnings=warnings)

    def write(self, record: EnvironmentRecord) -> None:
        """The environment exists from now on; or something else is known of it."""
        file = self.record_file(record.place)
        draft = file.with_suffix(".new")
        with draft.open("w", encoding="utf-8") as writing:
            json.dump(asdict(record), writing, indent=1)
            writing.flush()
            os.fsync(writing.fileno())
        draft.replace(file)

    def delete(self, place: Place) -> None:
        """It does not exist from now on, and then is deleted. For who holds its lock."""
        for file in (self.record_file(place), self.record_file(place).with_suffix(".new"), self.changing(place)):
            file.unlink(missing_ok=True)
        delete_tree(self.folder(place))

    @property
    def interpreters(self) -> Path:
        """What interpreters have said of themselves, to be asked once."""
        return self.root / "interpreters"

    def scratch(self, place: Place) -> Path:
        """What is only needed while it is made or changed. For who holds its lock."""
        return self.root / "work" / place.key

    def record_file(self, place: Place) -> Path:
        """What is known of it; modified when it was used last."""
        return self.root / "records" / f"{place.key}.json"

    def changing(self, place: Place) -> Path:
        """There while it is being changed, and after a change that was interrupted."""
        return self.root / "records" / f"{place.key}.changing"

    def lock_file(self, place: Place) -> Path:
        """Locked by who makes, changes or deletes it."""
        return self.root / "locks" / f"{place.key}.lock"

    @contextmanager
    def locked(self, place: Place, lock: Lock) -> Iterator[int]:
        """Alone with it; yields the descriptor that holds the lock."""
        self._prepare()
        with locked(self.lock_file(place), lock) as descriptor:
            yield descriptor

    def has_leftovers(self) -> bool:
        """Whether there is something to sweep; or somebody is at work just now."""
        return bool(self._left())

    def sweep(self) -> int:
        """Deletes what interrupted work has left, unless somebody is at it; how many folders that were."""
        return sum(self._swept(place) for place in self._left())

    def _left(self) -> list[Place]:
        left = [place for place in self._places() if not self.record_file(place).exists()]
        return left + [place for place in self._scratched() if place not in left]

    def _prepare(self) -> None:
        """Nodes may be another user: what they see is open, however private the daemon is."""
        for path, mode in {self.root: 0o755, **{self.root / name: mode for name, mode in FOLDERS.items()}}.items():
            if not path.exists():
                path.mkdir(parents=True, exist_ok=True)
                path.chmod(mode)

    def _swept(self, place: Place) -> bool:
        with suppress(BlockingIOError, OSError), self.locked(place, Lock(waits=False)):
            if not self.record_file(place).exists():
                self.delete(place)
            delete_tree(self.scratch(place))
            return True
        return False

    def _places(self) -> list[Place]:
        return [Place(kind, name) for kind in Kind for name in _names_in(self.root / kind)]

    def _scratched(self) -> list[Place]:
        pairs = (name.partition("-") for name in _names_in(self.root / "work"))
        return [Place(Kind(kind), id) for kind, _, id in pairs if kind in set(Kind)]

    def id_of(self, spec: EnvironmentSpec) -> str:
        """A digest of the spec and of what it means here: where its interpreter leads, and for which processor."""
        return _digest(spec, self._interpreter(spec.python))

    def _interpreter(self, python: str) -> str:
        python = python or self._default
        if not python.startswith("/"):
            return python
        return os.path.realpath(os.path.join(python, "bin", "python") if os.path.isdir(python) else python)


def is_ours(folder: Path) -> bool:
    """Whether this virtual environment is one of a store's."""
    return (folder.parent.parent / "records" / f"{folder.parent.name}-{folder.name}.json").exists()


def checked_name(name: str) -> str:
    """The name, which may be that of an environment."""
    if not is_environment_name(name):
        raise EnvironmentFailed(
            f"{name!r} cannot be the name of an environment",
            hint="Letters, digits, '.', '_' and '-', beginning with a letter or a digit; nothing like a version.",
        )
    return name


@lru_cache(maxsize=512)
def _digest(spec: EnvironmentSpec, interpreter: str) -> str:
    where = [spec.digest, interpreter, sys.platform, platform.machine()]
    return hashlib.blake2b(json.dumps(where).encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _names_in(folder: Path) -> list[str]:
    try:
        return sorted(name for name in os.listdir(folder) if not name.startswith("."))
    except OSError:
        return []
