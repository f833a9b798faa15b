"""Where an interpreter and its packages lie, found by reading, without starting it.

Its own folder, that of the interpreter below a virtual environment, the links that lead there, and the folders of
projects that are installed in place (`pip install --editable`).
"""

import json
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

from pyflowd.core.paths import is_within
from pyflowd.environments.plain_files import read_text
from pyflowd.environments.store import is_ours

LINKS_MOST = 40  # as the kernel


@dataclass(frozen=True, slots=True)
class Roots:
    """folders: with all below them. links: (link, what it says), of those that lie in none of the folders."""

    folders: tuple[str, ...]
    links: tuple[tuple[str, str], ...]


def roots_of(python: str) -> Roots:
    """What the interpreter at an absolute path needs to see besides the system."""
    folders: dict[str, None] = {}
    links: list[tuple[str, str]] = []
    for path in _way(python):
        prefix = os.path.dirname(os.path.dirname(path))
        folders.update(dict.fromkeys(_of_prefix(prefix)))
        if os.path.islink(path):
            links.append((path, os.readlink(path)))
    for folder in list(folders):
        folders.update(dict.fromkeys(_installed_in_place(Path(folder))))
    outside = [link for link in links if not is_within(link[0], folders)]
    return Roots(tuple(folders), tuple(outside))


def _way(python: str) -> Iterator[str]:
    """The interpreter's path, the paths its links lead to, and those of the interpreter below a virtual environment."""
    path = python
    for _ in range(LINKS_MOST):
        yield path
        base = _base(Path(path).parent.parent)
        if base is not None:
            yield base
            yield os.path.realpath(base)
        if not os.path.islink(path):
            break
        path = os.path.normpath(os.path.join(os.path.dirname(path), os.readlink(path)))
    yield os.path.realpath(python)


def _base(prefix: Path) -> str | None:
    for line in (read_text(str(prefix / "pyvenv.cfg")) or "").splitlines():
        name, _, value = line.partition("=")
        if name.strip().lower() == "home":
            return os.path.join(value.strip(), "python3")
    return None


def _of_prefix(prefix: str) -> list[str]:
    """The folders of an installation; of one that shares its folder with other things, those that are Python's."""
    libraries = [folder for folder in Path(prefix).glob("lib*/python3*") if folder.is_dir()]
    if prefix == "/" or not (libraries or os.path.exists(os.path.join(prefix, "pyvenv.cfg"))):
        return []
    if is_within(os.path.expanduser("~"), (prefix,)):
        return [str(folder) for folder in libraries]
    return [prefix]


def _installed_in_place(prefix: Path) -> Iterator[str]:
    """What packages say of themselves: not to be believed where a graph has chosen them, and those are all copied."""
    if is_ours(prefix):
        return
    for site in prefix.glob("lib*/python3*/*-packages"):
        for file in site.glob("*.pth"):
            for folder in folders_added_by(str(file)):
                yield from _unless_too_high(folder)
        if not any(site.glob("__editable___*_finder.py")):
            continue  # else import hooks look there, and only they know where
        for file in site.glob("*.dist-info/direct_url.json"):
            with suppress(ValueError, AttributeError, TypeError, LookupError, RecursionError):
                found = json.loads(read_text(str(file)) or "")
                if found.get("dir_info", {}).get("editable"):
                    yield from _unless_too_high(unquote(urlsplit(found["url"]).path))


def folders_added_by(file: str) -> list[str]:
    """The folders that a `.pth` file adds to where modules are looked for, as far as they exist."""
    lines = (read_text(file) or "").splitlines()
    told = [line.strip() for line in lines if line.strip() and not line.startswith(("#", "import ", "import\t"))]
    folders = (os.path.normpath(os.path.join(os.path.dirname(file), path)) for path in told if "\0" not in path)
    return list(filter(os.path.isdir, folders))


def _unless_too_high(path: str) -> Iterator[str]:
    """The folder, unless it is so high up that much else would be seen with it."""
    path = os.path.normpath(path)
    if "\0" not in path and os.path.isdir(path) and not is_within(os.path.expanduser("~"), (path,)):
        yield path
