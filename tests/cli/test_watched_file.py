"""A file that somebody edits, whichever way."""

import os
from pathlib import Path

import pytest

from pyflowd_client.cli.watched_file import EMPTY_LOOKS, WatchedFile
from pyflowd_client.errors import GraphFileError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "g.md"
    path.write_text("one")
    return path


@pytest.fixture
def watched(path: Path) -> WatchedFile:
    return WatchedFile(str(path))


def test_the_first_text_is_known_and_a_new_one_is_told_once(path: Path, watched: WatchedFile) -> None:
    assert (watched.document, watched.name, watched.new_text()) == ("one", "g.md", None)
    path.write_text("two, longer")
    assert [watched.new_text() for _ in range(2)] == ["two, longer", None]


def test_a_file_that_takes_the_place_of_the_other_is_seen(path: Path, watched: WatchedFile) -> None:
    other = path.with_name("swap")
    other.write_text("two")
    os.utime(other, ns=(path.stat().st_atime_ns, path.stat().st_mtime_ns))  # by its time and size the same
    other.rename(path)
    assert watched.new_text() == "two"


def test_a_file_that_was_written_with_the_same_text_is_not_new(path: Path, watched: WatchedFile) -> None:
    path.write_text("two, longer")
    path.write_text("one")
    os.utime(path, ns=(1, 1))
    assert watched.new_text() is None


def test_a_file_that_is_gone_is_told_once_and_followed_when_it_is_back(path: Path, watched: WatchedFile) -> None:
    path.unlink()
    with pytest.raises(GraphFileError, match="is gone"):
        watched.new_text()
    assert watched.new_text() is None
    path.write_text("two")
    assert watched.new_text() == "two"


def test_a_file_that_cannot_be_read_is_told_once(path: Path, watched: WatchedFile) -> None:
    path.write_bytes(b"\xff\xfe!")
    with pytest.raises(GraphFileError, match="UTF-8"):
        watched.new_text()
    assert watched.new_text() is None
    path.write_text("mended")
    assert watched.new_text() == "mended"


def test_an_empty_file_is_believed_when_it_stays_so(path: Path, watched: WatchedFile) -> None:
    path.write_text("")
    assert [watched.new_text() for _ in range(EMPTY_LOOKS)] == [None] * EMPTY_LOOKS
    assert watched.new_text() == ""


def test_an_editor_that_truncates_first_is_waited_for(path: Path, watched: WatchedFile) -> None:
    path.write_text("")
    assert watched.new_text() is None
    path.write_text("two, longer")
    assert watched.new_text() == "two, longer"


def test_a_file_that_changes_while_it_is_read_is_read_again(
    path: Path, watched: WatchedFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pyflowd_client.cli import watched_file

    def read_while_written(name: str) -> tuple[str, str]:
        monkeypatch.undo()
        found = watched_file.read_graph(name)
        path.write_text("the whole of it")
        return found

    path.write_text("the who")
    monkeypatch.setattr(watched_file, "read_graph", read_while_written)
    assert [watched.new_text() for _ in range(3)] == [None, "the whole of it", None]
