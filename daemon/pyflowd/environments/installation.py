"""What an interpreter's path is part of, read from files: nothing is executed, so whoever made them may be hostile.

The rules are CPython's own (`Modules/getpath.py`, `Lib/site.py`): `pyvenv.cfg` counts beside the path as it was given,
or one folder up; the standard library and its packages lie above the file that the links lead to. A system's packages
lie where its distribution puts them: Debian and Fedora have folders of their own.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass

from pyflowd.environments.plain_files import names_in, read_text
from pyflowd.environments.python_versions import unsuitable
from pyflowd.environments.roots import folders_added_by

_LIBRARY = re.compile(r"(python|pypy)(\d+\.\d+)t?")
_EXECUTABLE = re.compile(r"(?:python|pypy)\d+\.\d+t?")
_VERSION = re.compile(r"(\d+\.\d+(?:\.\d+)?)(?:\.?(a|alpha|b|beta|rc|candidate)\.?(\d+))?")
_PATCHLEVEL = re.compile(r'^#define PY_VERSION\s+"([^"+]+)', re.MULTILINE)
_STAGES = {"a": "a", "alpha": "a", "b": "b", "beta": "b", "rc": "rc", "candidate": "rc"}
_MAKERS = ("uv", "virtualenv")


@dataclass(frozen=True, slots=True, kw_only=True)
class Installation:
    """An interpreter with its packages.

    kind: "interpreter", "venv" or "conda". python: the path as it was given. real: the file that it leads to.
    prefix: the folder it is installed in. version: "3.11.7", or "3.11" where no file tells more, or "".
    manager: what made it, where that is known: "venv", "virtualenv", "uv", "conda".
    sites: the folders of its packages, as they are searched, whether they exist or not. files: what else decides on it.
    """

    kind: str
    python: str
    real: str
    prefix: str
    version: str
    implementation: str
    manager: str | None
    sites: tuple[str, ...]
    files: tuple[str, ...] = ()

    @property
    def package_folders(self) -> list[str]:
        """The sites that exist, each once."""
        found = {os.path.realpath(site): site for site in reversed(self.sites) if os.path.isdir(site)}
        return list(reversed(found.values()))


def installation_of(python: str) -> Installation:
    """What the interpreter at an absolute path is part of, as far as its files tell. It need not be there."""
    folder = os.path.dirname(python)
    real = os.path.realpath(python)
    for prefix in (folder, os.path.dirname(folder)):
        config = read_text(os.path.join(prefix, "pyvenv.cfg"))
        if config is not None:
            return _virtual(python, real, prefix, _settings(config))
    return _installed(python, real)


def _settings(config: str) -> dict[str, str]:
    """The lines of a pyvenv.cfg, `name = value`, names in lower case."""
    pairs = (line.partition("=") for line in config.splitlines() if "=" in line)
    return {name.strip().lower(): value.strip() for name, _, value in pairs}


def _virtual(python: str, real: str, prefix: str, settings: dict[str, str]) -> Installation:
    version = _normal(settings.get("version_info") or settings.get("version") or "")
    guess = f"python{_short(version)}" if version else ""
    [library, *_] = [*_libraries(prefix, version), *_libraries(prefix), guess]
    sites = _own_sites(prefix, library)
    if settings.get("include-system-site-packages", "").lower() == "true":
        sites += _installed(*_base(settings, real, library)).sites
    is_cpython = not library.startswith("pypy") and not os.path.basename(real).startswith("pypy")
    return Installation(
        kind="venv",
        python=python,
        real=real,
        prefix=prefix,
        version=version or _short(library),
        implementation=settings.get("implementation") or ("CPython" if is_cpython else "PyPy"),
        manager=next((maker for maker in _MAKERS if maker in settings), "venv"),
        sites=sites,
        files=(os.path.join(prefix, "pyvenv.cfg"),),
    )


def _base(settings: dict[str, str], real: str, library: str) -> tuple[str, str]:
    """The interpreter below a virtual environment, and the file that it leads to."""
    home = settings.get("home", "")
    python = os.path.join(home, library) if os.path.isabs(home) and library else real
    return python, os.path.realpath(python)


def _installed(python: str, real: str) -> Installation:
    prefix, library = _home_of(real)
    is_conda = os.path.isdir(os.path.join(prefix, "conda-meta"))
    implementation = "PyPy" if "pypy" in library or os.path.basename(real).startswith("pypy") else "CPython"
    return Installation(
        kind="conda" if is_conda else "interpreter",
        python=python,
        real=real,
        prefix=prefix,
        version=_version_of(prefix, library),
        implementation=implementation,
        manager="conda" if is_conda else None,
        sites=_own_sites(prefix, library) + (() if is_conda else _shared_sites(prefix, library)),
    )


def _home_of(real: str) -> tuple[str, str]:
    """Prefix and name of the library of an interpreter: the first folder above it that has one."""
    name = os.path.basename(real)
    above = os.path.dirname(real)
    while above != os.path.dirname(above):
        for library in sorted(_libraries(above, name), key=lambda library: library != name):
            if os.path.exists(os.path.join(above, "lib", library, "os.py")):
                return above, library
        above = os.path.dirname(above)
    return os.path.dirname(os.path.dirname(real)), name if _EXECUTABLE.fullmatch(name) else ""


def _libraries(prefix: str, version: str = "") -> Iterator[str]:
    """The names of the libraries in a prefix, of this version or of all: "python3.11", "python3.13t", "pypy3.10"."""
    wanted = _short(version)
    for folder in ("lib", "lib64"):
        for name in names_in(os.path.join(prefix, folder)):
            found = _LIBRARY.fullmatch(name)
            if found and wanted in ("", found[2]):
                yield name


def _own_sites(prefix: str, library: str) -> tuple[str, ...]:
    if not library:
        return ()
    return tuple(os.path.join(prefix, folder, library, "site-packages") for folder in ("lib", "lib64"))


def _shared_sites(prefix: str, library: str) -> tuple[str, ...]:
    """Where the interpreter of a distribution has its packages besides. Its own folder may be that of another."""
    if prefix != "/usr" or not library:
        return ()
    if os.path.isdir("/usr/lib/python3/dist-packages"):
        return (f"/usr/local/lib/{library}/dist-packages", "/usr/lib/python3/dist-packages")
    return tuple(f"/usr/local/{folder}/{library}/site-packages" for folder in ("lib", "lib64"))


def _version_of(prefix: str, library: str) -> str:
    """The version of an installation: from its headers, or from conda's list; the folder's name tells but a part."""
    for folder in (library, f"{library}m"):
        header = read_text(os.path.join(prefix, "include", folder, "patchlevel.h"))
        if header and (found := _PATCHLEVEL.search(header)):
            return _normal(found[1])
    for name in names_in(os.path.join(prefix, "conda-meta")):
        if (found := re.match(r"python-(\d[^-]*)-", name)) and name.endswith(".json"):
            return _normal(found[1])
    return _short(library)


def _normal(version: str) -> str:
    """A version as Python writes it itself: "3.14.0rc1" of "3.14.0.candidate.1", "3.11.7" of "3.11.7.final.0"."""
    found = _VERSION.match(version.strip())
    if found is None:
        return ""
    return found[1] + (f"{_STAGES[found[2]]}{found[3]}" if found[2] else "")


def _short(text: str) -> str:
    """The first two numbers of a version, wherever they stand in the text: "3.13" in "python3.13t"."""
    return found[0] if (found := re.search(r"\d+\.\d+", text)) else ""


def problem_of(installation: Installation) -> str | None:
    """Why no node can run in it, as far as its files tell."""
    if not os.path.exists(installation.real):
        return _what_is_missing(installation)
    if not os.path.isfile(installation.real) or not os.access(installation.real, os.X_OK):
        return f"{installation.python} is not an executable file"
    if installation.kind == "venv" and is_script(installation.real):
        return f"{installation.python} is a script, where a virtual environment has an interpreter"
    if not installation.version:
        return "no file tells which version of Python this is"
    if (reason := unsuitable(installation.implementation, installation.version)) is not None:
        return reason
    below, short = os.path.basename(installation.real), _short(installation.version)
    if _EXECUTABLE.fullmatch(below) and _short(below) != short:
        return f"it was made for Python {short}, but its interpreter is {installation.real} now: make it anew"
    return None


def version_problem(python: str) -> str | None:
    """Why no node can run in such a Python, where its files tell which it is. None as well where they do not."""
    installation = installation_of(python)
    return unsuitable(installation.implementation, installation.version) if installation.version else None


def _what_is_missing(installation: Installation) -> str:
    python = installation.python
    if not os.path.islink(python):
        return f"{python} does not exist"
    if os.path.islink(installation.real):
        return f"the links of {python} lead in a circle"
    return f"{python} leads to {installation.real}, which does not exist"


def is_script(path: str) -> bool:
    """Whether a file is run by another program, which its first line names."""
    return (read_text(path, most_bytes=2) or "") == "#!"


def search_folders(installation: Installation) -> Iterator[str]:
    """Where the interpreter looks for packages: its own folders, and those that `.pth` files add after each."""
    seen = set[str]()
    for site in installation.package_folders:
        files = [os.path.join(site, name) for name in names_in(site) if name.endswith(".pth")]
        for folder in (site, *(folder for file in files for folder in folders_added_by(file))):
            if folder not in seen:
                seen.add(folder)
                yield folder
