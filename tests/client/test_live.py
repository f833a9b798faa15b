"""Live sessions of the blocking client, against a peer that speaks the real protocol."""

import time
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from pyflowd_client.blocking import Client, connect
from pyflowd_client.conversation import Conversation
from pyflowd_client.errors import ChangeRefused, GraphFileError, Refused, RequestUnsendable
from pyflowd_client.live_changes import MOST_UNANSWERED, LiveChanges
from pyflowd_client.live_handle import LiveHandle
from pyflowd_client.protocol import daemon_codec, events, replies, requests
from pyflowd_client.protocol.errors import ErrorCode
from pyflowd_client.protocol.ids import RunId
from pyflowd_client.protocol.limits import MAX_REQUEST_BYTES
from pyflowd_client.protocol.options import LiveOptions
from pyflowd_client.protocol.states import ChangeKind, LiveAction, NodeState, RunState
from support.client_peer import FakeDaemon

RUN = RunId("r")


@pytest.fixture
def daemon(socket_path: Path) -> Iterator[FakeDaemon]:
    with FakeDaemon(socket_path) as running:
        yield running


@pytest.fixture
def client(daemon: FakeDaemon) -> Iterator[Client]:
    with connect(daemon.path, autostart=False) as session:
        yield session


def asked(daemon: FakeDaemon, action: LiveAction) -> list[requests.UpdateLive]:
    return [
        request for request in daemon.asked if isinstance(request, requests.UpdateLive) and request.action is action
    ]


def test_values_are_those_of_the_last_change_once_it_has_settled(client: Client) -> None:
    with client.live_document("live Slider Scope") as live:
        assert live.settle().values == {"Slider": {"out": 0}, "Scope": {"out": 0}}
        for place in range(5):
            live.set("Slider", "place", place)
        assert live.settle().values["slider"] == {"place": 4}
        live.unset("Slider", "place")
        assert live.settle().values["Slider"] == {"out": 0}


def test_a_session_is_opened_as_a_run_is_with_options_of_its_own(client: Client, daemon: FakeDaemon) -> None:
    arguments = {"isolation": "shared", "paused": True, "linger_s": 5, "seed": 7, "inputs": {"A.x": 1}}
    with client.live_document("live A", name="g.md", **arguments):  # type: ignore[arg-type]
        pass
    [opened] = [request for request in daemon.asked if isinstance(request, requests.OpenLive)]
    assert opened.live == LiveOptions(isolation="shared", is_paused=True, linger_s=5.0)
    assert (opened.graph.name, opened.graph.options.seed, opened.graph.inputs) == ("g.md", 7, {"A.x": "1"})


def test_the_end_of_the_block_closes_the_session(client: Client, daemon: FakeDaemon) -> None:
    with client.live_document("live A") as live:
        assert live.state is not RunState.SUCCEEDED
    assert live.state is RunState.SUCCEEDED
    assert requests.CloseLive(run=live.id) in daemon.asked


def test_each_change_has_a_name_that_comes_back_in_its_events(client: Client) -> None:
    with client.live_document("live A B") as live:
        live.settle()
        first, named = live.set("A", "x", 1), live.trigger("B", kind=ChangeKind.BUTTON_CLICK, change="mine")
        assert (named, first != named) == ("mine", True)
        told = []
        for event in live:
            told.append(event)
            if isinstance(event, events.LiveSettled) and event.change == named:
                break
        assert [(type(event), event.change) for event in told] == [  # type: ignore[union-attr]
            (kind, change)
            for change in (first, named)
            for kind in (events.LiveChanged, events.NodeStarted, events.NodeFinished, events.LiveSettled)
        ]
        assert [event.kind for event in told if isinstance(event, events.LiveChanged)] == [
            ChangeKind.VALUE_CHANGED,
            ChangeKind.BUTTON_CLICK,
        ]


def test_a_refusal_of_a_change_that_nobody_waited_for_is_raised_by_who_waits_next(client: Client) -> None:
    with client.live_document("live A") as live:
        change = live.set("Nowhere", "x", 1)
        live.set("A", "x", 2)
        with pytest.raises(ChangeRefused, match="no node is called Nowhere") as refused:
            live.settle()
        assert (refused.value.change, refused.value.code) == (change, ErrorCode.BAD_INPUT)
        assert live.settle().values["A"] == {"x": 2}
        live.set("Nowhere", "x", 1)
        with pytest.raises(ChangeRefused):
            next(iter(live))


def test_a_refusal_that_nobody_has_seen_is_raised_at_the_end(client: Client) -> None:
    live = client.live_document("live A").settle()
    live.set("Nowhere", "x", 1)
    with pytest.raises(ChangeRefused, match="Nowhere"):
        live.close()
    assert live.state is RunState.SUCCEEDED


def test_the_end_of_a_block_does_not_hide_why_it_ended(client: Client) -> None:
    live = client.live_document("live A")
    live.set("Nowhere", "x", 1)
    with pytest.raises(KeyError, match="no node"), live:
        live.values["Nothing"]
    assert live.state is RunState.SUCCEEDED


def test_other_changes_are_refused_at_once_and_the_session_goes_on(client: Client, tmp_path: Path) -> None:
    with client.live_document("live A") as live:
        for attempt in (lambda: live.update_document("broken"), lambda: live.every(0, "A")):
            with pytest.raises(ChangeRefused):
                attempt()
        with pytest.raises(GraphFileError):
            live.update(tmp_path / "gone.md")
        live.set("A", "x", 1)
        assert live.settle().values["A"] == {"x": 1}


@pytest.mark.parametrize(
    ("value", "error"), [(object(), TypeError), ("x" * MAX_REQUEST_BYTES, RequestUnsendable)], ids=["unfit", "huge"]
)
def test_a_value_that_cannot_travel_is_refused_here_and_the_session_goes_on(
    client: Client, value: object, error: type[Exception]
) -> None:
    with client.live_document("live A") as live:
        with pytest.raises(error, match=r"input A\.x"):
            live.set("A", "x", value)
        live.set("A", "x", 1)
        assert live.settle().values["A"] == {"x": 1}


def test_more_changes_than_may_be_unanswered_lose_none(client: Client, daemon: FakeDaemon) -> None:
    count = 3 * MOST_UNANSWERED
    with client.live_document("live A") as live:
        for number in range(count):
            live.set("A", "x", number)
        assert live.settle().values["A"] == {"x": count - 1}
    assert [request.value for request in asked(daemon, LiveAction.SET_INPUT)] == [str(n) for n in range(count)]


def test_a_failure_shows_on_its_node_until_a_change_mends_it(client: Client) -> None:
    with client.live_document("live A B") as live:
        live.set("A", "x", "fail")
        live.settle()
        assert (live.states["A"], live.states["B"]) == (NodeState.FAILED, NodeState.DONE)
        assert live.errors["A"].message == "ValueError: it would not"
        assert (list(live.errors), list(live.values)) == (["A"], ["B"])
        live.set("A", "x", 1)
        assert (dict(live.settle().errors), live.values["A"]) == ({}, {"x": 1})


def test_a_node_that_the_graph_no_longer_has_is_gone_with_its_values(client: Client) -> None:
    with client.live_document("live A B") as live:
        live.settle()
        live.update_document("live B C")
        assert list(live.settle().values) == ["B", "C"]


def test_a_paused_session_has_settled_and_knows_its_nodes(client: Client) -> None:
    with client.live_document("live A", paused=True) as live:
        assert live.settle(5).states == {"A": NodeState.WAITING}
        live.set("A", "x", 1)
        assert (live.settle(5).is_paused, dict(live.values)) == (True, {})
        live.resume()
        assert (live.settle(5).is_paused, live.values["A"]) == (False, {"x": 1})


def test_reset_forgets_and_run_all_repeats(client: Client) -> None:
    with client.live_document("live A", inputs={"A.x": 1}) as live:
        assert live.settle().values["A"] == {"x": 1}
        live.run_all()
        assert live.settle().record.nodes["a"].runs == 2  # type: ignore[index]
        live.reset()
        assert live.settle().values["A"] == {"out": 0}


def test_a_timer_is_set_and_taken_back(client: Client, daemon: FakeDaemon) -> None:
    with client.live_document("live A") as live:
        live.every(2, "A")
        assert live.settle().record.timers == {"a": 2.0}
        live.every(None, "A")
        assert live.settle().record.timers == {}
    assert [request.every_s for request in asked(daemon, LiveAction.EVERY)] == [2.0, None]


def test_who_joins_has_the_present_first_and_leaves_the_session_open(client: Client, daemon: FakeDaemon) -> None:
    with client.live_document("live A B", name="g.md", isolation="shared") as live:
        live.set("A", "x", 1)
        live.settle()
        with connect(daemon.path, autostart=False) as other, other.follow_live(live.id) as joined:
            assert joined.values == {"A": {"x": 1}, "B": {"out": 0}}
            assert (joined.record.graph, joined.record.isolation, joined.is_settled) == ("g.md", "shared", True)
            live.set("B", "x", 2)
            changed = next(event for event in joined if isinstance(event, events.LiveChanged))
            assert (changed.node, changed.value, changed.author) == ("b", 2, "peer")
            joined.set("B", "x", 3)
            assert joined.settle().values["B"] == {"x": 3}
        for event in live:
            if isinstance(event, events.LiveSettled) and live.values["B"] == {"x": 3}:
                break


def test_a_session_that_is_not_there_cannot_be_followed(client: Client) -> None:
    with pytest.raises(Refused) as refused:
        client.follow_live("run-99")
    assert refused.value.code is ErrorCode.UNKNOWN_RUN


def test_a_session_that_another_has_closed_is_over(client: Client, daemon: FakeDaemon) -> None:
    with client.live_document("live A") as live:
        with connect(daemon.path, autostart=False) as other:
            other.follow_live(live.id).close()
        assert [type(event) for event in live][-1] is events.RunFinished
        live.set("A", "x", 1)
        with pytest.raises(ChangeRefused, match="closed"):
            live.settle()


def test_settling_can_take_too_long(client: Client) -> None:
    with client.live_document("live A", paused=True) as live:
        live.settle()
        live.record.is_paused = False  # as if its nodes had been waiting for something
        live.set("A", "x", 1)
        begun = time.monotonic()
        with pytest.raises(TimeoutError):
            live.settle(0.05)
        assert time.monotonic() - begun < 5


def test_events_that_were_lost_on_the_way_are_asked_for_again(socket_path: Path) -> None:
    with (
        FakeDaemon(socket_path, lose=frozenset({3, 9})) as daemon,
        connect(daemon.path, autostart=False) as client,
        client.live_document("live A B") as live,
    ):
        live.set("A", "x", 1)
        live.set("B", "x", 2)
        assert live.settle().values == {"A": {"x": 1}, "B": {"x": 2}}


def test_a_name_that_is_given_twice_means_two_changes() -> None:
    changes = LiveChanges(RUN)
    for request_id in (1, 2):
        changes.sent(request_id, changes.request(LiveAction.TRIGGER, "slider", None, node="A"))
        changes.accepted(request_id)
    changes.heard("slider", 5)
    assert (changes.are_answered, changes.are_heard) == (True, False)
    changes.heard("slider", 9)
    assert (changes.are_heard, changes.heard_seq) == (True, 9)


def test_of_a_change_that_was_lost_an_event_may_tell_after_all() -> None:
    changes = LiveChanges(RUN)
    for request_id, name in ((1, "a"), (2, "b")):
        changes.sent(request_id, changes.request(LiveAction.TRIGGER, name, None, node="A"))
        changes.accepted(request_id)
    changes.lose_events()
    changes.heard("a", 5)
    changes.caught_up(7)
    assert (changes.are_heard, changes.heard_seq, changes.lost) == (True, 7, set())


def test_changes_wait_until_the_session_has_begun_and_are_sent_in_their_order() -> None:
    conversation = Conversation()
    live = LiveHandle(conversation, RUN, is_own=True)
    opened = conversation.ask(requests.OpenLive(graph=requests.SubmitRun(document="d")))
    conversation.receive(daemon_codec.encode_reply(opened, replies.RunAccepted(run=RUN)))
    conversation.outgoing.clear()
    names = [live._put(live.triggering(node, None, None)) for node in ("A", "B")]
    assert not conversation.outgoing
    assert not live.is_settled
    started = events.RunStarted(run=RUN, seq=1, time=0.0, graph="g", nodes=2)
    conversation.receive(daemon_codec.encode_events([orjson.dumps(daemon_codec.event_to_wire(started))]))
    live._look()
    names.append(live._put(live.triggering("C", None, None)))
    asked = [daemon_codec.decode_request(message)[1] for message in conversation.outgoing]
    assert [request.change for request in asked if isinstance(request, requests.UpdateLive)] == names
