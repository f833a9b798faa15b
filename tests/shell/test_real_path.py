"""Following links on behalf of who is not trusted."""

import os
from pathlib import Path

import pytest

from pyflowd.shell.real_path import real_path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "folder" / "below").mkdir(parents=True)
    (tmp_path / "folder" / "file").touch()
    (tmp_path / "absolute").symlink_to(tmp_path / "folder")
    (tmp_path / "relative").symlink_to("folder")
    (tmp_path / "folder" / "up").symlink_to("../relative/below")
    (tmp_path / "circle").symlink_to("circle")
    return tmp_path


@pytest.mark.parametrize(
    "path",
    [
        "folder/file",
        "absolute/file",
        "relative/./below/../file",
        "folder/up",
        "folder/up/new/file",
        "absolute/gone",
        "gone/at/all",
        "",
    ],
)
def test_it_is_where_the_system_says_it_is(tree: Path, path: str) -> None:
    assert real_path(str(tree / path)) == os.path.realpath(tree / path)


def test_a_circle_leads_nowhere(tree: Path) -> None:
    assert real_path(str(tree / "circle")) is None


def test_where_a_file_system_may_not_answer_nobody_looks(tree: Path) -> None:
    """The kernel's own have no place in the list: as good as one of a network."""
    assert real_path("/dev/pts/x") is None
    (tree / "link").symlink_to("/dev/pts")
    assert real_path(str(tree / "link" / "x")) is None
