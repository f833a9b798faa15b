"""What an environment shall have, as people write it: requirements, local packages, versions of Python, files for pip.

What a requirement means is the daemon's business. Here paths become absolute, since the daemon has another working
directory, and what cannot be passed on is refused.
"""

import os
import re
from collections.abc import Iterable

_SPECIFIER = r"(?:[<>=!~]=?=?)?\s*\d+(?:\.\d+)*(?:\.[*x])?\+?"
_VERSIONS = re.compile(rf"\s*{_SPECIFIER}\s*(?:,\s*{_SPECIFIER}\s*)*")
_NAMED_VERSION = re.compile(r"c?python(\d+(?:\.\d+)*)", re.IGNORECASE)
_ARCHIVES = (".whl", ".zip", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")


def interpreter(python: str | os.PathLike[str] | None) -> str | None:
    """Which versions will do, where it reads like that ("3.11", ">=3.10,<3.13", "python3.12"); else a path.

    Paths are absolute, since the daemon has another working directory; links stay, since a virtual environment is one.
    """
    if python is None:
        return None
    if isinstance(python, str):
        if _VERSIONS.fullmatch(python):
            return python.strip()
        if named := _NAMED_VERSION.fullmatch(python):
            return named.group(1)
    return os.path.abspath(os.path.expanduser(python))


def address(environment: str | os.PathLike[str]) -> str:
    """How the daemon is told which environment is meant: a name or the beginning of an id as it is, a path absolute.

    A path is what has a "/" in it, "." and "..".
    """
    named = os.fspath(environment)
    if not named:
        raise ValueError("an empty text names no environment")
    is_path = not isinstance(environment, str) or os.sep in named or named in (os.curdir, os.pardir)
    return os.path.abspath(os.path.expanduser(named)) if is_path else named


def absolute_requirements(requirements: Iterable[str]) -> tuple[str, ...]:
    """Each as the daemon takes it. TypeError for a text in the place of several: its characters would be installed."""
    if isinstance(requirements, str):
        raise TypeError(f"requirements: {requirements!r} is one requirement; give a tuple of them")
    return tuple(map(absolute_requirement, requirements))


def absolute_requirement(requirement: str) -> str:
    """The same requirement, with an absolute path where it is a local package: `./geometry`, `dist/a-1-any.whl`."""
    text = requirement.strip()
    path = local_path(text)
    if path is None:
        return text
    name, at, _ = text.partition("@")
    absolute = os.path.abspath(os.path.expanduser(path))
    rest = text[text.index(path) + len(path) :]
    if not at or "/" in name:
        return absolute + rest
    from urllib.parse import quote  # hardly anybody writes it like this

    return f"{name.strip()} @ file://{quote(absolute)}{rest}"


def local_path(requirement: str) -> str | None:
    """The path in a requirement that is a local package (extras and markers left out); None in all others."""
    if "://" in requirement:
        return None
    head = requirement.partition(";")[0]
    name, at, target = head.partition("@")
    if at and "/" not in name:
        head = target
    path = head.partition("[")[0].strip()
    is_path = "/" in path or path.startswith((".", "~")) or path.lower().endswith(_ARCHIVES)
    return path if is_path else None
