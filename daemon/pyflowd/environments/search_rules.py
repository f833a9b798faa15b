"""Where Pythons lie on Linux, macOS and Windows: rules only, as functions of what a system says of itself.

Nothing is looked at here, so each platform's rules can be had on any other. Patterns are for `glob`.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath, PurePosixPath, PureWindowsPath

PATH_ENTRIES_MOST = 1000

_NAME = re.compile(r"(python|pypy|graalpy)(\d(\.\d+)?)?t?(\.exe)?")
_CONDA_ROOTS = ("miniconda3", "anaconda3", "miniforge3", "mambaforge", "micromamba")


@dataclass(frozen=True, slots=True)
class Surroundings:
    """platform: as sys.platform. variables: the environment variables. home: the user's home folder."""

    platform: str
    variables: Mapping[str, str]
    home: str

    def path(self, *parts: str) -> PurePath:
        return PureWindowsPath(*parts) if self.platform == "win32" else PurePosixPath(*parts)

    def at_home(self, *parts: str) -> PurePath:
        return self.path(self.home, *parts)

    def variable(self, name: str, *parts: str) -> list[PurePath]:
        """The path that a variable names, with the parts after it; none when it is not an absolute one."""
        path = self.path(self.variables.get(name, ""))
        return [path.joinpath(*parts)] if path.is_absolute() else []


def search_path_folders(around: Surroundings, search_path: str) -> list[PurePath]:
    """The folders of a PATH, each once. What is not absolute is not searched: anybody could have put it there."""
    entries = search_path.split(";" if around.platform == "win32" else ":", PATH_ENTRIES_MOST)[:PATH_ENTRIES_MOST]
    folders = (around.path(entry.strip('"') if around.platform == "win32" else entry) for entry in entries if entry)
    shims = {folder for manager in version_managers(around) for folder in manager.shims}
    store = [folder / "Microsoft" / "WindowsApps" for folder in _local_programs(around)]  # they open a shop
    return [folder for folder in dict.fromkeys(folders) if folder.is_absolute() and folder not in {*shims, *store}]


def is_interpreter_name(around: Surroundings, name: str) -> bool:
    """Whether a file of a PATH may be an interpreter, by its name: python, python3.12, pypy3, python.exe."""
    found = _NAME.fullmatch(name.lower() if around.platform == "win32" else name)
    return found is not None and (found[4] is not None) == (around.platform == "win32")


def interpreters_of(around: Surroundings, prefix: PurePath) -> list[PurePath]:
    """Where the interpreter of an installation or an environment may lie, the likeliest first."""
    if around.platform == "win32":
        return [prefix / "Scripts" / "python.exe", prefix / "python.exe", prefix / "bin" / "python.exe"]
    return [prefix / "bin" / name for name in ("python", "python3", "pypy3", "pypy", "graalpy")]


def environments_beside(around: Surroundings, folder: PurePath) -> list[tuple[str, PurePath]]:
    """What may be an environment in the folder of a graph: (source, path or pattern). An editor keeps `venvs/`."""
    return [(".venv", folder / ".venv"), (".venv", folder / "venv"), ("venvs", folder / "venvs" / "*")]


@dataclass(frozen=True, slots=True)
class VersionManager:
    """A program that keeps several Pythons. prefixes: patterns of where. shims: folders of scripts for them."""

    name: str
    prefixes: tuple[PurePath, ...]
    shims: tuple[PurePath, ...] = ()


def version_managers(around: Surroundings) -> list[VersionManager]:
    return [_pyenv(around), _uv(around), _mise(around), _asdf(around)]


def _pyenv(around: Surroundings) -> VersionManager:
    roots = [*around.variable("PYENV_ROOT"), *around.variable("PYENV")]
    if not roots:
        below = (".pyenv", "pyenv-win") if around.platform == "win32" else (".pyenv",)
        roots = [around.at_home(*below)]
    shims = [shims for root in roots for shims in (root / "shims", root / "plugins" / "pyenv-virtualenv" / "shims")]
    return VersionManager("pyenv", tuple(root / "versions" / "*" for root in roots), tuple(shims))


def _uv(around: Surroundings) -> VersionManager:
    folders = around.variable("UV_PYTHON_INSTALL_DIR")
    if not folders and around.platform == "win32":
        roaming = around.variable("APPDATA") or [around.at_home("AppData", "Roaming")]
        folders = [folder / "uv" / "python" for folder in roaming]
    elif not folders:
        data = around.variable("XDG_DATA_HOME") or [around.at_home(".local", "share")]
        folders = [folder / "uv" / "python" for folder in data]
        if around.platform == "darwin":
            folders.append(around.at_home("Library", "Application Support", "uv", "python"))
    return VersionManager("uv", tuple(folder / "*" for folder in folders))


def _mise(around: Surroundings) -> VersionManager:
    data = around.variable("MISE_DATA_DIR") or [folder / "mise" for folder in _data_folders(around)]
    return _with_installs("mise", data)


def _asdf(around: Surroundings) -> VersionManager:
    return _with_installs("asdf", around.variable("ASDF_DATA_DIR") or [around.at_home(".asdf")])


def _with_installs(name: str, folders: list[PurePath]) -> VersionManager:
    installs = tuple(folder / "installs" / "python" / "*" for folder in folders)
    return VersionManager(name, installs, tuple(folder / "shims" for folder in folders))


def _data_folders(around: Surroundings) -> list[PurePath]:
    if around.platform == "win32":
        return _local_programs(around)
    return around.variable("XDG_DATA_HOME") or [around.at_home(".local", "share")]


def _local_programs(around: Surroundings) -> list[PurePath]:
    if around.platform != "win32":
        return []
    return around.variable("LOCALAPPDATA") or [around.at_home("AppData", "Local")]


def installed_for_all(around: Surroundings) -> list[PurePath]:
    """Patterns of installations that a PATH may lack: those of installers from python.org, and Homebrew's."""
    if around.platform == "darwin":
        frameworks = around.path("/Library/Frameworks/Python.framework/Versions/3.*")
        brewed = [around.path(root, "opt", "python@3.*") for root in ("/opt/homebrew", "/usr/local")]
        return [frameworks, *brewed]
    if around.platform == "win32":
        own = [folder / "Programs" / "Python" / "Python3*" for folder in _local_programs(around)]
        shared = [*around.variable("ProgramFiles", "Python3*"), *around.variable("ProgramFiles(x86)", "Python3*")]
        return [*own, *shared]
    return []


def conda_roots(around: Surroundings) -> list[PurePath]:
    """Where conda, mamba or micromamba may be installed. Each root is an environment, and has more in `envs`."""
    return list(dict.fromkeys(_conda_roots(around)))


def _conda_roots(around: Surroundings) -> Iterator[PurePath]:
    for program in around.variable("CONDA_EXE"):
        yield program.parent.parent
    yield from around.variable("MAMBA_ROOT_PREFIX")
    for folder in (around.at_home(), *_shared_folders(around)):
        yield from (folder / name for name in _CONDA_ROOTS)
    if around.platform != "win32":
        yield around.at_home(".local", "share", "mamba")
        yield around.path("/opt/conda")
    if around.platform == "darwin":
        yield around.path("/opt/homebrew/Caskroom/miniforge/base")
        yield around.path("/opt/homebrew/Caskroom/miniconda/base")


def _shared_folders(around: Surroundings) -> list[PurePath]:
    if around.platform == "win32":
        return [*_local_programs(around), *around.variable("ProgramData")]
    return [around.path("/opt")]


def conda_environments(around: Surroundings) -> list[PurePath]:
    """Patterns of conda environments, besides those that conda's own list names."""
    folders = [root / "envs" for root in conda_roots(around)] + [around.at_home(".conda", "envs")]
    for name in ("CONDA_ENVS_PATH", "CONDA_ENVS_DIRS"):
        said = around.variables.get(name, "").split(";" if around.platform == "win32" else ":")
        folders += [around.path(entry) for entry in said if around.path(entry).is_absolute()]
    active = around.variable("CONDA_PREFIX")
    return [*active, *conda_roots(around), *(folder / "*" for folder in dict.fromkeys(folders))]


def conda_list(around: Surroundings) -> PurePath:
    """The file in which conda notes every environment that it makes, one path a line."""
    return around.at_home(".conda", "environments.txt")
