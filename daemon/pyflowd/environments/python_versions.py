"""Which versions of Python will do: what a person or a graph may write, and what fits it.

Nodes need CPython, since a fork server relies on how it counts references and is forked, and 3.8 or newer. A daemon
that starts needs this module, and nothing of `packaging`: that is loaded by who compares versions.
"""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packaging.specifiers import SpecifierSet

OLDEST = (3, 8)
IS_RIGHT = "write a version (3.12), a range (>=3.10,<3.13), or nothing"

_WISH = re.compile(
    r"(?:(?P<implementation>[a-z]+)\s*)?(?:(?P<version>\d+(?:\.\d+){0,2})(?P<threads>t?)|(?P<range>.+))?"
)


@dataclass(frozen=True, slots=True)
class PythonWish:
    """specifiers: of the versions that fit. free_threaded: only builds without the global lock; else those never."""

    specifiers: "SpecifierSet"
    free_threaded: bool = False

    def fits(self, version: str) -> bool:
        """Whether a CPython of that version will do. One that is not final yet does, when it is within the range."""
        from packaging.version import InvalidVersion, Version

        try:
            known = Version(version)
        except InvalidVersion:
            return False
        return known.release[:2] >= OLDEST and self.specifiers.contains(known, prereleases=True)


def parse_wish(text: str) -> PythonWish:
    """The wish that a text means; ValueError tells what is right."""
    found = _WISH.fullmatch(text.strip().lower())
    if found is None:
        raise ValueError(f"'{text}' is no version of Python: {IS_RIGHT}")
    if found["implementation"] not in (None, "cpython", "python"):
        raise ValueError(f"'{text}' is not CPython, which nodes need: {IS_RIGHT}")
    if found["version"]:
        return _one_version(text, found["version"], bool(found["threads"]))
    from packaging.specifiers import InvalidSpecifier, SpecifierSet

    try:
        return PythonWish(SpecifierSet(found["range"] or ""))
    except InvalidSpecifier:
        raise ValueError(f"'{text}' is no range of versions of Python: {IS_RIGHT}") from None


def _one_version(text: str, version: str, free_threaded: bool) -> PythonWish:
    from packaging.specifiers import SpecifierSet

    release = tuple(map(int, version.split(".")))
    if release[0] != OLDEST[0] or release[:2] < OLDEST[: len(release)]:
        raise ValueError(f"nodes need CPython 3.8 or newer, and '{text}' is not: {IS_RIGHT}")
    exact = f"=={version}" if len(release) > len(OLDEST) else f"=={version}.*"
    return PythonWish(SpecifierSet(exact), free_threaded)


def unsuitable(implementation: str, version: str) -> str | None:
    """Why no node can run in such a Python; None when nothing is known against it."""
    shown = f"{implementation} {version}".strip()
    if implementation.lower() != "cpython" or _release(version) < OLDEST:
        return f"nodes need CPython 3.8 or newer, this is {shown}"
    return None


def _release(version: str) -> tuple[int, ...]:
    from packaging.version import InvalidVersion, Version

    try:
        return Version(version).release[:2]
    except InvalidVersion:
        return OLDEST  # nothing is known against it
