"""A stamp changes when a file does, or anything below a folder, and only then."""

import os
import shlex
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pyflowd.shell import file_stamps
from pyflowd.shell.file_stamps import UnstampableError, stamp_of


def later() -> int:
    """A clock by which everything was made long ago."""
    return time.time_ns() + 60_000_000_000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "deep" / "er").mkdir(parents=True)
    (tmp_path / "deep" / "a.csv").write_text("1,2")
    (tmp_path / "deep" / "er" / "b.csv").write_text("3")
    (tmp_path / "link").symlink_to("deep")
    return tmp_path


def replace_by_copy(folder: Path) -> None:
    """As editors save: another file of the same name, size, content and date."""
    old = folder / "deep" / "a.csv"
    new = folder / "new"
    new.write_bytes(old.read_bytes())
    os.utime(new, ns=(old.stat().st_atime_ns, old.stat().st_mtime_ns))
    new.replace(old)


def change_in_secret(folder: Path) -> None:
    """Same size, and the date set back."""
    path = folder / "deep" / "a.csv"
    before = path.stat()
    path.write_text("9,9")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


CHANGES: dict[str, Callable[[Path], object]] = {
    "a longer content": lambda folder: (folder / "deep" / "a.csv").write_text("1,2,3"),
    "a content as long": lambda folder: (folder / "deep" / "er" / "b.csv").write_text("4"),
    "a change that was dated back": change_in_secret,
    "a file in place of another": replace_by_copy,
    "a new file": lambda folder: (folder / "deep" / "er" / "c.csv").touch(),
    "a new folder": lambda folder: (folder / "deep" / "er" / "c").mkdir(),
    "a file that is gone": lambda folder: (folder / "deep" / "a.csv").unlink(),
    "another name": lambda folder: (folder / "deep" / "a.csv").rename(folder / "deep" / "z.csv"),
    "another mode": lambda folder: (folder / "deep" / "a.csv").chmod(0o400),
    "a link to something else": lambda folder: ((folder / "link").unlink(), (folder / "link").symlink_to("d")),
    "another date": lambda folder: os.utime(folder / "deep" / "a.csv"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_every_change_shows(folder: Path, change: Callable[[Path], object]) -> None:
    before = stamp_of([str(folder)], later)
    tick = folder.parent.stat().st_ctime_ns
    while _tick(folder.parent) == tick:  # the clock of files is coarse: the change shall be after it
        pass
    change(folder)
    assert stamp_of([str(folder)], later) != before


def _tick(folder: Path) -> int:
    """The clock by which files are dated."""
    os.utime(folder)
    return folder.stat().st_ctime_ns


def test_reading_changes_nothing_nor_does_the_order_of_the_paths(folder: Path) -> None:
    paths = [str(folder / "deep"), str(folder / "link")]
    before = stamp_of(paths, later)
    assert (folder / "deep" / "a.csv").read_text() == "1,2"
    assert stamp_of(reversed(paths), later) == before == stamp_of(paths, later)


def test_what_a_link_leads_to_is_not_looked_at(folder: Path) -> None:
    """Nodes do not reach it unless it was granted by its own path."""
    before = stamp_of([str(folder / "link")], later)
    (folder / "deep" / "new").touch()
    assert stamp_of([str(folder / "link")], later) == before


def test_of_what_has_changed_just_now_there_is_no_stamp(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("1")
    changed_ns = path.stat().st_ctime_ns
    step_ns = file_stamps.FINE_NS if changed_ns % 1_000_000_000 else file_stamps.COARSE_NS
    with pytest.raises(UnstampableError, match=r"a\.csv' has changed just now"):
        stamp_of([str(path)], lambda: changed_ns + step_ns - 1)
    assert stamp_of([str(path)], lambda: changed_ns + step_ns)


def test_a_change_by_a_clock_that_is_ahead_is_as_young(tmp_path: Path) -> None:
    with pytest.raises(UnstampableError, match="just now"):
        stamp_of([str(tmp_path)], lambda: tmp_path.stat().st_ctime_ns - 3_600_000_000_000)


@pytest.mark.parametrize("path", ["/proc/self/status", "/sys", "/dev/null"])
def test_what_is_made_when_it_is_read_has_no_stamp(path: str) -> None:
    with pytest.raises(UnstampableError, match="no file on a disk"):
        stamp_of([path], later)


def test_what_is_no_file_has_no_stamp(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UnstampableError, match="pipe' is neither"):
        stamp_of([str(tmp_path)], later)
    (tmp_path / "pipe").unlink()
    with socket.socket(socket.AF_UNIX) as peer:
        peer.bind(str(tmp_path / "s"))
        assert stat.S_ISSOCK((tmp_path / "s").stat().st_mode)
        with pytest.raises(UnstampableError, match="s' is neither"):
            stamp_of([str(tmp_path)], later)


def test_what_is_not_there_has_no_stamp(tmp_path: Path) -> None:
    with pytest.raises(UnstampableError, match="cannot be looked at"):
        stamp_of([str(tmp_path / "gone")], later)


def test_too_much_has_no_stamp(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(file_stamps, "ENTRIES_MOST", 6)
    assert stamp_of([str(folder)], later)
    (folder / "one more").touch()
    with pytest.raises(UnstampableError, match="more than 6"):
        stamp_of([str(folder)], later)


def test_what_is_mounted_in_a_folder_has_no_stamp(folder: Path) -> None:
    """A node may see what lies below it instead."""
    code = f"from pyflowd.shell.file_stamps import stamp_of; stamp_of([{str(folder)!r}], lambda: 2**62)"
    mounted = f"mount -t tmpfs none {folder / 'deep' / 'er'} && exec {sys.executable} -c {shlex.quote(code)}"
    for script, words in (("exec " + mounted.partition("exec ")[2], ""), (mounted, "deep/er' is on another disk")):
        command = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", script]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        assert words in done.stderr
        assert (done.returncode == 0) == (words == ""), done.stderr
