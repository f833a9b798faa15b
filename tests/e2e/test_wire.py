"""Foreign processes on the socket: garbage, giants, strangers. Each is told off or cut off; the daemon goes on."""

import contextlib
import json
import random
import signal
import socket
import struct
from collections.abc import Iterator
from typing import Any

import pytest
import zmq

from support.daemons import ADD, RunningDaemon, assert_serves, graph

GREETING = b"\xff" + b"\0" * 7 + b"\x01" + b"\x7f" + b"\x03\x00" + b"NULL".ljust(20, b"\0") + b"\0" + b"\0" * 31
HELLO = {"request": "hello", "id": 1, "oldest_protocol": 1, "protocol": 1, "client": "test"}


pytestmark = pytest.mark.usefixtures("unharmed")


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
        bytes(range(256)) * 100,
        b"\0" * 100_000,
        b"\xff" + b"\0" * 8 + b"\x7f\x03\x01" + b"\0" * 1000,
    ],
    ids=["bytes", "zeros", "broken greeting"],
)
def test_a_peer_that_does_not_speak_zmtp_is_cut_off(daemon: RunningDaemon, data: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(15)
        peer.connect(str(daemon.socket))
        with contextlib.suppress(ConnectionError):
            peer.sendall(data)
            while peer.recv(65536):
                pass  # until the daemon hangs up


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"GET / HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: x\r\n" + b"Cookie: 12345678\r\n" * 5000 + b"\r\n",
    ],
    ids=["nothing", "a byte", "a line", "a web browser"],
)
def test_a_peer_that_is_never_understood_keeps_nobody_waiting(daemon: RunningDaemon, data: bytes) -> None:
    with socket.socket(socket.AF_UNIX) as peer:
        peer.connect(str(daemon.socket))
        peer.sendall(data)
        with daemon.client() as client:
            assert_serves(client)


def test_what_is_no_zmtp_at_random_harms_nothing(daemon: RunningDaemon) -> None:
    chance = random.Random(1)
    for _ in range(200):
        with socket.socket(socket.AF_UNIX) as peer, contextlib.suppress(ConnectionError):
            peer.connect(str(daemon.socket))
            peer.sendall(chance.choice([b"", GREETING]) + chance.randbytes(chance.randrange(1, 2000)))


def test_a_crowd_that_comes_at_once_keeps_nobody_out(daemon: RunningDaemon) -> None:
    """A connection for which there is no room in the queue fails at once, and its client takes the daemon for lost."""
    with contextlib.ExitStack() as crowd:
        daemon.process.send_signal(signal.SIGSTOP)
        try:
            for _ in range(500):
                peer = crowd.enter_context(socket.socket(socket.AF_UNIX))
                peer.setblocking(False)
                peer.connect(str(daemon.socket))
        finally:
            daemon.process.send_signal(signal.SIGCONT)
        with daemon.client() as client:
            assert_serves(client)


def test_a_frame_of_four_gigabytes_is_cut_off_before_it_is_allocated(daemon: RunningDaemon) -> None:
    """A correct ZMTP 3.0 handshake with mechanism NULL, then the header of a frame of 4 GiB."""
    ready = b"\x05READY" + b"\x0bSocket-Type" + struct.pack(">I", 6) + b"DEALER"
    with socket.socket(socket.AF_UNIX) as peer:
        peer.settimeout(15)
        peer.connect(str(daemon.socket))
        peer.sendall(GREETING + b"\x04" + bytes([len(ready)]) + ready)
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


def test_a_client_that_does_not_acknowledge_gets_a_window_and_no_more(
    daemon: RunningDaemon, dealer: zmq.Socket[bytes]
) -> None:
    ask(dealer, json.dumps(HELLO).encode())
    submit = {"request": "submit_run", "id": 2, "document": graph(*[ADD] * 600)}
    run = ask(dealer, json.dumps(submit).encode())["run"]
    with daemon.client() as other:
        other.follow(run).result()  # now there is no event that is still to come
    dealer.send(b'{"request":"get_status","id":9}')
    seqs: list[int] = []
    reply = None
    while reply != "status":
        for frame in dealer.recv_multipart():
            message = json.loads(frame)
            reply = message.get("reply")
            seqs += [event["seq"] for event in message.get("events", [])]
    assert seqs == list(range(1, 1001))
    dealer.send(json.dumps({"request": "ack", "id": 3, "run": run, "seq": 1000}).encode())
    assert json.loads(dealer.recv())["events"][0]["seq"] == 1001


def test_a_live_change_is_told_before_its_node_is_over(dealer: zmq.Socket[bytes]) -> None:
    """However short the node is: its client reads the one while it waits for the other."""
    ask(dealer, json.dumps(HELLO).encode())
    opened = ask(dealer, json.dumps({"request": "open_live", "id": 2, "graph": {"document": graph(ADD)}}).encode())
    while "live_settled" not in names(dealer.recv_multipart()):
        pass
    for number in range(3):
        change = {"request": "update_live", "id": 3 + number, "run": opened["run"], "action": "set_input"}
        dealer.send(json.dumps({**change, "node": "n0", "pin": "x", "value": str(number)}).encode())
        assert names(dealer.recv_multipart()) == ["live_updated", "live_changed", "node_started"]
        assert names(dealer.recv_multipart()) == ["node_finished"]
        assert names(dealer.recv_multipart()) == ["live_settled"]
    assert ask(dealer, json.dumps({"request": "close_live", "id": 9, "run": opened["run"]}).encode())["reply"] == "done"


def names(frames: list[bytes]) -> list[str]:
    """What replies and events are in a message."""
    told: list[str] = []
    for frame in map(json.loads, frames):
        told += [frame["reply"]] if "reply" in frame else [event["event"] for event in frame["events"]]
    return told
