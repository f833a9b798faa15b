"""Which file lies at a path."""

import os
import shutil
from pathlib import Path

import pytest

from pyflowd.sandbox.identity import identity


def test_a_folder_stays_itself_whatever_happens_in_it(tmp_path: Path) -> None:
    before = identity(str(tmp_path))
    (tmp_path / "new").touch()
    tmp_path.chmod(0o700)
    os.utime(tmp_path, (1, 1))
    assert identity(str(tmp_path)) == before


def test_one_that_is_made_anew_is_another_even_with_the_same_number(tmp_path: Path) -> None:
    folder, seen = tmp_path / "folder", set()
    for _ in range(20):
        folder.mkdir()
        seen.add(identity(str(folder)))
        shutil.rmtree(folder)
    assert len(seen) == 20


def test_a_link_is_not_what_it_leads_to(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path)
    assert identity(str(tmp_path / "link")) != identity(str(tmp_path))


def test_what_is_not_there_has_none(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="gone"):
        identity(str(tmp_path / "gone"))
