"""What `run` asks to permit, and what it refuses before anything is sent."""

import os
from pathlib import Path

import pytest

from pyflowd_client.protocol.options import Permissions
from pyflowd_client.protocol.requests import SubmitRun
from support.client_commands import Pyflowctl
from support.client_peer import FakeDaemon

pytestmark = pytest.mark.usefixtures("at_home")


@pytest.fixture
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working directory: a graph, a folder, a link to it, a file."""
    (tmp_path / "g.md").write_text("greet")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "a.csv").touch()
    (tmp_path / "link").symlink_to("data")
    monkeypatch.chdir(tmp_path)


def asked(daemon: FakeDaemon) -> SubmitRun:
    [request] = [request for request in daemon.asked if isinstance(request, SubmitRun)]
    return request


def test_without_a_flag_nothing_is_permitted(daemon: FakeDaemon, pyflowctl: Pyflowctl) -> None:
    assert pyflowctl("run", "g.md").returncode == 0
    assert (asked(daemon).permissions, asked(daemon).workdir) == (Permissions(), None)


def test_paths_are_those_of_the_command_and_absolute(daemon: FakeDaemon, pyflowctl: Pyflowctl, tmp_path: Path) -> None:
    flags = ["--allow-read", "link/a.csv", "--allow-read", ".", "--allow-write", "data/../link", "--workdir", "link"]
    done = pyflowctl("run", "g.md", "--allow-net", *flags)
    assert done.returncode == 0, done.stderr
    home = str(tmp_path.resolve())
    data, link = f"{home}/data", f"{home}/link"
    assert asked(daemon).permissions == Permissions(net=True, read=(f"{link}/a.csv", home), write=(data,))
    assert asked(daemon).workdir == link


def test_variables_go_with_the_value_that_they_have_here(
    daemon: FakeDaemon, pyflowctl: Pyflowctl, environment: dict[str, str]
) -> None:
    environment |= {"ONE": "1=1", "EMPTY": "", "OTHER": "x"}
    assert pyflowctl("run", "g.md", "--allow-env", "EMPTY", "--allow-env", "ONE").returncode == 0
    assert asked(daemon).permissions == Permissions(env={"EMPTY": "", "ONE": "1=1"})


def test_all_includes_every_variable_that_can_travel(
    daemon: FakeDaemon, pyflowctl: Pyflowctl, environment: dict[str, str]
) -> None:
    environment |= {"ONE": "1", "STRANGE": os.fsdecode(b"\xff")}
    assert pyflowctl("run", "g.md", "--allow-all").returncode == 0
    permissions = asked(daemon).permissions
    assert permissions == Permissions(all=True, env=permissions.env)
    assert permissions.env["ONE"] == "1"
    assert permissions.env["PATH"] == environment["PATH"]
    assert "STRANGE" not in permissions.env


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (
            ["--allow-read", "gone"],
            "--allow-read: 'gone' does not exist. For files that are still to be made, grant the",
        ),
        (["--allow-write", "data/new.csv"], "--allow-write: 'data/new.csv' does not exist"),
        (["--allow-read", ""], "--allow-read: '' does not exist"),
        (["--allow-env", "NO_SUCH_VARIABLE"], "--allow-env: 'NO_SUCH_VARIABLE' is not set here"),
        (["--allow-env", ""], "--allow-env: '' is not set here"),
        (["--workdir", "data/a.csv"], "--workdir: 'data/a.csv' is not a folder"),
        (["--workdir", "gone"], "--workdir: 'gone' is not a folder"),
    ],
)
def test_what_makes_no_sense_is_told_and_nothing_is_sent(
    daemon: FakeDaemon, pyflowctl: Pyflowctl, flags: list[str], words: str
) -> None:
    done = pyflowctl("run", "g.md", *flags)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert not daemon.asked


@pytest.mark.parametrize("flag", ["--allow-net", "--allow-all", "--workdir=."])
def test_check_takes_no_permissions(pyflowctl: Pyflowctl, flag: str) -> None:
    done = pyflowctl("check", "g.md", flag)
    assert done.returncode == 2
    assert "unrecognized arguments" in done.stderr
