"""Where Pythons lie on each platform: rules that can be had on any."""

import os
from pathlib import PurePath, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyflowd.environments import search_rules
from pyflowd.environments.search_rules import Surroundings
from support.tiny_wheels import run_uv

LINUX = Surroundings("linux", {}, "/home/ada")
MACOS = Surroundings("darwin", {}, "/Users/ada")
WINDOWS = Surroundings(
    "win32",
    {
        "LOCALAPPDATA": "C:\\Users\\ada\\AppData\\Local",
        "APPDATA": "C:\\Users\\ada\\AppData\\Roaming",
        "ProgramFiles": "C:\\Program Files",
        "ProgramData": "C:\\ProgramData",
    },
    "C:\\Users\\ada",
)


def having(around: Surroundings, **variables: str) -> Surroundings:
    return Surroundings(around.platform, {**around.variables, **variables}, around.home)


def texts(paths: object) -> list[str]:
    assert isinstance(paths, (list, tuple))
    return [str(path) for path in paths]


def prefixes(around: Surroundings, name: str) -> list[str]:
    [manager] = [manager for manager in search_rules.version_managers(around) if manager.name == name]
    return texts(manager.prefixes)


@pytest.mark.parametrize(
    ("around", "name", "expected"),
    [
        (LINUX, "pyenv", ["/home/ada/.pyenv/versions/*"]),
        (having(LINUX, PYENV_ROOT="/opt/pyenv"), "pyenv", ["/opt/pyenv/versions/*"]),
        (having(LINUX, PYENV_ROOT="here"), "pyenv", ["/home/ada/.pyenv/versions/*"]),
        (WINDOWS, "pyenv", ["C:\\Users\\ada\\.pyenv\\pyenv-win\\versions\\*"]),
        (having(WINDOWS, PYENV="D:\\pyenv-win\\"), "pyenv", ["D:\\pyenv-win\\versions\\*"]),
        (LINUX, "uv", ["/home/ada/.local/share/uv/python/*"]),
        (having(LINUX, XDG_DATA_HOME="/data"), "uv", ["/data/uv/python/*"]),
        (having(LINUX, UV_PYTHON_INSTALL_DIR="/pythons"), "uv", ["/pythons/*"]),
        (
            MACOS,
            "uv",
            ["/Users/ada/.local/share/uv/python/*", "/Users/ada/Library/Application Support/uv/python/*"],
        ),
        (WINDOWS, "uv", ["C:\\Users\\ada\\AppData\\Roaming\\uv\\python\\*"]),
        (LINUX, "mise", ["/home/ada/.local/share/mise/installs/python/*"]),
        (WINDOWS, "mise", ["C:\\Users\\ada\\AppData\\Local\\mise\\installs\\python\\*"]),
        (having(LINUX, ASDF_DATA_DIR="/asdf"), "asdf", ["/asdf/installs/python/*"]),
    ],
)
def test_a_version_manager_keeps_its_pythons_in(around: Surroundings, name: str, expected: list[str]) -> None:
    assert prefixes(around, name) == expected


@pytest.mark.parametrize("variables", [{}, {"XDG_DATA_HOME": "/data"}, {"UV_PYTHON_INSTALL_DIR": "/pythons"}])
def test_uv_itself_names_the_same_folder(variables: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_DATA_HOME", "UV_PYTHON_INSTALL_DIR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    said = run_uv("python", "dir").strip()
    assert prefixes(Surroundings("linux", os.environ, os.path.expanduser("~")), "uv") == [f"{said}/*"]


@pytest.mark.parametrize(
    ("around", "prefix", "expected"),
    [
        (LINUX, PurePosixPath("/env"), "/env/bin/python"),
        (MACOS, PurePosixPath("/env"), "/env/bin/python"),
        (WINDOWS, PureWindowsPath("C:\\env"), "C:\\env\\Scripts\\python.exe"),
    ],
)
def test_the_interpreter_of_an_environment_is(around: Surroundings, prefix: PurePath, expected: str) -> None:
    assert str(search_rules.interpreters_of(around, prefix)[0]) == expected


def test_on_windows_conda_and_pyenv_have_it_in_the_folder_itself() -> None:
    found = search_rules.interpreters_of(WINDOWS, PureWindowsPath("C:\\conda"))
    assert "C:\\conda\\python.exe" in texts(found)


@pytest.mark.parametrize(
    ("around", "expected"),
    [
        (LINUX, ["/graphs/.venv", "/graphs/venv", "/graphs/venvs/*"]),
        (WINDOWS, ["C:\\graphs\\.venv", "C:\\graphs\\venv", "C:\\graphs\\venvs\\*"]),
    ],
)
def test_beside_a_graph_environments_are_in(around: Surroundings, expected: list[str]) -> None:
    folder = around.path("C:\\graphs" if around.platform == "win32" else "/graphs")
    assert [str(path) for _, path in search_rules.environments_beside(around, folder)] == expected


@pytest.mark.parametrize(
    ("around", "name", "expected"),
    [
        (LINUX, "python", True),
        (LINUX, "python3", True),
        (LINUX, "python3.13t", True),
        (LINUX, "pypy3.10", True),
        (LINUX, "python2.7", True),
        (LINUX, "python3-config", False),
        (LINUX, "python3.11-gdb.py", False),
        (LINUX, "python.exe", False),
        (LINUX, "Python", False),
        (LINUX, "pythonw", False),
        (WINDOWS, "python.exe", True),
        (WINDOWS, "Python3.EXE", True),
        (WINDOWS, "python", False),
        (WINDOWS, "pythonw.exe", False),
    ],
)
def test_a_name_is_that_of_an_interpreter(around: Surroundings, name: str, expected: bool) -> None:
    assert search_rules.is_interpreter_name(around, name) is expected


def test_a_path_is_searched_in_its_order_without_shims_and_without_what_is_not_absolute() -> None:
    entries = "/b/bin:.::relative/bin:/a/bin:/b/bin:/home/ada/.pyenv/shims:/home/ada/.asdf/shims"
    assert texts(search_rules.search_path_folders(LINUX, entries)) == ["/b/bin", "/a/bin"]


def test_on_windows_a_path_has_quotes_and_semicolons_and_a_folder_of_programs_that_open_a_shop() -> None:
    entries = '"C:\\Python 312";C:\\Users\\ada\\AppData\\Local\\Microsoft\\WindowsApps;bin;C:\\py'
    assert texts(search_rules.search_path_folders(WINDOWS, entries)) == ["C:\\Python 312", "C:\\py"]


def test_what_installers_leave_outside_of_the_path_is_searched() -> None:
    assert "/Library/Frameworks/Python.framework/Versions/3.*" in texts(search_rules.installed_for_all(MACOS))
    windows = texts(search_rules.installed_for_all(WINDOWS))
    assert "C:\\Users\\ada\\AppData\\Local\\Programs\\Python\\Python3*" in windows
    assert "C:\\Program Files\\Python3*" in windows
    assert search_rules.installed_for_all(LINUX) == []


@pytest.mark.parametrize(
    ("around", "expected"),
    [
        (LINUX, "/home/ada/miniconda3/envs/*"),
        (LINUX, "/opt/conda"),
        (having(LINUX, CONDA_PREFIX="/active"), "/active"),
        (having(LINUX, CONDA_EXE="/far/bin/conda"), "/far/envs/*"),
        (having(LINUX, MAMBA_ROOT_PREFIX="/mamba"), "/mamba/envs/*"),
        (having(LINUX, CONDA_ENVS_PATH="/mine:there"), "/mine/*"),
        (MACOS, "/opt/homebrew/Caskroom/miniforge/base"),
        (having(WINDOWS, CONDA_EXE="C:\\mini\\Scripts\\conda.exe"), "C:\\mini\\envs\\*"),
        (WINDOWS, "C:\\ProgramData\\miniconda3"),
        (WINDOWS, "C:\\Users\\ada\\AppData\\Local\\miniforge3\\envs\\*"),
    ],
)
def test_conda_environments_are_in(around: Surroundings, expected: str) -> None:
    assert expected in texts(search_rules.conda_environments(around))


@given(st.lists(st.text(alphabet="abc/.: ~\\é", max_size=12)).map(":".join))
def test_whatever_a_path_says_only_absolute_folders_are_searched_and_each_once(search_path: str) -> None:
    found = search_rules.search_path_folders(LINUX, search_path)
    assert len(set(found)) == len(found)
    assert all(folder.is_absolute() for folder in found)


def test_a_path_that_never_ends_is_searched_as_far_as_is_sensible() -> None:
    endless = ":".join(f"/bin{number}" for number in range(100_000))
    assert len(search_rules.search_path_folders(LINUX, endless)) == search_rules.PATH_ENTRIES_MOST
