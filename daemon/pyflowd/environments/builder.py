"""Makes and changes the environments of a store: each by one process at a time, complete or not at all.

An environment that is built is made in its place, because scripts and bytecode contain their paths; it is deleted
again when anything fails. If this process is killed, its folder has no record, and whoever comes next deletes it.
"""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from pyflowd.environments.bytecode import compile_packages
from pyflowd.environments.commands import Workshop
from pyflowd.environments.failures import EnvironmentFailed, Reason, from_os_error, normal_name, requirement_name
from pyflowd.environments.interpreters import examine
from pyflowd.environments.locks import Lock
from pyflowd.environments.manager import EnvironmentManager, Wanted
from pyflowd.environments.packages import installed
from pyflowd.environments.seals import Seal
from pyflowd.environments.store import EnvironmentRecord, EnvironmentStore, Place, checked_name
from pyflowd.environments.trees import delete_tree, settle_tree
from pyflowd.graph.environment_specs import EnvironmentSpec

WAITING = "Waiting for another build of the same environment"


@dataclass(frozen=True, slots=True)
class Made:
    """An environment after the work. was_there: nothing had to be done."""

    record: EnvironmentRecord
    duration_s: float
    was_there: bool = False


class Builder:
    """`say` tells who waits what is being done."""

    def __init__(self, store: EnvironmentStore, manager: EnvironmentManager, say: Callable[[str], None]) -> None:
        self._store = store
        self._manager = manager
        self._say = say

    def build(self, spec: EnvironmentSpec) -> Made:
        """Makes what a spec asks for, unless it is there: many may ask at once."""
        if not spec.is_built or spec.name:
            raise EnvironmentFailed("nothing is required, so there is nothing to build")
        began = time.monotonic()
        place = self._store.place_of(spec)
        record = self._complete(place)
        if record is not None:
            return Made(record, time.monotonic() - began, was_there=True)
        with self._at_work(place) as workshop:
            record = self._complete(place)
            if record is not None:
                return Made(record, time.monotonic() - began, was_there=True)
            return Made(self._make(place, spec, workshop), time.monotonic() - began)

    def create(self, name: str, spec: EnvironmentSpec) -> Made:
        """Makes a named environment, of what the spec asks for besides a name."""
        began = time.monotonic()
        place = self._store.place_of(EnvironmentSpec(name=checked_name(name)))
        with self._at_work(place) as workshop:
            if self._store.read(place) is not None:
                hint = f"`pyflowctl env install {name}` changes it; `pyflowctl env remove {name}` deletes it."
                raise EnvironmentFailed(f"an environment '{name}' exists already", hint=hint)
            return Made(self._make(place, spec, workshop), time.monotonic() - began)

    def install(self, name: str, requirements: Sequence[str], *, allow_builds: bool) -> Made:
        """Installs into a named environment."""
        began = time.monotonic()
        with self._changing(name) as (record, workshop, was_interrupted):
            asked = _joined(record.requirements, requirements)
            wanted = Wanted(
                requirements=asked if was_interrupted else requirements,
                allow_builds=allow_builds,
                repairs=was_interrupted,
            )
            self._install(self._store.folder(record.place), wanted, workshop)
            record = replace(record, requirements=asked, manager=self._manager.NAME)
            return Made(self._finish(record, workshop), time.monotonic() - began)

    def uninstall(self, name: str, names: Sequence[str]) -> Made:
        """Uninstalls from a named environment; what is not there is an error."""
        began = time.monotonic()
        with self._changing(name) as (record, workshop, _):
            folder = self._store.folder(record.place)
            there = {normal_name(item) for item in _versions(folder)}
            for item in names:
                if normal_name(item) not in there:
                    raise EnvironmentFailed(f"'{item}' is not installed in '{name}'", item)
            with Seal.of(folder).kept(folder):
                self._manager.uninstall(folder, names, workshop)
            gone = set(map(normal_name, names))
            kept = tuple(item for item in record.requirements if normal_name(requirement_name(item)) not in gone)
            return Made(self._finish(replace(record, requirements=kept), workshop), time.monotonic() - began)

    def remove(self, text: str) -> EnvironmentRecord:
        """Deletes an environment, by its name or the beginning of its id."""
        record = self._store.record(text)
        with self._at_work(record.place):
            self._store.delete(record.place)
        return record

    def select(self, python: str) -> str:
        """The interpreter that is meant by versions, or by a path."""
        return self._manager.select(python).path

    def lock(self, python: str, wanted: Wanted) -> str:
        """The exact versions that requirements lead to."""
        import os
        import tempfile

        with tempfile.TemporaryDirectory(prefix="pyflowd-lock-") as scratch, open(os.devnull, "rb") as nothing:
            workshop = Workshop(scratch=Path(scratch), say=self._say, lock=nothing.fileno())
            return self._manager.lock(self._manager.select(python), wanted, workshop)

    def lock_of(self, text: str) -> str:
        """The exact versions that an environment has, of what was asked for and all that it requires."""
        record = self._store.record(text)
        versions = _versions(self._store.folder(record.place))
        pinned = [f"{name}=={version}" for name, version in versions.items()]
        there = set(map(normal_name, versions))
        optional = [item for item in record.optional if normal_name(requirement_name(item)) in there]
        asked = (*record.requirements, *optional)
        return self.lock(record.base, Wanted(requirements=asked, constraints=pinned, allow_builds=record.allow_builds))

    def export(self, text: str, form: str) -> str:
        """What is installed: as a requirements file, as JSON, or as the Dependencies section of a graph."""
        record = self._store.record(text)
        versions = _versions(self._store.folder(record.place))
        pinned = [f"{name}=={version}" for name, version in versions.items()]
        if form == "requirements":
            return "".join(f"{line}\n" for line in pinned)
        if form == "json":
            packages = [{"name": name, "version": version} for name, version in versions.items()]
            return json.dumps({"python": record.version, "packages": packages}, indent=2) + "\n"
        if form == "dependencies":
            minor = ".".join(record.version.split(".")[:2])
            return json.dumps({"requirements": pinned, "python": f"=={minor}.*"}, indent=2) + "\n"
        raise EnvironmentFailed(f"'{form}' is no form; there are requirements, json, dependencies")

    def _complete(self, place: Place) -> EnvironmentRecord | None:
        return self._store.read(place) if self._store.find_at(place) is not None else None

    def _make(self, place: Place, spec: EnvironmentSpec, workshop: Workshop) -> EnvironmentRecord:
        """All of it, or nothing."""
        self._store.delete(place)
        folder = self._store.folder(place)
        try:
            interpreter = self._manager.select(spec.python)
            self._say(f"Creating an environment with Python {interpreter.version}")
            self._manager.create(folder, interpreter, workshop)
            record = EnvironmentRecord(
                kind=place.kind, id=place.id, python=str(folder / "bin" / "python"), base=interpreter.path,
                version=interpreter.version, manager=self._manager.NAME, asked_python=spec.python,
                requirements=spec.requirements, optional=spec.optional, allow_builds=spec.allow_builds,
                created=time.time(), warnings=self._fill(folder, spec, workshop),
            )  # fmt: skip
            return self._finish(record, workshop)
        except BaseException:
            self._store.delete(place)
            raise

    def _fill(self, folder: Path, spec: EnvironmentSpec, workshop: Workshop) -> tuple[str, ...]:
        """Installs what is required, then what is optional without changing that; what failed, and why."""
        if spec.requirements:
            self._say("Resolving " + ", ".join(spec.requirements))
            wanted = Wanted(requirements=spec.requirements, allow_builds=spec.allow_builds)
            self._install(folder, wanted, workshop)
        if not spec.optional:
            return ()
        try:
            self._add(folder, spec, spec.optional, workshop)
        except EnvironmentFailed as error:
            if error.reason is Reason.NETWORK or len(spec.optional) == 1:
                return self._forgiven(error, spec.optional)
        else:
            return ()
        warnings: list[str] = []
        for item in spec.optional:
            try:
                self._add(folder, spec, [item], workshop)
            except EnvironmentFailed as error:
                warnings += self._forgiven(error, [item])
        return tuple(warnings)

    def _add(self, folder: Path, spec: EnvironmentSpec, items: Sequence[str], workshop: Workshop) -> None:
        self._say("Resolving " + ", ".join(items))
        pinned = [f"{name}=={version}" for name, version in _versions(folder).items()]
        wanted = Wanted(requirements=items, constraints=pinned, allow_builds=spec.allow_builds)
        self._install(folder, wanted, workshop)

    def _install(self, folder: Path, wanted: Wanted, workshop: Workshop) -> None:
        """Whatever comes of it, the interpreter is the same afterwards."""
        with Seal.of(folder).kept(folder):
            self._manager.install(folder, wanted, workshop)

    def _forgiven(self, error: EnvironmentFailed, items: Sequence[str]) -> tuple[str, ...]:
        """That packages are optional does not help against a full disk."""
        if error.reason is Reason.PLACE:
            raise error
        return tuple(f"{item} (optional) was not installed: {error.message}" for item in items)

    def _finish(self, record: EnvironmentRecord, workshop: Workshop) -> EnvironmentRecord:
        """Compiles and measures what is there, and writes the record."""
        folder = self._store.folder(record.place)
        compile_packages(folder, record.base, workshop)
        delete_tree(workshop.scratch)
        size = settle_tree(folder)
        record = replace(record, packages=len(_versions(folder)), size_bytes=size)
        self._store.write(record)
        return record

    @contextmanager
    def _at_work(self, place: Place) -> Iterator[Workshop]:
        """Alone with one environment."""
        try:
            with self._store.locked(place, Lock(told=lambda: self._say(WAITING))) as lock:
                scratch = self._store.scratch(place)
                delete_tree(scratch)
                scratch.mkdir()
                try:
                    yield Workshop(scratch=scratch, say=self._say, lock=lock)
                finally:
                    delete_tree(scratch)
        except OSError as error:
            raise from_os_error(error, self._store.root) from None

    @contextmanager
    def _changing(self, name: str) -> Iterator[tuple[EnvironmentRecord, Workshop, bool]]:
        """Alone with a named environment that exists; the last value says whether a change of it was interrupted."""
        place = self._store.place_of(EnvironmentSpec(name=name))
        with self._at_work(place) as workshop:
            record = self._store.read(place)
            if record is None:
                raise EnvironmentFailed(f"there is no environment '{name}'", hint=f"`pyflowctl env create {name}`")
            examine(record.python)
            changing = self._store.changing(place)
            was_interrupted = changing.exists()
            changing.touch()
            try:
                yield replace(record, warnings=()), workshop, was_interrupted
            except EnvironmentFailed as error:
                if not was_interrupted and error.reason is not Reason.PLACE:
                    changing.unlink()
                raise
            changing.unlink()


def _versions(folder: Path) -> dict[str, str]:
    """Of what is installed in an environment, by name."""
    return {package.name: package.version for package in installed(str(folder / "bin" / "python"))}


def _joined(before: Sequence[str], more: Sequence[str]) -> tuple[str, ...]:
    """What is asked for now: the newer of two requirements for one package."""
    newer = {normal_name(requirement_name(item)) for item in more}
    kept = [item for item in before if normal_name(requirement_name(item)) not in newer]
    return tuple(sorted({*kept, *more}))
