"""What `run` and `check` are told about the environment, and what is refused before anything is sent."""

from pathlib import Path

import pytest

from pyflowd_client.protocol.options import EnvironmentChoice
from pyflowd_client.protocol.requests import CheckGraph, SubmitRun
from support.client_commands import Pyflowctl
from support.client_peer import FakeDaemon

pytestmark = pytest.mark.usefixtures("at_home")


@pytest.fixture
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The working directory: a graph, a local package, files of requirements."""
    (tmp_path / "g.md").write_text("greet")
    (tmp_path / "geometry").mkdir()
    (tmp_path / "requirements.txt").write_text("scipy  # for the spectrum\n./geometry\n")
    (tmp_path / "options.txt").write_text("scipy\n--index-url https://example.org\n")
    monkeypatch.chdir(tmp_path)


def asked(daemon: FakeDaemon) -> SubmitRun | CheckGraph:
    [request] = [request for request in daemon.asked if isinstance(request, SubmitRun | CheckGraph)]
    return request


@pytest.mark.parametrize("command", ["run", "check"])
def test_packages_are_gathered_from_the_line_and_from_files(
    daemon: FakeDaemon, pyflowctl: Pyflowctl, tmp_path: Path, command: str
) -> None:
    flags = ["--with", "numpy>=2", "--requirements", "requirements.txt", "--with", "./geometry[fast]"]
    done = pyflowctl(command, "g.md", *flags, "--python", "python3.12", "--allow-builds")
    assert done.returncode == 0, done.stderr
    home = str(tmp_path)
    assert asked(daemon).environment == EnvironmentChoice(
        requirements=("numpy>=2", f"{home}/geometry[fast]", "scipy", f"{home}/geometry"), allow_builds=True
    )
    assert asked(daemon).python == "3.12"


@pytest.mark.parametrize("command", ["run", "check"])
def test_a_named_environment_is_asked_for_by_its_name(daemon: FakeDaemon, pyflowctl: Pyflowctl, command: str) -> None:
    assert pyflowctl(command, "g.md", "--env", "science").returncode == 0
    assert asked(daemon).environment == EnvironmentChoice(name="science")


def test_without_a_flag_the_graph_and_the_daemon_choose(daemon: FakeDaemon, pyflowctl: Pyflowctl) -> None:
    assert pyflowctl("run", "g.md").returncode == 0
    assert (asked(daemon).environment, asked(daemon).python) == (EnvironmentChoice(), None)


def test_a_path_of_an_interpreter_is_still_one(daemon: FakeDaemon, pyflowctl: Pyflowctl, tmp_path: Path) -> None:
    assert pyflowctl("run", "g.md", "--python", ".venv").returncode == 0
    assert asked(daemon).python == str(tmp_path / ".venv")


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--env", "science", "--with", "numpy"], "--env is not allowed with --with: the environment science is used"),
        (["--env", "science", "--requirements", "requirements.txt"], "--env is not allowed with --requirements"),
        (["--env", "science", "--python", "3.12"], "--env is not allowed with --python"),
        (["--env", "science", "--allow-builds"], "`pyflowctl env install science PKG` changes it"),
        (["--env", ""], "--env: an environment needs a name"),
        (["--env", "./.venv"], "--env: './.venv' is a path, not the name of an environment"),
        (["--with", ""], "--with: an empty text names no package"),
        (["--with=-e ./geometry"], "--with: '-e ./geometry' is an option of pip, not a package"),
        (["--with", "./gone"], "--with: './gone' would be a package in a path that does not exist"),
        (["--with", "a-1-py3-none-any.whl"], "does not exist"),
        (["--requirements", "gone.txt"], "cannot read gone.txt: No such file or directory."),
        (["--requirements", "options.txt"], "options.txt, line 2: --index-url is an option of pip"),
        (["--python", ""], "--python: write a version such as 3.12"),
    ],
)
def test_what_makes_no_sense_is_told_and_nothing_is_sent(
    daemon: FakeDaemon, pyflowctl: Pyflowctl, flags: list[str], words: str
) -> None:
    done = pyflowctl("run", "g.md", *flags)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert not daemon.asked


def test_how_an_environment_is_made_is_told_before_what_nodes_say(
    daemon: FakeDaemon, pyflowctl: Pyflowctl, tmp_path: Path
) -> None:
    (tmp_path / "g.md").write_text("build")
    done = pyflowctl("run", "g.md", "--with", "numpy")
    assert done.stderr.splitlines() == [
        "resolving?[2J",
        "installing numpy",
        "environment ready: 2 packages, after 1.5 s",
        "warning: torch could not be installed:?[2J no wheel",
        "Greeter | hello",
    ]
    assert pyflowctl("run", "g.md", "--quiet").stderr == ""
