"""A text that changes when an environment does: its interpreter, its configuration, what is installed in it.

Two steps. The files and folders that tell of a change are looked at each time (some microseconds); only when one of
them has changed, what is in them is read. So a `__pycache__` that appears in a folder of packages changes nothing, and
a fingerprint means the same in every process. A change that is as young as the clock of a file system is coarse may
be followed by another that cannot be told from it: until then everything is read each time.

Modules that are installed in place are watched as well, up to a number of files. They are many, so they are not looked
at again so soon that only a program could have changed them: runs that follow each other need not wait for that.
Nothing is executed.
"""

import hashlib
import os
import re
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from pyflowd.environments.installation import installation_of, search_folders
from pyflowd.environments.plain_files import names_in, read_text

COARSEST_CLOCK_NS = 2_000_000_000  # FAT's; ext4's is 4 ms
IN_PLACE_MOST = 100
IN_PLACE_PAUSE_NS = 50_000_000
_TELLING = ("sitecustomize.py", "usercustomize.py")

_PATH = re.compile(r"['\"](/[^'\"\n\0]+)['\"]")

Look = tuple[int, int, int]
ABSENT: Look = (0, 0, 0)


@dataclass(slots=True)
class _Known:
    """paths: what to look at. looks: what they looked like when the stamp was made. in_place: the same of modules that
    are installed in place, which were seen to be the same at `looked_ns`."""

    paths: tuple[str, ...]
    looks: tuple[Look, ...]
    in_place: tuple[str, ...]
    in_place_looks: tuple[Look, ...]
    looked_ns: int
    stamp: str


class Fingerprints:
    """Remembers what it has seen, so that to ask again costs little. `clock_ns`: as files are dated."""

    def __init__(self, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self._clock_ns = clock_ns
        self._known: dict[str, _Known] = {}

    def of(self, python: str) -> str:
        """The fingerprint of the environment of an interpreter at an absolute path; "" when it is not there."""
        known = self._known.get(python)
        if known is not None and _looks(known.paths) == known.looks and self._is_in_place(known):
            return known.stamp
        return self._read(python)

    def forget(self, python: str) -> None:
        self._known.pop(python, None)

    def _is_in_place(self, known: _Known) -> bool:
        """Whether the modules that are installed in place are what they were, as far as one has to look again."""
        if not known.in_place:
            return True
        now_ns = self._clock_ns()
        if abs(now_ns - known.looked_ns) < IN_PLACE_PAUSE_NS:
            return True
        known.looked_ns = now_ns
        return _looks(known.in_place) == known.in_place_looks

    def _read(self, python: str) -> str:
        self.forget(python)
        if _look(python) == ABSENT:
            return ""
        installation = installation_of(python)
        folders = list(search_folders(installation))
        sites = installation.package_folders
        elsewhere = [folder for folder in folders if folder not in sites]
        elsewhere += [path for site in sites for path in _mapped(site)]
        in_place = tuple(islice(_modules(elsewhere), IN_PLACE_MOST))
        files = [python, *installation.files, *(file for site in sites for file in _telling(site))]
        missing = [site for site in installation.sites if site not in sites]
        paths = (*files, *sites, *missing)
        looks, in_place_looks = _looks(paths), _looks(in_place)
        stamp = _stamp([*_content_of_files(files), *_content_of_sites(sites), *_content_of_files(in_place)])
        now_ns = self._clock_ns()
        seen = (*looks, *in_place_looks)
        is_settled = all(abs(now_ns - modified_ns) > COARSEST_CLOCK_NS for _, modified_ns, _ in seen)
        if is_settled and seen == _looks((*paths, *in_place)):
            self._known[python] = _Known(paths, looks, in_place, in_place_looks, now_ns, stamp)
        return stamp


def _look(path: str) -> Look:
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return ABSENT
    return found.st_ino, found.st_mtime_ns, found.st_size


def _looks(paths: Iterable[str]) -> tuple[Look, ...]:
    return tuple(map(_look, paths))


def _stamp(parts: Iterable[str]) -> str:
    return hashlib.blake2b("\n".join(parts).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()


def _telling(site: str) -> list[str]:
    """Files that decide what is imported, and may be written without the folder showing it."""
    return [os.path.join(site, name) for name in names_in(site) if name.endswith(".pth") or name in _TELLING]


def _mapped(site: str) -> Iterator[str]:
    """Where the import hooks of packages that are installed in place look: setuptools writes it into them."""
    for name in names_in(site):
        if name.startswith("__editable___") and name.endswith("_finder.py"):
            for path in _PATH.findall(read_text(os.path.join(site, name)) or ""):
                if os.path.lexists(path):
                    yield path


def _content_of_files(paths: Iterable[str]) -> Iterator[str]:
    """Folders by their existence alone: their dates change when a `__pycache__` appears in them."""
    for path in paths:
        yield f"{path} {_look(path) if not os.path.isdir(path) else 'folder'}"


def _content_of_sites(sites: Iterable[str]) -> Iterator[str]:
    """Names, and the dates of files and of metadata: an installer always makes the latter anew."""
    for site in sites:
        for name in names_in(site):
            path = os.path.join(site, name)
            if name == "__pycache__":
                continue
            is_dated = name.endswith((".dist-info", ".egg-info")) or not os.path.isdir(path)
            yield f"{path} {_look(path) if is_dated else 'folder'}"


def _modules(folders: Iterable[str]) -> Iterator[str]:
    """Folders and Python files below them, those near the top first; nothing hidden, no link to a folder."""
    waiting = list(folders)
    while waiting:
        folder = waiting.pop(0)
        yield folder
        for name in names_in(folder):
            path = os.path.join(folder, name)
            if name.endswith((".py", ".so")):
                yield path
            elif name[0] not in "._" and os.path.isdir(path) and not os.path.islink(path):
                waiting.append(path)
