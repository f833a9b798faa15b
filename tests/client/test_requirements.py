"""What people write about environments: versions, paths, packages, and files of packages."""

import os
from pathlib import Path

import pytest

from pyflowd_client.errors import RequirementsFileError
from pyflowd_client.protocol.errors import ExitStatus
from pyflowd_client.requirements import absolute_requirement, absolute_requirements, address, interpreter
from pyflowd_client.requirements_file import read_requirements


@pytest.mark.parametrize(
    ("python", "versions"),
    [
        ("3", "3"),
        ("3.11", "3.11"),
        ("3.11.7", "3.11.7"),
        (">=3.10", ">=3.10"),
        (">= 3.10, <3.13", ">= 3.10, <3.13"),
        ("~=3.11", "~=3.11"),
        ("==3.11.*", "==3.11.*"),
        ("!=3.9.1,>3", "!=3.9.1,>3"),
        ("3.8+", "3.8+"),
        ("3.10.x", "3.10.x"),
        (" 3.12 ", "3.12"),
        ("python3.11", "3.11"),
        ("cpython3.12", "3.12"),
        ("CPython3.12.1", "3.12.1"),
    ],
)
def test_what_reads_like_versions_is_passed_on_as_versions(python: str, versions: str) -> None:
    assert interpreter(python) == versions


@pytest.mark.parametrize(
    "python",
    [".venv", "./3.11", "python", "bin/python3.11", "3.11/bin/python", "python3.11-env", "3.11,", "..", "v3.11"],
)
def test_everything_else_is_a_path(python: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert interpreter(python) == os.path.normpath(tmp_path / python)


def test_a_path_object_is_a_path_whatever_it_is_called(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert interpreter(Path("3.11")) == str(tmp_path / "3.11")


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ("science", "science"),
        ("3f9a", "3f9a"),
        (".venv", ".venv"),
        ("./.venv", "{here}/.venv"),
        (".", "{here}"),
        ("a/b", "{here}/a/b"),
        ("~/a", "{here}/home/a"),
        (Path("science"), "{here}/science"),
        ("/abs", "/abs"),
    ],
)
def test_an_environment_is_a_path_when_it_has_a_slash(
    environment: str | Path, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert address(environment) == told.format(here=tmp_path)


def test_an_empty_text_is_no_environment() -> None:
    with pytest.raises(ValueError, match="names no environment"):
        address("")


@pytest.mark.parametrize(
    ("requirement", "told"),
    [
        ("numpy", "numpy"),
        (" numpy[extra]>=2,<3 ; python_version < '3.9' ", "numpy[extra]>=2,<3 ; python_version < '3.9'"),
        ("a; platform_version == 'x/y'", "a; platform_version == 'x/y'"),
        ("a @ https://example.org/a.whl", "a @ https://example.org/a.whl"),
        ("git+https://example.org/a", "git+https://example.org/a"),
        ("a @ file:///x/a.whl", "a @ file:///x/a.whl"),
        (".", "{here}"),
        ("./geometry", "{here}/geometry"),
        ("../geometry", "{above}/geometry"),
        ("./geometry[fast]; python_version > '3'", "{here}/geometry[fast]; python_version > '3'"),
        ("~/geometry", "{here}/home/geometry"),
        ("a-1-py3-none-any.whl", "{here}/a-1-py3-none-any.whl"),
        ("dist/a-1.tar.gz", "{here}/dist/a-1.tar.gz"),
        ("/abs/a", "/abs/a"),
        ("a @ ./a b", "a @ file://{here}/a%20b"),
    ],
)
def test_only_paths_of_local_packages_become_absolute(
    requirement: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert absolute_requirement(requirement) == told.format(here=tmp_path, above=tmp_path.parent)


def test_one_requirement_in_the_place_of_several_does_not_install_its_characters() -> None:
    with pytest.raises(TypeError, match="'numpy' is one requirement"):
        absolute_requirements("numpy")


FILE = """\
# what the report needs
numpy>=2          # the newest
pandas \\
    >=2, \\
    <3 ; python_version < "3.14"

  requests[socks]#not-a-comment
scipy \\
# in the middle of it
-r more/other.txt
--requirement=last.txt
"""


def test_a_file_is_read_as_pip_does(tmp_path: Path) -> None:
    (tmp_path / "more").mkdir()
    (tmp_path / "requirements.txt").write_text("\ufeff" + FILE, encoding="utf-8")
    (tmp_path / "more" / "other.txt").write_text("-rthird.txt\r\nb\r\n")
    (tmp_path / "more" / "third.txt").write_text("c \\")
    (tmp_path / "last.txt").write_text("d")
    assert read_requirements(tmp_path / "requirements.txt") == (
        "numpy>=2",
        'pandas     >=2,     <3 ; python_version < "3.14"',
        "requests[socks]#not-a-comment",
        "scipy",
        "c",
        "b",
        "d",
    )


def test_local_packages_of_a_file_are_those_of_the_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "geometry").mkdir()
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "requirements.txt").write_text("./geometry\n")
    monkeypatch.chdir(tmp_path)
    assert read_requirements("there/requirements.txt") == (str(tmp_path / "geometry"),)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("a\n\n-e ./b\n", r"requirements\.txt, line 3: -e is an option of pip.*--python"),
        ("--editable=./b", "line 1: --editable is an option"),
        ("a==1 \\\n  --hash=sha256:0", "line 1: --hash is an option.*env export"),
        ("--index-url https://example.org", "line 1: --index-url is an option of pip, which is not taken from a file."),
        ("-c other.txt", "line 1: -c is an option"),
        ("a --config-settings x=y", "line 1: --config-settings"),
        ("a\n./gone", r"line 2: \./gone does not exist"),
        ("-r https://example.org/r.txt", "line 1: https://example.org/r.txt is not a file"),
        ("-r gone.txt", r"cannot read .*gone\.txt: No such file"),
        ("a\n-r ./requirements.txt", "names itself"),
    ],
)
def test_what_cannot_be_passed_on_is_refused_by_line(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "requirements.txt").write_text(text)
    with pytest.raises(RequirementsFileError, match=words) as caught:
        read_requirements(tmp_path / "requirements.txt")
    assert caught.value.exit_status is ExitStatus.USAGE


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "latin").write_bytes(b"caf\xe9")
    with open(tmp_path / "huge", "wb") as file:
        file.truncate(2_000_000)
    for name, reason in (("gone", "No such file"), ("", "directory"), ("latin", "UTF-8"), ("huge", "1 MB")):
        with pytest.raises(RequirementsFileError, match=reason):
            read_requirements(tmp_path / name)
