"""What is installed beside an interpreter, read from the metadata that installers leave: nothing is executed.

Folders are searched in the order in which the interpreter does it, those of projects that are installed in place
(`pip install --editable`) included: where a package is there twice, the first counts.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from email.parser import HeaderParser

from packaging.utils import NormalizedName, canonicalize_name

from pyflowd.environments.installation import Installation, installation_of, search_folders
from pyflowd.environments.plain_files import names_in, read_text

_METADATA = re.compile(r"(.+?)(?:-([^-]+))?(?:-py\d[\d.]*(?:-.+)?)?\.(?:dist|egg)-info")
_SECTION = re.compile(r"\[([^:\]]*)(?::(.*))?\]")


@dataclass(frozen=True, slots=True)
class InstalledPackage:
    """name, version: as its author wrote them. requires: PEP 508. requires_python: versions of Python, or "".

    folder: that it was found in.
    """

    name: str
    version: str
    requires: tuple[str, ...] = ()
    requires_python: str = ""
    folder: str = ""

    @property
    def key(self) -> NormalizedName:
        """The name by which packages are the same."""
        return canonicalize_name(self.name)


def installed(python: str) -> list[InstalledPackage]:
    """The packages of an interpreter, sorted by name."""
    return installed_in(installation_of(python))


def installed_in(installation: Installation) -> list[InstalledPackage]:
    found: dict[NormalizedName, InstalledPackage] = {}
    for folder, name in _metadata(installation):
        package = _read(folder, name)
        if package is not None:
            found.setdefault(package.key, package)
    return [found[key] for key in sorted(found)]


def count_packages(installation: Installation) -> int:
    """How many are installed, by the names of their metadata alone."""
    names = (_METADATA.fullmatch(name) for _, name in _metadata(installation))
    return len({canonicalize_name(found[1]) for found in names if found})


def size_bytes(folder: str) -> int:
    """What a folder takes on the disk. Links are not followed, and a file that has several names counts once."""
    total, seen, folders = 0, set[tuple[int, int]](), [folder]
    while folders:
        try:
            with os.scandir(folders.pop()) as entries:
                for entry in entries:
                    found = entry.stat(follow_symlinks=False)
                    if entry.is_dir(follow_symlinks=False):
                        folders.append(entry.path)
                    if (found.st_dev, found.st_ino) not in seen:
                        seen.add((found.st_dev, found.st_ino))
                        total += found.st_blocks * 512
        except OSError:  # what cannot be seen is not counted
            continue
    return total


def _metadata(installation: Installation) -> Iterator[tuple[str, str]]:
    for folder in search_folders(installation):
        yield from ((folder, name) for name in names_in(folder) if name.endswith((".dist-info", ".egg-info")))


def _read(folder: str, name: str) -> InstalledPackage | None:
    """A package by its metadata: a folder with METADATA or PKG-INFO, or an old installer's single file."""
    path = os.path.join(folder, name)
    texts = (read_text(os.path.join(path, inside)) for inside in ("METADATA", "PKG-INFO"))
    text = next((text for text in texts if text), None) or read_text(path)
    by_name = _METADATA.fullmatch(name)
    if text is None or by_name is None:  # a folder that an interrupted uninstallation left behind
        return None
    headers = HeaderParser().parsestr(text.partition("\n\n")[0].replace("\r", ""))
    requires = [str(value) for value in headers.get_all("Requires-Dist") or ()]
    if not requires and name.endswith(".egg-info"):
        requires = list(_of_sections(read_text(os.path.join(path, "requires.txt")) or ""))
    return InstalledPackage(
        name=str(headers["Name"] or by_name[1]).strip(),
        version=str(headers["Version"] or by_name[2] or "").strip(),
        requires=tuple(" ".join(item.split()) for item in requires),
        requires_python=str(headers["Requires-Python"] or "").strip(),
        folder=folder,
    )


def _of_sections(text: str) -> Iterator[str]:
    """setuptools' `requires.txt` as PEP 508: a section is `[extra:marker]`, either of which may be missing."""
    condition = ""
    for line in filter(None, map(str.strip, text.splitlines())):
        if (section := _SECTION.fullmatch(line)) is not None:
            extra, marker = section[1].strip(), (section[2] or "").strip()
            parts = [f"({marker})" if marker else "", f'extra == "{extra}"' if extra else ""]
            condition = " and ".join(filter(None, parts))
        else:
            yield f"{line} ; {condition}" if condition else line
