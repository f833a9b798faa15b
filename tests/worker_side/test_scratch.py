"""Scratch folders: an empty one serves again, and no node finds anything of the one before."""

import itertools
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from pyflowd.worker_side.scratch import KEPT_MOST, ScratchFolders, remove_tree
from support.zygote import Code, Zygote, is_alive, poll_until, send_call

WORKERS = itertools.count(1)
WHERE = "import os\n@node_entry\ndef f() -> str:\n    return os.getcwd()\n"


def leave_a_file(folder: Path) -> None:
    (folder / "file").touch()


def leave_a_folder(folder: Path) -> None:
    (folder / "deep").mkdir()


def open_to_all(folder: Path) -> None:
    folder.chmod(0o777)


def lock(folder: Path) -> None:
    folder.chmod(0)


def mark(folder: Path) -> None:
    os.setxattr(folder, "user.mark", b"seen")


def remove(folder: Path) -> None:
    folder.rmdir()


def put_a_link(folder: Path) -> None:
    folder.rmdir()
    folder.symlink_to("/etc")


def put_a_file(folder: Path) -> None:
    folder.rmdir()
    folder.touch()


@pytest.fixture
def folders(tmp_path: Path) -> ScratchFolders:
    return ScratchFolders(str(tmp_path))


def taken(folders: ScratchFolders) -> Path:
    """A folder as its worker has it."""
    folder, is_there = folders.take(next(WORKERS))
    if not is_there:
        Path(folder).mkdir(mode=0o700)
    return Path(folder)


def test_an_empty_folder_serves_again(folders: ScratchFolders) -> None:
    folder = taken(folders)
    assert taken(folders) != folder
    assert folders.give_back(str(folder))
    assert taken(folders) == folder


@pytest.mark.parametrize("spoil", [leave_a_file, leave_a_folder, put_a_file, put_a_link])
def test_a_folder_with_content_is_handed_over_to_be_removed(
    folders: ScratchFolders, spoil: Callable[[Path], None]
) -> None:
    folder = taken(folders)
    spoil(folder)
    assert not folders.give_back(str(folder))
    assert taken(folders) != folder


@pytest.mark.parametrize("spoil", [open_to_all, lock, mark, remove])
def test_an_empty_folder_that_is_not_as_new_is_gone(folders: ScratchFolders, spoil: Callable[[Path], None]) -> None:
    folder = taken(folders)
    spoil(folder)
    assert folders.give_back(str(folder))
    assert not folder.exists()
    assert taken(folders) != folder


def test_only_so_many_folders_are_kept_and_none_in_the_end(folders: ScratchFolders, tmp_path: Path) -> None:
    made = [taken(folders) for _ in range(KEPT_MOST + 5)]
    assert all(folders.give_back(str(folder)) for folder in made)
    assert len(os.listdir(made[0].parent)) == KEPT_MOST
    folders.close()
    assert os.listdir(tmp_path) == []


def home_of_a_node(zygote: Zygote, where: Code) -> str:
    """The folder that a fresh node works in."""
    (worker,) = zygote.fork()
    send_call(worker, where)
    _, (home,) = worker.receive()
    zygote.dismiss_workers()
    return str(json.loads(home))


def test_nodes_that_leave_nothing_behind_share_few_folders(zygote: Zygote) -> None:
    where = zygote.compile(WHERE)
    first = home_of_a_node(zygote, where)
    poll_until(lambda: home_of_a_node(zygote, where) == first)


def test_a_folder_does_not_serve_again_while_a_process_is_left_that_knows_it(zygote: Zygote) -> None:
    source = """
import os, subprocess
@node_entry
def f():
    child = subprocess.Popen(["sleep", "60"], start_new_session=True)
    progress(0, str(child.pid) + " " + os.getcwd())
    os._exit(0)
"""
    where, leaver = zygote.compile(WHERE), zygote.compile(source)
    (worker,) = zygote.fork()
    send_call(worker, leaver)
    pid, folder = worker.wait_progress().split()
    poll_until(lambda: home_of_a_node(zygote, where) == folder)
    assert not is_alive(int(pid))


def test_nothing_is_removed_where_a_link_in_its_place_leads(tmp_path: Path) -> None:
    home, folder = tmp_path / "home", tmp_path / "folder"
    home.mkdir(mode=0o755)
    leave_a_file(home)
    folder.symlink_to(home)
    remove_tree(str(folder))
    assert not folder.is_symlink()
    assert [path.name for path in home.iterdir()] == ["file"]
    assert home.stat().st_mode & 0o777 == 0o755
