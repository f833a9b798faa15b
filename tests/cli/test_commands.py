"""pyflowctl as its users meet it: what goes to which stream, and the status it ends with."""

import json
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyflowd_client import __version__
from pyflowd_client.protocol.errors import ErrorCode, ErrorInfo
from support.client_commands import COMMAND, Pyflowctl
from support.client_peer import FakeDaemon, start_process
from support.terminals import on_terminal


@pytest.fixture
def graph(tmp_path: Path) -> "GraphFile":
    return GraphFile(tmp_path / "graph.md")


class GraphFile:
    """A graph file that names a story of the fake daemon."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, story: str) -> str:
        self._path.write_text(story)
        return str(self._path)


def test_run_gives_outputs_to_stdout_and_what_nodes_write_to_stderr(
    daemon: FakeDaemon, pyflowctl: Pyflowctl, graph: GraphFile
) -> None:
    done = pyflowctl("run", graph("greet"), "--input", 'Greeter.name="you"')
    assert done.stdout == 'Greeter.text = "hello"\nGreeter.inputs = {"Greeter.name": "\\"you\\""}\n'
    assert done.stderr == "Greeter | hello\n"
    assert done.returncode == 0


def test_quiet_leaves_the_outputs_and_verbose_tells_of_every_node(
    daemon: FakeDaemon, pyflowctl: Pyflowctl, graph: GraphFile
) -> None:
    assert pyflowctl("run", graph("greet"), "--quiet").stderr == ""
    told = pyflowctl("run", graph("greet"), "--verbose").stderr.splitlines()
    assert told[0] == "Greeter began"
    assert told[-1].startswith("succeeded after")


def test_lines_stay_whole_when_nodes_write_at_once_and_titles_cannot_move_the_cursor(
    daemon: FakeDaemon, pyflowctl: Pyflowctl, graph: GraphFile
) -> None:
    told = pyflowctl("run", graph("mutter")).stderr.splitlines()
    assert told == [
        "Two?[2J | whole line",
        "One | beginning",
        "One | no end",
        "'Two' was skipped: 'One' is enough",
    ]


def test_json_is_one_event_per_line_with_values_exactly_as_they_came(
    daemon: FakeDaemon, pyflowctl: Pyflowctl, graph: GraphFile
) -> None:
    done = pyflowctl("run", graph("extremes"), "--json")
    names = [line.split('"event":"')[1].split('"')[0] for line in done.stdout.splitlines()]
    assert names == ["run_started", "node_started", "node_dreamt", "node_finished", "run_finished"]
    assert f'{{"nan":NaN,"big":123456789012345678901234567890,"huge":{"9" * 5000},"e":1e5}}' in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("story", "status"),
    [
        ("greet", 0),
        ("fail exception", 1),
        ("fail killed", 1),
        ("fail time_limit", 124),
        ("refuse", 65),
        ("unknown", 65),
        ("die", 69),
    ],
)
def test_the_status_says_how_it_ended(
    pyflowctl: Pyflowctl, graph: GraphFile, socket_path: Path, story: str, status: int
) -> None:
    process = start_process(socket_path)  # a process, since one of the stories kills it
    try:
        assert pyflowctl("run", graph(story)).returncode == status
    finally:
        process.kill()
        process.wait()


def test_a_failure_is_told_with_its_traceback_and_the_good_outputs_are_given(
    daemon: FakeDaemon, pyflowctl: Pyflowctl, graph: GraphFile
) -> None:
    done = pyflowctl("run", graph("fail exception"))
    assert done.stderr.splitlines() == [
        "Bad failed: it did not work",
        "  Traceback:",
        '    line 3, in "Bad"',
        "  ValueError: no",
        "failed after 0.1 s: 1 node failed",
    ]


def test_the_variables_of_what_failed_are_for_who_wants_to_know_more(
    daemon: FakeDaemon, pyflowctl: Pyflowctl, graph: GraphFile
) -> None:
    told = pyflowctl("run", graph("fail exception"), "--verbose").stderr.splitlines()
    start = told.index("  ValueError: no")
    assert told[start + 1 : start + 4] == ["  variables of f, line 3 of Bad:", "    x = 1", "    y = '?[2J'"]


def test_what_would_allow_it_is_a_line_of_its_own_and_a_field(
    daemon: FakeDaemon, pyflowctl: Pyflowctl, graph: GraphFile
) -> None:
    assert pyflowctl("run", graph("deny")).stderr.splitlines() == [
        "Bad failed: Permission denied",
        "hint: run it with --allow-read /data?[2J",
        "the run failed: denied [not_permitted]",
        "hint: ask for more",
    ]
    told = [json.loads(line) for line in pyflowctl("run", graph("deny"), "--json").stdout.splitlines()]
    assert [event["error"]["hint"] for event in told[-2:]] == ["run it with --allow-read /data\x1b[2J", "ask for more"]


def test_a_refused_graph_is_explained(daemon: FakeDaemon, pyflowctl: Pyflowctl, graph: GraphFile) -> None:
    told = pyflowctl("run", graph("refuse")).stderr.splitlines()
    assert told == [
        "error: A: A and B wait for each other [cycle]",
        "the run failed: the graph has errors [bad_graph]",
    ]


def test_a_graph_comes_from_standard_input(daemon: FakeDaemon, pyflowctl: Pyflowctl) -> None:
    assert pyflowctl("run", "-", text="greet").returncode == 0


def test_a_graph_that_cannot_be_read_is_65(daemon: FakeDaemon, pyflowctl: Pyflowctl, tmp_path: Path) -> None:
    done = pyflowctl("run", str(tmp_path / "gone.md"))
    assert (done.returncode, done.stdout) == (65, "")
    assert done.stderr == f"pyflowctl: cannot read {tmp_path}/gone.md: No such file or directory.\n"


def test_check_lists_the_order_or_the_errors(daemon: FakeDaemon, pyflowctl: Pyflowctl, graph: GraphFile) -> None:
    good, bad = pyflowctl("check", graph("greet")), pyflowctl("check", graph("refuse"))
    assert (good.returncode, good.stdout) == (0, "  1. Greeter () -> text\n")
    assert (bad.returncode, bad.stdout) == (65, "")
    assert "error: A: A and B wait for each other [cycle]" in bad.stderr
    assert json.loads(pyflowctl("check", graph("refuse"), "--json").stdout)["findings"][0]["code"] == "cycle"


def test_convert_writes_the_format_that_the_file_name_says(
    daemon: FakeDaemon, pyflowctl: Pyflowctl, graph: GraphFile, tmp_path: Path
) -> None:
    assert pyflowctl("convert", graph("g"), "-o", str(tmp_path / "out.json")).returncode == 0
    assert (tmp_path / "out.json").read_text() == "json of g"
    assert pyflowctl("convert", graph("g"), "--to", "md").stdout == "md of g"
    assert pyflowctl("convert", graph("g")).returncode == 2
    assert pyflowctl("convert", graph("g"), "-o", str(tmp_path / "no" / "out.md")).returncode == 2


def test_status_shows_the_daemon_and_is_one_object_for_programs(daemon: FakeDaemon, pyflowctl: Pyflowctl) -> None:
    shown = pyflowctl("status").stdout
    assert shown.startswith("pyflowd 0-fake, up 1 d 2 h\n")
    assert "warm      /usr/bin/python3 (Python 3.12.1, 4 spares)" in shown
    found = json.loads(pyflowctl("status", "--json").stdout)
    assert found.keys() >= {"pid", "version", "protocol", "uptime_s", "sandbox_tier", "environments", "runs", "workers"}


def test_a_daemon_of_another_version_is_told_with_both_versions(socket_path: Path, pyflowctl: Pyflowctl) -> None:
    error = ErrorInfo(code=ErrorCode.PROTOCOL_VERSION, message="The client speaks protocol 1 to 1, this daemon 7 to 9.")
    with FakeDaemon(socket_path, refuse_hello=error):
        done = pyflowctl("status")
    assert (done.returncode, done.stdout, done.stderr) == (76, "", f"pyflowctl: {error.message}\n")


def test_without_a_daemon_status_says_so_and_stop_is_content(pyflowctl: Pyflowctl, socket_path: Path) -> None:
    status, stop = pyflowctl("status"), pyflowctl("stop")
    assert (status.returncode, status.stderr) == (69, f"pyflowctl: no daemon is running at {socket_path}.\n")
    assert (stop.returncode, stop.stderr) == (0, "No daemon is running.\n")
    assert not socket_path.exists()


def test_start_is_content_with_a_daemon_that_runs_and_stop_waits_for_its_end(
    daemon: FakeDaemon, pyflowctl: Pyflowctl, socket_path: Path
) -> None:
    start, stop = pyflowctl("start"), pyflowctl("stop")
    assert (start.returncode, start.stderr) == (0, f"A daemon is running at {socket_path}.\n")
    assert (stop.returncode, stop.stderr) == (0, "The daemon has ended.\n")
    assert pyflowctl("status").returncode == 69


def test_cancel_ends_a_run_and_knows_when_there_is_none(daemon: FakeDaemon, pyflowctl: Pyflowctl) -> None:
    done = pyflowctl("cancel", "no-such-run")
    assert done.returncode == 2
    assert "no-such-run" in done.stderr


def test_version_asks_nobody(pyflowctl: Pyflowctl) -> None:
    assert pyflowctl("version").stdout == f"pyflowctl {__version__} (protocol 1)\n"


@pytest.fixture
def running(daemon: FakeDaemon, environment: dict[str, str]) -> Iterator["Runner"]:
    runner = Runner(environment)
    yield runner
    for process in runner.started:
        process.kill()
        process.communicate()


class Runner:
    """Starts `run --json` and returns when its first two events have been printed."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.started: list[subprocess.Popen[str]] = []
        self._environment = environment

    def __call__(self, graph: str) -> "subprocess.Popen[str]":
        process = subprocess.Popen(
            [*COMMAND, "run", graph, "--json"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self._environment,
        )
        self.started.append(process)
        assert process.stdout is not None
        assert "run_started" in process.stdout.readline()
        assert "node_started" in process.stdout.readline()
        return process


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cancels_the_run_and_waits_for_its_end(running: "Runner", graph: GraphFile, number: int) -> None:
    process = running(graph("hang"))
    process.send_signal(number)
    out, err = process.communicate(timeout=10)
    assert json.loads(out)["state"] == "cancelled"
    assert err.startswith("cancelling")
    assert process.returncode == 130


def test_a_second_signal_leaves_at_once(running: "Runner", graph: GraphFile) -> None:
    process = running(graph("ignore"))
    assert process.stderr is not None
    process.send_signal(signal.SIGINT)
    assert process.stderr.readline().startswith("cancelling")
    process.send_signal(signal.SIGINT)
    assert process.wait(10) == 130


def test_a_reader_that_has_seen_enough_ends_it_quietly(running: "Runner", graph: GraphFile) -> None:
    process = running(graph("flood 5000 1000"))
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == ""
    assert process.wait(10) == 128 + signal.SIGPIPE


def test_on_a_terminal_nodes_are_shown_at_work_and_outputs_as_they_read(
    daemon: FakeDaemon, environment: dict[str, str], graph: GraphFile
) -> None:
    shown = on_terminal([*COMMAND, "run", graph("mutter")], environment)
    assert shown.status == 0
    assert "\x1b[2J" not in shown.raw
    assert "One | beginning" in shown.text
