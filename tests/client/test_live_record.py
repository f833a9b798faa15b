"""What events amount to in a live session, and what only being told the session as it is can say."""

from typing import Any

import orjson
import pytest

from pyflowd_client.live_record import LiveRecord
from pyflowd_client.protocol.codec import EventRecord
from pyflowd_client.protocol.errors import ErrorCode, ErrorInfo
from pyflowd_client.protocol.ids import NodeId, RunId
from pyflowd_client.protocol.replies import LiveFollowing, LiveNode
from pyflowd_client.protocol.states import NodeState, RunState

RUN = RunId("r")


class Story:
    """A record that is told events."""

    def __init__(self) -> None:
        self.record = LiveRecord()

    def tell(self, event: str, **fields: Any) -> "Story":
        wire = {"event": event, "run": RUN, "seq": self.record.seq + 1, "time": 1.0, **fields}
        self.record.take(EventRecord(RUN, wire["seq"], orjson.dumps(wire).decode(), wire))
        return self

    def finish(self, node: str, state: str = "done", **fields: Any) -> "Story":
        return self.tell("node_finished", node=node, title=node.upper(), state=state, **fields)

    def present(self, last_seq: int, *nodes: LiveNode, is_paused: bool = False) -> "Story":
        told = LiveFollowing(
            run=RUN,
            state=RunState.RUNNING,
            last_seq=last_seq,
            graph="g.md",
            isolation="fresh",
            is_paused=is_paused,
            nodes=nodes,
        )
        self.record.present(told)
        return self


def one(node: str, state: NodeState = NodeState.DONE, **fields: Any) -> LiveNode:
    return LiveNode(node=NodeId(node), title=node.upper(), state=state, **fields)


@pytest.fixture
def story() -> Story:
    return Story().tell("run_started", graph="g.md", nodes=2)


def test_a_node_keeps_its_values_while_it_is_executed_again_and_when_that_is_superseded(story: Story) -> None:
    story.finish("a", outputs={"x": 1}).tell("node_started", node="a", title="A")
    assert (story.record.values["a"], story.record.states["a"]) == ({"x": 1}, NodeState.RUNNING)
    story.finish("a", "cancelled", error={"code": "superseded", "message": "m"})
    assert story.record.values["A"] == {"x": 1}


@pytest.mark.parametrize("state", ["failed", "skipped"])
def test_a_node_that_did_not_finish_has_no_values_but_an_error(story: Story, state: str) -> None:
    story.finish("a", outputs={"x": 1}).finish("a", state, error={"code": "exception", "message": "no"})
    assert dict(story.record.values) == {}
    assert story.record.errors["A"] == ErrorInfo(code=ErrorCode.EXCEPTION, message="no")


def test_an_input_that_is_given_null_is_not_one_that_was_taken_back(story: Story) -> None:
    story.finish("a").tell("live_changed", change="1", kind="value_changed", node="a", pin="x", value=None)
    assert story.record.nodes[NodeId("a")].inputs == {"x": None}
    story.tell("live_changed", change="2", kind="user_input", node="a", pin="x")
    assert story.record.nodes[NodeId("a")].inputs == {}


@pytest.mark.parametrize(
    ("event", "fields"),
    [
        ("run_started", {}),
        ("live_changed", {"kind": "graph_updated", "change": "1"}),
        ("live_changed", {"kind": "graph_reset", "change": "1"}),
        ("events_lost", {"first_seq": 1, "last_seq": 9}),
    ],
)
def test_what_events_do_not_tell_is_wanted_and_once(event: str, fields: dict[str, Any]) -> None:
    story = Story().present(0).tell(event, **fields)
    assert story.record.needs_present
    assert not story.present(1).record.needs_present


def test_the_present_that_is_ahead_waits_for_the_events_before_it(story: Story) -> None:
    story.present(3, one("b", outputs={"x": 2}))
    assert story.finish("a", outputs={"x": 1}).record.values == {"A": {"x": 1}}
    assert story.finish("b", outputs={"x": 2}).record.values == {"B": {"x": 2}}


def test_the_present_that_is_behind_is_asked_for_again(story: Story) -> None:
    story.finish("a", outputs={"x": 1}).present(1)
    assert (story.record.values, story.record.needs_present) == ({"A": {"x": 1}}, True)


def test_who_joins_learns_which_timers_are_set(story: Story) -> None:
    story.tell("live_changed", change="1", kind="timer_set", node="b", every_s=2.0)
    story.present(2, one("a", every_s=0.5), one("b"))
    assert story.record.timers == {"a": 0.5}


def test_nodes_are_in_the_order_in_which_they_are_told_and_keep_their_timings(story: Story) -> None:
    story.finish("a", duration_s=0.5).finish("b").present(3, one("b"), one("a"), one("c", NodeState.WAITING))
    assert list(story.record.nodes) == ["b", "a", "c"]
    assert story.record.nodes[NodeId("a")].duration_s == 0.5


@pytest.mark.parametrize(
    ("state", "is_paused", "has_settled"),
    [
        (NodeState.DONE, False, True),
        (NodeState.FAILED, False, True),
        (NodeState.READY, False, False),
        (NodeState.RUNNING, False, False),
        (NodeState.READY, True, True),
        (NodeState.RUNNING, True, False),
    ],
)
def test_who_has_lost_events_knows_from_the_present_whether_all_is_done(
    story: Story, state: NodeState, is_paused: bool, has_settled: bool
) -> None:
    story.tell("events_lost", first_seq=1, last_seq=2).present(2, one("a", state), is_paused=is_paused)
    assert (story.record.settled_seq == 2) == has_settled


def test_titles_that_several_nodes_have_name_none_of_them(story: Story) -> None:
    for node in ("a", "b"):
        story.tell("node_finished", node=node, title="Same", state="done", outputs={"x": node})
    assert list(story.record.values) == ["a", "b"]
    with pytest.raises(KeyError, match="2 nodes are called 'Same'"):
        story.record.values["Same"]
    for name in ("a", "Nobody"):
        with pytest.raises(KeyError):
            story.record.errors[name]


def test_an_event_of_a_newer_daemon_does_no_harm(story: Story) -> None:
    assert story.tell("node_dreamt", node="a").record.seq == 2
    assert story.finish("a", "levitating").record.states["A"] is NodeState.WAITING


def test_the_end_says_why(story: Story) -> None:
    story.tell("run_finished", state="failed", duration_s=1, error={"code": "environment", "message": "none"})
    assert (story.record.is_over, story.record.state) == (True, RunState.FAILED)
    assert story.record.error == ErrorInfo(code=ErrorCode.ENVIRONMENT, message="none")
