"""The blocking client against a peer that speaks the real protocol, and against peers that do not."""

import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyflowd_client import blocking
from pyflowd_client.blocking import Client, connect
from pyflowd_client.errors import DaemonLost, DaemonUnavailable, ProtocolMismatch, Refused, RunFailed
from pyflowd_client.location import locate
from pyflowd_client.protocol import events, requests
from pyflowd_client.protocol.errors import ErrorCode, ErrorInfo, ExitStatus
from pyflowd_client.protocol.limits import WINDOW_BYTES
from pyflowd_client.protocol.options import RunOptions
from pyflowd_client.protocol.states import RunState
from support.client_peer import FakeDaemon, start_process


@pytest.fixture
def daemon(socket_path: Path) -> Iterator[FakeDaemon]:
    with FakeDaemon(socket_path) as running:
        yield running


@pytest.fixture
def client(daemon: FakeDaemon) -> Iterator[Client]:
    with connect(daemon.path, autostart=False) as session:
        yield session


@pytest.fixture
def killable(socket_path: Path) -> Iterator["subprocess.Popen[bytes]"]:
    process = start_process(socket_path)
    yield process
    process.kill()
    process.wait()


def test_a_run_is_iterated_for_typed_events_and_then_has_outputs(client: Client) -> None:
    run = client.run_document("greet", inputs={"Greeter.name": "you"})
    assert run.state is RunState.QUEUED
    kinds = [type(event) for event in run]
    assert kinds == [events.RunStarted, events.NodeStarted, events.NodeOutput, events.NodeFinished, events.RunFinished]
    assert run.state is RunState.SUCCEEDED
    assert run.outputs["Greeter"] == {"text": "hello", "inputs": {"Greeter.name": '"you"'}}


def test_all_options_travel(client: Client, daemon: FakeDaemon) -> None:
    arguments = {"seed": 7, "partial": True, "timeout_s": 1.5, "memory_bytes": 1000, "max_value_bytes": None}
    client.run_document("greet", name="g.md", python="/py", **arguments).result()  # type: ignore[arg-type]
    submitted = next(request for request in daemon.asked if isinstance(request, requests.SubmitRun))
    assert submitted.options == RunOptions(**arguments)
    assert (submitted.name, submitted.python) == ("g.md", "/py")


def test_a_failed_run_raises_with_what_failed_and_keeps_the_outputs_it_has(client: Client) -> None:
    run = client.run_document("fail time_limit")
    with pytest.raises(RunFailed, match="Bad failed: it did not work") as caught:
        run.result()
    assert caught.value.exit_status is ExitStatus.TIME_LIMIT
    assert [node.title for node in run.failures] == ["Bad"]
    assert run.outputs["Good"] == {"n": 1}


def test_a_cancelled_run_ends_cancelled(client: Client) -> None:
    run = client.run_document("hang")
    run.cancel()
    with pytest.raises(RunFailed, match="cancelled"):
        run.result()
    assert run.state is RunState.CANCELLED


def test_two_runs_are_read_in_any_order_and_neither_is_held_beyond_its_window(
    client: Client, daemon: FakeDaemon
) -> None:
    first, second = client.run_document("flood 3000 1000"), client.run_document("flood 3000 1000")
    assert second.result()["Talker"] == {"count": 3000}
    assert first.result()["Talker"] == {"count": 3000}
    assert daemon.largest_outstanding_bytes < WINDOW_BYTES + 2000


def test_an_event_larger_than_the_window_arrives(client: Client) -> None:
    texts = [event.text for event in client.run_document("flood 3 2000000") if isinstance(event, events.NodeOutput)]
    assert [len(text) for text in texts] == [2_000_000] * 3


def test_events_that_got_lost_on_the_way_are_fetched_again(socket_path: Path) -> None:
    with FakeDaemon(socket_path, lose=frozenset({2, 5, 6})) as daemon, connect(socket_path, autostart=False) as client:
        assert [event.seq for event in client.run_document("flood 20 10")] == list(range(1, 25))
        assert requests.FollowRun(run="run-1", from_seq=2) in daemon.asked  # type: ignore[arg-type]


def test_another_session_follows_a_run_from_any_event(client: Client, daemon: FakeDaemon) -> None:
    run = client.run_document("greet")
    run.result()
    with connect(daemon.path, autostart=False) as other:
        assert [event.seq for event in other.follow(run.id, from_seq=3)] == [3, 4, 5]
    assert [event.seq for event in run.follow()] == [1, 2, 3, 4, 5]


def test_values_that_only_pythons_json_has_arrive_and_unknown_events_are_passed_over(client: Client) -> None:
    run = client.run_document("extremes")
    assert [event.seq for event in run] == [1, 2, 4, 5]
    edge = run.outputs["Edge"]
    assert edge["nan"] != edge["nan"]
    assert edge["big"] == 123456789012345678901234567890
    assert edge["huge"] == 10**5000 - 1


def test_a_refusal_names_its_code_and_the_session_goes_on(client: Client) -> None:
    with pytest.raises(Refused) as caught:
        client.follow("no-such-run")
    assert caught.value.code is ErrorCode.UNKNOWN_RUN
    assert client.status().protocol == 1


def test_check_and_convert_answer(client: Client) -> None:
    assert client.check("greet").runnable
    assert [finding.code for finding in client.check("refuse").findings] == ["cycle"]
    assert client.convert("graph", "json").document == "json of graph"


def test_killing_the_daemon_ends_every_wait_at_once(killable: "subprocess.Popen[bytes]", socket_path: Path) -> None:
    with connect(socket_path, autostart=False) as client:
        run = client.run_document("hang")
        it = iter(run)
        next(it), next(it)
        killable.send_signal(signal.SIGKILL)
        with pytest.raises(DaemonLost, match="log"):
            next(it)
        with pytest.raises(DaemonLost):
            client.status()


def test_a_daemon_that_dies_of_a_request_is_lost_not_awaited(
    killable: "subprocess.Popen[bytes]", socket_path: Path
) -> None:
    with connect(socket_path, autostart=False) as client, pytest.raises(DaemonLost):
        client.run_document("die")


def test_what_the_daemon_said_before_it_left_is_heard(daemon: FakeDaemon) -> None:
    with connect(daemon.path, autostart=False) as client, connect(daemon.path, autostart=False) as other:
        run = client.run_document("greet")
        other.stop()
        assert run.result()["Greeter"]["text"] == "hello"
        with pytest.raises(DaemonLost):
            client.status()


def test_a_wait_ends_when_its_descriptor_is_written_to(client: Client) -> None:
    run = client.run_document("hang")
    woken, wake = os.pipe()
    os.write(wake, b".")
    seen = [client.next_event(run.id, wake_fd=woken) for _ in range(20)]
    os.close(woken)
    os.close(wake)
    assert None in seen


def test_closing_says_goodbye_and_may_be_done_twice(daemon: FakeDaemon) -> None:
    client = connect(daemon.path, autostart=False)
    client.close()
    client.close()
    with connect(daemon.path, autostart=False) as other:
        other.status()
    assert requests.Goodbye() in daemon.asked


@pytest.mark.parametrize("leftover", ["nothing", "a stale socket"])
def test_without_a_daemon_it_is_said_so(socket_path: Path, leftover: str) -> None:
    if leftover == "a stale socket":
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(str(socket_path))
    with pytest.raises(DaemonUnavailable, match="no daemon is running") as caught:
        connect(socket_path, autostart=False)
    assert caught.value.exit_status is ExitStatus.UNAVAILABLE


def test_a_daemon_of_another_version_is_a_mismatch(socket_path: Path) -> None:
    error = ErrorInfo(code=ErrorCode.PROTOCOL_VERSION, message="this daemon speaks 7 to 9")
    with FakeDaemon(socket_path, refuse_hello=error), pytest.raises(ProtocolMismatch, match="7 to 9"):
        connect(socket_path, autostart=False)


def test_a_listener_that_never_answers_is_given_up(socket_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocking, "HELLO_DEADLINE_S", 0.1)
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(socket_path))
        mute.listen()
        with pytest.raises(DaemonUnavailable, match="does not answer"):
            connect(socket_path, autostart=False)


def test_a_listener_that_speaks_something_else_is_not_a_daemon(socket_path: Path) -> None:
    def answer_like_a_web_server() -> None:
        with web.accept()[0] as peer:
            peer.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 10)

    with socket.socket(socket.AF_UNIX) as web:
        web.bind(str(socket_path))
        web.listen()
        server = threading.Thread(target=answer_like_a_web_server)
        server.start()
        with pytest.raises((DaemonLost, ProtocolMismatch)):
            Client(locate(socket_path))
        server.join()
