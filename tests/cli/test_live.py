"""`pyflowctl live` as its users meet it: programs, people on a terminal, and pipes."""

import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pyflowd_client.blocking import connect
from pyflowd_client.protocol import requests
from pyflowd_client.protocol.options import LiveOptions
from pyflowd_client.protocol.states import ChangeKind, LiveAction
from support.client_commands import COMMAND, Pyflowctl
from support.client_peer import FakeDaemon
from support.live_programs import LiveProgram
from support.terminals import Terminal


@pytest.fixture
def graph(tmp_path: Path) -> Path:
    path = tmp_path / "graph.md"
    path.write_text("live Alpha Beta")
    return path


@pytest.fixture
def program(daemon: FakeDaemon, environment: dict[str, str], graph: Path) -> Iterator[Callable[..., LiveProgram]]:
    running: list[LiveProgram] = []

    def start(*arguments: str) -> LiveProgram:
        running.append(LiveProgram(environment, *(arguments or (str(graph),))))
        return running[-1]

    yield start
    for one in running:
        one.__exit__(None, None, None)


def opened(daemon: FakeDaemon) -> requests.OpenLive:
    [request] = [request for request in daemon.asked if isinstance(request, requests.OpenLive)]
    return request


def updates(daemon: FakeDaemon) -> list[requests.UpdateLive]:
    return [request for request in daemon.asked if isinstance(request, requests.UpdateLive)]


def test_a_program_says_changes_and_hears_events(program: Callable[..., LiveProgram]) -> None:
    live = program()
    live.hear(event="live_settled", change="0")
    live.say({"set_input": {"node": "Alpha", "pin": "x", "value": 1.5}, "id": "slider-17"})
    assert live.hear(event="node_finished", change="slider-17")["outputs"] == {"x": 1.5}
    live.say({"pause": {}}, {"trigger": {"node": "Beta"}, "id": 2}, {"resume": {}})
    assert live.hear(event="live_changed", change="2")["kind"] == "node_trigger"
    live.hear(event="live_changed", kind="resumed")
    assert live.end() == 0
    assert live.told[-1]["event"] == "run_finished"


def test_a_bad_line_and_a_refused_change_are_answered_and_the_session_goes_on(
    program: Callable[..., LiveProgram],
) -> None:
    live = program()
    live.say("nonsense", "", {"trigger": {"node": "Nobody"}}, {"every": {"node": "Beta", "seconds": 0}, "id": "t"})
    assert live.hear(line=1)["error"]["code"] == "bad_message"
    assert live.hear(line=3)["error"] == {"code": "bad_input", "message": "no node is called Nobody"}
    assert live.hear(line=4)["id"] == "t"
    live.say({"trigger": {"node": "Beta"}, "id": "good"})
    live.hear(event="live_settled", change="good")
    assert live.end() == 0


def test_what_was_asked_for_before_the_end_of_the_input_is_done_and_the_last_line_needs_no_end(
    daemon: FakeDaemon, environment: dict[str, str], graph: Path
) -> None:
    done = subprocess.run(
        [*COMMAND, "live", str(graph), "--json"],
        input='{"set_input": {"node": "Alpha", "pin": "x", "value": 1}}\n{"trigger": {"node": "Beta"}, "id": "last"}',
        capture_output=True,
        text=True,
        timeout=30,
        env=environment,
        check=True,
    )
    assert '"event":"live_settled","run":"run-1","seq":15' in done.stdout.splitlines()[-2]
    assert '"change":"last"' in done.stdout.splitlines()[-2]
    assert done.stderr == ""


def test_a_session_is_joined_with_the_present_first_and_left_open(
    daemon: FakeDaemon, program: Callable[..., LiveProgram]
) -> None:
    live = program()
    run = live.hear(event="live_settled")["run"]
    joined = program("--follow", run, "--set", "Beta.y=2")
    present = joined.hear(reply="live_following")
    assert present["nodes"][0] == {
        "node": "alpha",
        "title": "Alpha",
        "state": "done",
        "inputs": {},
        "outputs": {"out": 0},
    }
    assert joined.hear(event="node_finished")["outputs"] == {"y": 2}
    assert joined.end() == 0
    live.say({"trigger": {"node": "Alpha"}, "id": "still there"})
    live.hear(event="live_settled", change="still there")


def test_what_is_saved_is_executed_and_a_graph_that_cannot_be_read_is_told(
    program: Callable[..., LiveProgram], graph: Path
) -> None:
    live = program()
    live.hear(event="live_settled")
    graph.write_text("live Beta Gamma")
    assert live.hear(event="node_finished")["title"] == "Gamma"
    graph.write_text("broken")
    assert live.hear()["event"] == "live_settled"
    assert "no story is called 'broken'" in live.hear()["error"]["message"]
    graph.unlink()
    assert "is gone" in live.hear()["error"]["message"]
    graph.write_text("live Delta")
    assert live.hear(event="node_finished")["title"] == "Delta"


def test_options_travel_as_those_of_a_run(daemon: FakeDaemon, environment: dict[str, str], graph: Path) -> None:
    options = (
        "--set",
        "Alpha.x=1",
        "--isolation",
        "fresh",
        "--paused",
        "--linger",
        "5",
        "--seed",
        "3",
        "--memory",
        "1G",
    )
    with LiveProgram(environment, str(graph), *options) as live:
        assert live.end() == 0
    request = opened(daemon)
    assert request.live == LiveOptions(isolation="fresh", is_paused=True, linger_s=5.0)
    assert request.graph.inputs == {"Alpha.x": "1"}
    assert (request.graph.options.seed, request.graph.options.memory_bytes) == (3, 1024**3)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_closes_the_session(
    program: Callable[..., LiveProgram], daemon: FakeDaemon, number: signal.Signals
) -> None:
    live = program()
    live.hear(event="live_settled")
    live.process.send_signal(number)
    live.hear(event="run_finished")
    assert live.process.wait(20) == 0
    assert any(isinstance(request, requests.CloseLive) for request in daemon.asked)


def test_values_go_to_stdout_and_words_to_stderr_where_nobody_looks(
    daemon: FakeDaemon, environment: dict[str, str], graph: Path
) -> None:
    command = [*COMMAND, "live", str(graph), "--set", 'Alpha.x="fail"']
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stderr is not None
    lines = [process.stderr.readline() for _ in range(2)]
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=20)
    assert lines == ["Alpha failed: ValueError: it would not\n", "settled: 2 nodes executed, 1 failed\n"]
    assert (out, process.returncode) == ("Beta.out = 0\n", 0)


def test_a_command_line_that_makes_no_sense_is_refused(daemon: FakeDaemon, pyflowctl: Pyflowctl, graph: Path) -> None:
    for arguments in ((), (str(graph), "--follow", "run-1"), ("-",)):
        assert pyflowctl("live", *arguments).returncode == 2
    assert pyflowctl("live", "/no/such/graph.md").returncode == 65
    assert pyflowctl("live", "--follow", "run-99").returncode == 2
    assert "--set a.b is given twice" in pyflowctl("live", "g", "--set", "a.b=1", "--set", "a.b=2").stderr


def test_keys_on_a_terminal_change_the_session(daemon: FakeDaemon, environment: dict[str, str], graph: Path) -> None:
    with Terminal([*COMMAND, "live", str(graph)], environment) as terminal:
        terminal.see(">1 Alpha")
        for keys, answer in (("2t", ">2 Beta"), ("p", "paused"), ("p", "at rest"), ("a", "at rest"), ("r", "at rest")):
            terminal.press(keys)
            terminal.see(answer)
        graph.write_text("broken")
        terminal.see("not changed: no story is called 'broken'")
        graph.write_text("live Gamma")
        terminal.see(">1 Gamma")
        terminal.press("q")
        assert terminal.end() == 0
    actions = [(update.action, update.node, update.kind) for update in updates(daemon)]
    assert actions[:5] == [
        (LiveAction.TRIGGER, "beta", ChangeKind.BUTTON_CLICK),
        (LiveAction.PAUSE, None, None),
        (LiveAction.RESUME, None, None),
        (LiveAction.RUN_ALL, None, None),
        (LiveAction.RESET, None, None),
    ]


def test_the_terminal_is_given_back_and_a_session_that_was_joined_stays(
    daemon: FakeDaemon, environment: dict[str, str]
) -> None:
    with connect(daemon.path, autostart=False) as client, client.live_document("live A") as live:
        with Terminal([*COMMAND, "live", "--follow", live.id], environment) as terminal:
            terminal.see(">1 A")
            terminal.press("q")
            terminal.see(f"session {live.id} stays open")
            assert terminal.end() == 0
        assert not any(isinstance(request, requests.CloseLive) for request in daemon.asked)


def test_two_hundred_nodes_fit_on_a_terminal(daemon: FakeDaemon, environment: dict[str, str], graph: Path) -> None:
    graph.write_text("live " + " ".join(f"Node{number}" for number in range(1, 201)))
    with Terminal([*COMMAND, "live", str(graph)], environment, columns=80) as terminal:
        terminal.see("200 nodes")
        terminal.press("150")
        terminal.see(">150 Node150")
        terminal.press("q")
        assert terminal.end() == 0


def test_a_reader_that_has_seen_enough_ends_it(daemon: FakeDaemon, environment: dict[str, str], graph: Path) -> None:
    with LiveProgram(environment, str(graph)) as live:
        live.hear(event="live_settled")
        assert live.process.stdout is not None
        live.process.stdout.close()
        live.say({"trigger": {"node": "Alpha"}})
        assert live.process.wait(20) == 128 + signal.SIGPIPE
