"""Foreign processes on the socket: garbage, giants, strangers. Each is told off or cut off; the daemon goes on."""

import json
import socket
import struct
from collections.abc import Iterator
from typing import Any

import pytest
import zmq

from support.daemons import ADD, RunningDaemon, graph, running_daemon

HELLO = {"request": "hello", "id": 1, "oldest_protocol": 1, "protocol": 1, "client": "test"}


@pytest.fixture(scope="module")
def daemon() -> Iterator[RunningDaemon]:
    with running_daemon() as running:
        yield running


@pytest.fixture(autouse=True)
def still_serves(daemon: RunningDaemon) -> Iterator[None]:
    yield
    with daemon.client() as session:
        assert session.run_document(graph(ADD)).result()["n0"]["output_1"] == 1


@pytest.fixture
def dealer(daemon: RunningDaemon) -> Iterator[zmq.Socket[bytes]]:
    with zmq.Context() as context, context.socket(zmq.DEALER) as peer:
        peer.set(zmq.LINGER, 0)
        peer.set(zmq.RCVTIMEO, 10_000)
        peer.connect(f"ipc://{daemon.socket}")
        yield peer


def ask(peer: zmq.Socket[bytes], *frames: bytes) -> dict[str, Any]:
    peer.send_multipart(frames)
    answer: dict[str, Any] = json.loads(peer.recv())
    return answer


@pytest.mark.parametrize(
    "frames",
    [
        [b""],
        [b"\xff\xfe garbage"],
        [b"[]"],
        [b"null"],
        [b"{}"],
        [b'{"request":"submit_run"}'],
        [b'{"request":"no_such","id":1}'],
        [b'{"request":"hello","id":-1}'],
        [b'{"request":"hello","id":true}'],
        [b'{"request":"hello","id":1}'],
        [b'{"request":"hello","id":1,"oldest_protocol":1,"protocol":1,"client":"x","permission":"all"}'],
        [b"[" * 100_000],
        [json.dumps(HELLO).encode(), b"second frame"],
    ],
)
def test_a_message_of_another_shape_is_refused(dealer: zmq.Socket[bytes], frames: list[bytes]) -> None:
    answer = ask(dealer, *frames)
    assert answer["reply"] == "refused"
    assert answer["error"]["code"] == "bad_message"


def test_who_has_not_said_hello_is_refused(dealer: zmq.Socket[bytes]) -> None:
    answer = ask(dealer, b'{"request":"get_status","id":7}')
    assert (answer["id"], answer["error"]["code"]) == (7, "no_session")


@pytest.mark.parametrize(("oldest", "newest"), [(2, 9), (0, 0), (-5, 0)])
def test_a_client_of_another_protocol_is_told_both_versions(
    dealer: zmq.Socket[bytes], oldest: int, newest: int
) -> None:
    answer = ask(dealer, json.dumps(HELLO | {"oldest_protocol": oldest, "protocol": newest}).encode())
    assert answer["error"]["code"] == "protocol_version"
    assert str(newest) in answer["error"]["message"]


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        bytes(range(256)) * 100,
        b"\xff" + b"\0" * 8 + b"\x7f\x03\x01" + b"\0" * 1000,
    ],
)
def test_a_peer_that_does_not_speak_zmtp_is_cut_off(daemon: RunningDaemon, data: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(15)
        peer.connect(str(daemon.socket))
        peer.sendall(data)


def test_a_frame_of_four_gigabytes_is_cut_off_before_it_is_allocated(daemon: RunningDaemon) -> None:
    """A correct ZMTP 3.0 handshake with mechanism NULL, then the header of a frame of 4 GiB."""
    greeting = b"\xff" + b"\0" * 7 + b"\x01" + b"\x7f" + b"\x03\x00" + b"NULL".ljust(20, b"\0") + b"\0" + b"\0" * 31
    ready = b"\x05READY" + b"\x0bSocket-Type" + struct.pack(">I", 6) + b"DEALER"
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(15)
        peer.connect(str(daemon.socket))
        peer.sendall(greeting + b"\x04" + bytes([len(ready)]) + ready)
        peer.sendall(b"\x02" + struct.pack(">Q", 4 * 2**30) + b"x" * 1000)
        while peer.recv(65536):
            pass  # until the daemon hangs up


def test_a_bad_request_does_not_end_the_session(dealer: zmq.Socket[bytes]) -> None:
    assert ask(dealer, json.dumps(HELLO).encode())["reply"] == "welcome"
    assert ask(dealer, b'{"request":"follow_run","id":2,"run":"no-such"}')["error"]["code"] == "unknown_run"
    assert ask(dealer, b'{"request":"cancel_run","id":3,"run":"no-such"}')["error"]["code"] == "unknown_run"
    bad = {"request": "submit_run", "id": 4, "document": graph(ADD), "options": {"timeout_s": -1}}
    assert ask(dealer, json.dumps(bad).encode())["error"]["code"] == "bad_input"
    assert ask(dealer, b'{"request":"get_status","id":5}')["reply"] == "status"


def test_an_input_that_is_not_json_fails_its_node_with_the_pins_name(dealer: zmq.Socket[bytes]) -> None:
    ask(dealer, json.dumps(HELLO).encode())
    submit = {"request": "submit_run", "id": 2, "document": graph(ADD), "inputs": {"n0.x": "}{"}}
    dealer.send(json.dumps(submit).encode())
    events: list[dict[str, Any]] = []
    while not events or events[-1]["event"] != "run_finished":
        for frame in dealer.recv_multipart():
            events += json.loads(frame).get("events", [])
    [finished] = [event for event in events if event["event"] == "node_finished"]
    assert finished["error"]["code"] == "bad_input"
    assert "x" in finished["error"]["message"]


def test_a_client_that_does_not_acknowledge_gets_a_window_and_no_more(dealer: zmq.Socket[bytes]) -> None:
    ask(dealer, json.dumps(HELLO).encode())
    submit = {"request": "submit_run", "id": 2, "document": graph(*[ADD] * 2000)}
    dealer.send(json.dumps(submit).encode())
    run, seqs = "", []
    dealer.set(zmq.RCVTIMEO, 3000)
    while True:
        try:
            frames = dealer.recv_multipart()
        except zmq.Again:
            break
        for frame in frames:
            message = json.loads(frame)
            run = message.get("run", run)
            seqs += [event["seq"] for event in message.get("events", [])]
    assert seqs == list(range(1, 1001))
    dealer.send(json.dumps({"request": "ack", "id": 3, "run": run, "seq": 1000}).encode())
    assert json.loads(dealer.recv())["events"][0]["seq"] == 1001
