"""The events of runs: numbered lists that followers walk along."""

import json
from typing import Any

import psutil

from pyflowd.core.effects import CloseRun, OpenRun, Publish
from pyflowd.core.ids import SessionId
from pyflowd.core.values import Kept, Value
from pyflowd.shell import outbox
from pyflowd.shell.outbox import WINDOW_EVENTS, Outbox
from pyflowd_client.protocol import events
from pyflowd_client.protocol.ids import NodeId, RunId
from pyflowd_client.protocol.states import NodeState
from support.world import Payload

RUN, ALICE, BOB = RunId("r"), SessionId(b"alice"), SessionId(b"bob")


class Post:
    """An outbox and what each session received."""

    def __init__(self, max_value_bytes: int | None = 10) -> None:
        self.received: dict[SessionId, list[dict[str, Any]]] = {ALICE: [], BOB: []}
        self.outbox = Outbox(lambda session, data: self.received[session].extend(json.loads(data)["events"]))
        self.outbox.open(OpenRun(run=RUN, session=ALICE, max_value_bytes=max_value_bytes))
        self.seq = 0

    def write(self, count: int, text: str = "x") -> None:
        self.gather(count, text)
        self.outbox.flush()

    def gather(self, count: int, text: str = "x") -> None:
        for _ in range(count):
            self.seq += 1
            self.publish(events.NodeOutput, seq=self.seq, stream="stdout", text=text)

    def publish(self, kind: type[events.Event], **content: Any) -> None:
        self.outbox.publish(Publish(kind=kind, content={"run": RUN, "time": 0.0, "node": NodeId("n"), **content}))

    def seqs(self, session: SessionId) -> list[int]:
        return [event["seq"] for event in self.received[session]]


def test_a_follower_gets_a_window_until_it_acknowledges() -> None:
    post = Post()
    post.write(WINDOW_EVENTS + 500)
    assert post.seqs(ALICE) == list(range(1, WINDOW_EVENTS + 1))
    post.outbox.ack(ALICE, RUN, 600)
    post.outbox.flush()
    assert post.seqs(ALICE) == list(range(1, WINDOW_EVENTS + 501))


def test_much_to_tell_is_told_without_delay() -> None:
    post = Post()
    for _ in range(2):
        post.gather(outbox.MANY_EVENTS - 1)
        assert not post.outbox.is_urgent
        post.gather(1)
        assert post.outbox.is_urgent
        post.outbox.flush()
        assert not post.outbox.is_urgent


def test_events_take_about_as_much_memory_as_is_counted() -> None:
    post = Post()
    before = resident_bytes()
    post.gather(20_000, "x" * 200)
    grown = resident_bytes() - before
    assert grown < 3 * 20_000 * 300, f"{grown / 20_000:.0f} bytes for each event"


def resident_bytes() -> int:
    return psutil.Process().memory_info().rss  # type: ignore[no-any-return]


def test_a_late_follower_gets_everything_from_where_it_asks() -> None:
    post = Post()
    post.write(10)
    following = post.outbox.follow(BOB, RUN, 4)
    assert following is not None
    assert (following.first_seq, following.last_seq) == (1, 10)
    post.outbox.flush()
    assert post.seqs(BOB) == [4, 5, 6, 7, 8, 9, 10]


def test_what_no_longer_fits_is_told_as_lost_to_who_missed_it(monkeypatch: Any) -> None:
    monkeypatch.setattr(outbox, "RUN_BYTES", 5000)
    post = Post()
    post.write(3)
    post.write(100, "y" * 500)
    post.outbox.follow(BOB, RUN, 1)
    post.outbox.flush()
    first, *rest = post.received[BOB]
    assert first["event"] == "events_lost"
    assert (first["first_seq"], first["last_seq"]) == (1, rest[0]["seq"] - 1)
    assert rest[-1]["seq"] == 103


def test_a_large_value_and_an_object_are_described_and_a_small_value_is_spliced_in_as_it_is() -> None:
    post = Post()
    small = Value(payload=Payload(b"NaN"), type="float")
    large = Value(payload=Payload(b'"' + b"x" * 50 + b'"'), type="str", preview="'xxx...'")
    kept = Kept(type="ndarray", size_bytes=8, preview="array([1])")
    values = {"a": small, "b": large, "c": kept}
    post.publish(events.NodeFinished, seq=1, title="N", state=NodeState.DONE, outputs=values)
    post.outbox.flush()
    outputs = post.received[ALICE][0]["outputs"]
    assert repr(outputs["a"]) == "nan"
    assert outputs["b"] == {"$value": {"type": "str", "size_bytes": 52, "preview": "'xxx...'"}}
    assert outputs["c"] == {"$value": {"type": "ndarray", "size_bytes": 8, "preview": "array([1])"}}


def test_a_session_that_left_gets_nothing_more_and_the_run_stays() -> None:
    post = Post()
    post.outbox.leave(ALICE)
    post.write(3)
    assert post.seqs(ALICE) == []
    assert post.outbox.follow(BOB, RUN, 1) is not None


def test_a_closed_run_is_unknown() -> None:
    post = Post()
    post.outbox.close(CloseRun(run=RUN))
    assert post.outbox.follow(BOB, RUN, 1) is None
