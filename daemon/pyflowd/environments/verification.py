"""What an environment lacks, and which of its packages do not fit together: told from metadata, nothing is executed."""

import platform
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from packaging.markers import UndefinedComparison, UndefinedEnvironmentName, default_environment
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import InvalidWheelFilename, NormalizedName, canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from pyflowd.environments.installation import Installation, installation_of, problem_of
from pyflowd.environments.packages import InstalledPackage, installed_in

NOT_INSTALLED = "not installed"


@dataclass(frozen=True, slots=True)
class Verification:
    """In words. missing, optional_missing: what is not met. conflicts: packages that need others than are installed.

    problem: why no node can run in it at all, or why it could not be told.
    """

    missing: tuple[str, ...] = ()
    optional_missing: tuple[str, ...] = ()
    conflicts: tuple[str, ...] = ()
    problem: str | None = None


def verify(python: str, requirements: Sequence[str], optional: Sequence[str] = ()) -> Verification:
    """Compares the environment of an interpreter with what is required of it (PEP 508)."""
    installation = installation_of(python)
    problem = problem_of(installation)
    if problem is not None:
        return Verification(problem=problem)
    present = Present(installed_in(installation), marker_environment(installation))
    return Verification(
        missing=_all_missing(present, requirements),
        optional_missing=_all_missing(present, optional),
        conflicts=tuple(dict.fromkeys(present.conflicts())),
    )


def marker_environment(installation: Installation) -> dict[str, str]:
    """What markers are compared with: this machine, and the Python that is asked about."""
    version = installation.version if installation.version.count(".") > 1 else f"{installation.version}.0"
    return {
        **{name: str(value) for name, value in default_environment().items()},
        "implementation_name": installation.implementation.lower(),
        "implementation_version": version,
        "platform_python_implementation": installation.implementation,
        "platform_system": platform.system(),
        "python_full_version": version,
        "python_version": ".".join(version.split(".")[:2]),
        "sys_platform": sys.platform,
    }


def _all_missing(present: "Present", requirements: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(line for text in requirements for line in present.lacking(text)))


class Present:
    """The packages that are there, and the Python that they are for."""

    def __init__(self, packages: Iterable[InstalledPackage], markers: dict[str, str]) -> None:
        self._packages = {package.key: package for package in packages}
        self._markers = markers

    def lacking(self, text: str) -> Iterator[str]:
        """What is not met of one requirement, with that of the extras it asks for."""
        requirement = _parsed(_of_wheel(text) or text)
        if requirement is None:
            yield f"{text}: only a requirement with the name of a package can be verified"
        elif self._applies(requirement, ""):
            for needed in self._with_extras(requirement, set()):
                if (fault := self._fault(needed)) is not None:
                    whose = "" if needed is requirement else f" for {_shown(requirement)}"
                    yield f"{_shown(needed)}{whose}: {fault}"

    def conflicts(self) -> Iterator[str]:
        """What the packages need of each other and do not have. Their extras count where somebody asks for them."""
        for package in self._packages.values():
            yield from self._python_conflict(package)
            for needed in self._needs_of(package, "", set()):
                fault = self._fault(needed)
                if fault == NOT_INSTALLED:
                    yield f"{_of(package)} needs {_shown(needed)}, which is not installed"
                elif fault is not None:
                    yield f"{_of(package)} needs {_shown(needed)}, and {fault}"

    def _python_conflict(self, package: InstalledPackage) -> Iterator[str]:
        version = self._markers["python_full_version"]
        try:
            fits = SpecifierSet(package.requires_python).contains(version, prereleases=True)
        except InvalidSpecifier:
            return
        if not fits:
            yield f"{_of(package)} needs Python {package.requires_python}, and this is {version}"

    def _needs_of(
        self, package: InstalledPackage, extra: str, seen: set[tuple[NormalizedName, str]]
    ) -> Iterator[Requirement]:
        for requirement in filter(None, map(_parsed, package.requires)):
            if self._applies(requirement, extra) and (not extra or not self._applies(requirement, "")):
                yield from self._with_extras(requirement, seen)

    def _with_extras(self, requirement: Requirement, seen: set[tuple[NormalizedName, str]]) -> Iterator[Requirement]:
        """The requirement, and what its extras add, to which other extras may belong."""
        yield requirement
        key = canonicalize_name(requirement.name)
        package = self._packages.get(key)
        for extra in sorted(requirement.extras):
            if package is not None and (key, canonicalize_name(extra)) not in seen:
                seen.add((key, canonicalize_name(extra)))
                yield from self._needs_of(package, extra, seen)

    def _applies(self, requirement: Requirement, extra: str) -> bool:
        try:
            return requirement.marker is None or requirement.marker.evaluate({**self._markers, "extra": extra})
        except (UndefinedComparison, UndefinedEnvironmentName, InvalidVersion):
            return False

    def _fault(self, requirement: Requirement) -> str | None:
        package = self._packages.get(canonicalize_name(requirement.name))
        if package is None:
            return NOT_INSTALLED
        try:
            fits = requirement.specifier.contains(Version(package.version), prereleases=True)
        except InvalidVersion:
            fits = not requirement.specifier
        return None if fits else f"{package.version or 'an unknown version'} is installed"


def _parsed(text: str) -> Requirement | None:
    try:
        return Requirement(text)
    except InvalidRequirement:
        return None


def _of_wheel(text: str) -> str | None:
    """What a wheel's file name requires."""
    try:
        name, version, *_ = parse_wheel_filename(text.rpartition("/")[2])
    except InvalidWheelFilename:
        return None
    return f"{name}=={version}"


def _shown(requirement: Requirement) -> str:
    """Without its marker, which applies."""
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    return f"{requirement.name}{extras}{requirement.specifier}"


def _of(package: InstalledPackage) -> str:
    return f"{package.name} {package.version}"
