"""`pyflowctl env` as its users meet it."""

import json
import signal
import subprocess
from pathlib import Path

import pytest

from pyflowd_client.protocol import requests
from pyflowd_client.protocol.replies import Preloaded
from support.client_commands import COMMAND, Pyflowctl
from support.client_peer import FakeDaemon
from support.environment_answers import DIGEST, shown
from support.terminals import on_terminal

pytestmark = pytest.mark.usefixtures("at_home")


@pytest.fixture
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "graph.md").write_text("numpy pandas")
    (tmp_path / "empty.md").write_text("")
    (tmp_path / "requirements.txt").write_text("scipy\n")
    monkeypatch.chdir(tmp_path)


def asked(daemon: FakeDaemon) -> requests.Request:
    """The only request besides hello and goodbye, and besides looking at what was made."""
    passing = requests.Hello | requests.Goodbye | requests.Ack
    [request, *_] = [request for request in daemon.asked if not isinstance(request, passing)]
    return request


def test_detect_is_a_table_of_what_can_be_used_and_says_why_the_rest_cannot(
    daemon: FakeDaemon, pyflowctl: Pyflowctl
) -> None:
    done = pyflowctl("env", "detect")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "PYTHON  KIND         FOUND BY  PACKAGES  FINGERPRINT  PATH",
        "3.12.1  interpreter  PATH         1,024  5e6f5e6f     /usr/bin/python3",
        "3.9.18  venv         .venv            -  -            /srv/a?[2J/.venv/bin/python",
        "",
        "No node can run in:",
        "  /opt/pypy/bin/python",
        "    it is PyPy, and nodes need CPython",
    ]


@pytest.mark.parametrize(("graph", "below"), [([], ""), (["sub/g.md"], "/sub"), (["sub"], "/sub"), (["graph.md"], "")])
def test_detect_looks_beside_the_graph(
    daemon: FakeDaemon, pyflowctl: Pyflowctl, tmp_path: Path, graph: list[str], below: str
) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "g.md").touch()
    assert pyflowctl("env", "detect", *graph).returncode == 0
    request = asked(daemon)
    assert isinstance(request, requests.DetectEnvironments)
    assert request.folders == (f"{tmp_path}{below}",)


def test_list_is_a_table_with_ages_and_sizes(daemon: FakeDaemon, pyflowctl: Pyflowctl) -> None:
    done = pyflowctl("env", "list")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "ENVIRONMENT   PYTHON  PACKAGES    SIZE  USED        STATE  REQUIREMENTS",
        "science       3.11.7        12  214 MB  2 days ago  warm   numpy>=2, pandas",
        f"3f9a0c12ab34  3.12.1         1  1.2 MB  never       cold   requests, {'a' * 80}, esc?[2J",
    ]


@pytest.mark.parametrize("columns", [80, 120])
@pytest.mark.parametrize("command", ["detect", "list", "show science", "prune --unused 1"])
def test_on_a_terminal_tables_fit(daemon: FakeDaemon, environment: dict[str, str], columns: int, command: str) -> None:
    done = on_terminal([*COMMAND, "env", *command.split()], environment, columns)
    assert done.status == 0
    assert "\x1b[2J" not in done.raw
    assert max(map(len, done.text.splitlines())) <= columns


def test_show_tells_all_that_is_known(daemon: FakeDaemon, pyflowctl: Pyflowctl) -> None:
    done = pyflowctl("env", "show", "science")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        "science",
        "  kind           named",
        "  python         3.11.7 /state/environments/science/bin/python",
        "  made by        uv",
        "  size           214 MB, 2 packages",
        "  created        3 days ago",
        "  used           2 days ago",
        "  requirements   numpy>=2",
        "                 pandas",
        "  kept warm      yes, until `pyflowctl env cool`",
        "",
        "fork server: warm, process 4711, sandbox T3, 16 spares, 45.1 MB",
        "  preloaded      numpy     0.081 s",
        "                 pandas    0.35 s",
        "  not preloaded  this?[2J  it left a thread running",
        "",
        "fork server: cold, 0 spares",
        "  permitted      network",
        "",
        "learnt imports",
        "  numpy, pandas",
        "",
        "packages",
        "  numpy  2.1.0",
        "  pandas 2.2.2",
    ]


def test_show_leaves_out_what_is_not_known(daemon: FakeDaemon, pyflowctl: Pyflowctl) -> None:
    assert pyflowctl("env", "show", "/bare/bin/python").stdout.splitlines() == [
        "/bare/bin/python",
        "  kind           found",
        "  python         /bare/bin/python",
        "  size           0 packages",
        "  fork server    none",
    ]


def test_for_programs_there_is_one_object_with_everything(daemon: FakeDaemon, pyflowctl: Pyflowctl) -> None:
    def told(*command: str) -> dict[str, object]:
        found: dict[str, object] = json.loads(pyflowctl("env", *command, "--json").stdout)
        return found

    assert len(told("detect")["environments"]) == 3  # type: ignore[arg-type]
    assert [entry["id"] for entry in told("list")["environments"]] == ["science", DIGEST]  # type: ignore[attr-defined]
    server = told("show", "science")["fork_servers"][0]  # type: ignore[index]
    assert [Preloaded(**entry) for entry in server["preloaded"]] == list(shown().fork_servers[0].preloaded)
    assert told("verify", "odd", "graph.md")["missing"] == ["numpy", "pandas"]
    assert told("prune", "--disk", "1G")["freed_bytes"] == 1_200_000


def test_create_tells_progress_and_what_came_of_it(daemon: FakeDaemon, pyflowctl: Pyflowctl) -> None:
    words = ["science", "--python", ">=3.10", "numpy", "pandas>=2", "--requirements", "requirements.txt"]
    done = pyflowctl("env", "create", *words, "--allow-builds")
    assert (done.returncode, done.stdout) == (0, "")
    assert done.stderr.splitlines() == [
        "resolving numpy, pandas>=2, scipy",
        "warning: torch was left out",
        "science is ready: Python 3.11.7, 12 packages, 214 MB",
    ]
    assert asked(daemon) == requests.ChangeEnvironment(
        action="create",
        name="science",
        requirements=("numpy", "pandas>=2", "scipy"),
        python=">=3.10",
        allow_builds=True,
    )


def test_install_and_uninstall_name_what_changes(daemon: FakeDaemon, pyflowctl: Pyflowctl) -> None:
    assert pyflowctl("env", "install", "science", "--requirements", "requirements.txt", "--quiet").stderr == ""
    assert pyflowctl("env", "uninstall", "science", "numpy", "pandas").returncode == 0
    changes = [request for request in daemon.asked if isinstance(request, requests.ChangeEnvironment)]
    assert [(change.action, change.requirements) for change in changes] == [
        ("install", ("scipy",)),
        ("uninstall", ("numpy", "pandas")),
    ]


def test_a_change_that_fails_shows_the_words_of_the_resolver(daemon: FakeDaemon, pyflowctl: Pyflowctl) -> None:
    done = pyflowctl("env", "create", "broken", "a", "c")
    assert (done.returncode, done.stdout) == (78, "")
    assert done.stderr.splitlines() == [
        "resolving a, c",
        "broken was not created: nothing fits:",
        "  a?[2J needs b<1",
        "  c needs b>2 [environment]",
        "hint: ask for less",
    ]


def test_json_is_one_event_per_line(daemon: FakeDaemon, pyflowctl: Pyflowctl) -> None:
    done = pyflowctl("env", "create", "science", "numpy", "--json")
    names = [json.loads(line)["event"] for line in done.stdout.splitlines()]
    assert names == ["environment_progress", "environment_ready", "run_finished"]
    assert done.stderr == ""


def test_a_signal_cancels_the_making(daemon: FakeDaemon, environment: dict[str, str]) -> None:
    command = [*COMMAND, "env", "create", "endless", "numpy"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=environment)
    try:
        assert process.stderr is not None
        assert process.stderr.readline() == "resolving numpy\n"
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=10)
    finally:
        process.kill()
        process.wait()
    assert told.splitlines()[-1] == "endless was not created: it was cancelled"
    assert process.returncode == 130


def test_on_a_terminal_progress_takes_one_line_that_goes(daemon: FakeDaemon, environment: dict[str, str]) -> None:
    done = on_terminal([*COMMAND, "env", "create", "science", "numpy"], environment, 80)
    assert done.status == 0
    told = [line.strip() for line in done.text.splitlines()]
    assert "resolving numpy" not in told
    assert told[-1] == "science is ready: Python 3.11.7, 12 packages, 214 MB"
    assert "warning: torch was left out" in told


def test_verify_ends_with_one_when_something_is_missing_or_does_not_fit(
    daemon: FakeDaemon, pyflowctl: Pyflowctl
) -> None:
    lacking, odd = pyflowctl("env", "verify", "science", "graph.md"), pyflowctl("env", "verify", "odd")
    assert (lacking.returncode, lacking.stderr) == (1, "")
    assert lacking.stdout.splitlines() == ["missing: numpy", "missing: pandas", "missing, optional: torch"]
    assert (odd.returncode, odd.stdout.splitlines()[0]) == (1, "conflict: pandas 2.2 requires numpy<2?[2J")
    fine = pyflowctl("env", "verify", "science", "empty.md")
    assert (fine.returncode, fine.stdout) == (0, "missing, optional: torch\n")
    assert fine.stderr == "science is fine: it has what the graph needs.\n"
    assert pyflowctl("env", "verify", "science", "-", text="numpy").returncode == 1


def test_lock_and_export_write_text_to_standard_output_or_a_file(
    daemon: FakeDaemon, pyflowctl: Pyflowctl, tmp_path: Path
) -> None:
    for command in (["lock", "science"], ["lock", "--graph", "graph.md"], ["export", "science", "--format", "json"]):
        done = pyflowctl("env", *command)
        assert (done.returncode, done.stdout, done.stderr) == (0, "numpy==2.1.0\n", "")
    assert pyflowctl("env", "lock", "--with", "numpy", "--python", "3.12", "-o", "lock.txt").stdout == ""
    assert (tmp_path / "lock.txt").read_text() == "numpy==2.1.0\n"
    locks = [request for request in daemon.asked if isinstance(request, requests.LockEnvironment)]
    assert locks == [
        requests.LockEnvironment(environment="science"),
        requests.LockEnvironment(document="numpy pandas", name="graph.md"),
        requests.LockEnvironment(requirements=("numpy",), python="3.12"),
    ]


def test_prune_says_what_goes_and_what_that_gives(daemon: FakeDaemon, pyflowctl: Pyflowctl) -> None:
    done = pyflowctl("env", "prune", "--unused", "1.5", "--disk", "1GB", "--dry-run")
    assert asked(daemon) == requests.PruneEnvironments(unused_s=1.5 * 86400, disk_bytes=10**9, dry_run=True)
    assert done.stdout.splitlines()[1].startswith("3f9a0c12ab34  1.2 MB  never")
    assert done.stderr == "1 environment would be removed, 1.2 MB.\n"
    assert pyflowctl("env", "prune").stderr == "There is nothing to remove.\n"
    assert pyflowctl("env", "prune", "--unused", "0").stderr == "1 environment removed, 1.2 MB.\n"


def test_warm_cool_and_remove_are_told_in_a_word(daemon: FakeDaemon, pyflowctl: Pyflowctl, tmp_path: Path) -> None:
    assert pyflowctl("env", "warm", "./venv").stderr == f"{tmp_path}/venv is warm.\n"
    assert pyflowctl("env", "cool", "science").stderr == "science cools down.\n"
    assert pyflowctl("env", "remove", "science", "3f9a").stderr == "science is removed.\n3f9a is removed.\n"
    refused = pyflowctl("env", "remove", "nothing", "science")
    assert (refused.returncode, refused.stderr) == (78, "pyflowctl: no environment is called nothing?[2J\n")


@pytest.mark.parametrize(
    ("command", "words"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["frob"], "invalid choice: 'frob'"),
        (["create"], "the following arguments are required: NAME"),
        (["create", ""], "an environment needs a name"),
        (["create", "a/b"], "'a/b' is a path, not the name"),
        (["create", "science", "--requirements", "gone.txt"], "cannot read gone.txt"),
        (["install", "science"], "install what? Name packages"),
        (["uninstall", "science"], "the following arguments are required: PKG"),
        (["show", ""], "an empty text names no environment; see `pyflowctl env list`"),
        (["remove", "./venv"], "'./venv' is not removed: only what `pyflowctl env list` shows can be"),
        (["remove", ""], "'' is not removed"),
        (["lock"], "lock what?"),
        (["lock", "science", "--with", "numpy"], "lock what? Give one of"),
        (["lock", "science", "--python", "3.12"], "--python is not allowed with ENV"),
        (["export", "science", "--format", "toml"], "invalid choice: 'toml'"),
        (["prune", "--unused", "soon"], "'soon' is not a number of days"),
        (["prune", "--unused", "-1"], "'-1' is not a number of days"),
        (["detect", "gone.md"], "gone.md does not exist"),
    ],
)
def test_what_makes_no_sense_is_told_and_nothing_is_sent(
    daemon: FakeDaemon, pyflowctl: Pyflowctl, command: list[str], words: str
) -> None:
    done = pyflowctl("env", *command)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert not daemon.asked


@pytest.mark.parametrize("where", [("--socket", "{}", "env", "list"), ("env", "list", "--socket", "{}")])
def test_the_socket_may_be_named_before_or_after_the_command(
    daemon: FakeDaemon, pyflowctl: Pyflowctl, environment: dict[str, str], where: tuple[str, ...]
) -> None:
    environment["PYFLOWD_SOCKET"] = "/nowhere/d.sock"
    assert pyflowctl(*(word.format(daemon.path) for word in where)).returncode == 0
