"""What a run amounts to, event by event."""

import pytest

from pyflowd_client.errors import ProtocolMismatch, RunFailed, run_exit_status
from pyflowd_client.protocol.codec import EventRecord
from pyflowd_client.protocol.errors import ErrorCode, ErrorInfo, ExitStatus
from pyflowd_client.protocol.events import NodeFinished, RunFinished, RunStarted
from pyflowd_client.protocol.ids import NodeId, RunId
from pyflowd_client.protocol.states import NodeState, RunState
from pyflowd_client.record import Outputs, RunRecord

RUN = RunId("r")


def failure(code: ErrorCode, title: str = "Bad") -> NodeFinished:
    error = ErrorInfo(code=code, message="it broke")
    return NodeFinished(run=RUN, seq=1, time=0.0, node=NodeId(title), title=title, state=NodeState.FAILED, error=error)


def test_outputs_are_found_by_id_and_by_a_title_that_nobody_shares() -> None:
    outputs = Outputs()
    outputs.add(NodeId("1"), "Report", {"text": "a"})
    outputs.add(NodeId("2"), "Twin", {"text": "b"})
    outputs.add(NodeId("3"), "Twin", {"text": "c"})
    assert outputs["Report"] is outputs["1"]
    assert dict(outputs) == {"Report": {"text": "a"}, "2": {"text": "b"}, "3": {"text": "c"}}
    assert len(outputs) == 3
    with pytest.raises(KeyError, match="2 nodes are called 'Twin'; use an id: 2, 3"):
        outputs["Twin"]
    with pytest.raises(KeyError, match="no finished node"):
        outputs["Nobody"]


def test_an_id_wins_over_the_same_word_as_a_title() -> None:
    outputs = Outputs()
    outputs.add(NodeId("a"), "b", {"n": 1})
    outputs.add(NodeId("b"), "c", {"n": 2})
    assert outputs["b"] == {"n": 2}
    assert dict(outputs) == {"a": {"n": 1}, "c": {"n": 2}}


def test_a_failed_run_raises_with_its_first_failure_and_how_many_more() -> None:
    record = RunRecord()
    record.add(RunStarted(run=RUN, seq=1, time=0.0, graph="g", nodes=2))
    record.add(failure(ErrorCode.EXCEPTION))
    record.add(failure(ErrorCode.EXITED, "Worse"))
    assert not record.is_over
    record.add(RunFinished(run=RUN, seq=4, time=0.0, state=RunState.FAILED, duration_s=0.1))
    with pytest.raises(RunFailed, match=r"Bad failed: it broke \(and 1 more\)") as caught:
        record.raise_unless_succeeded()
    assert [node.title for node in caught.value.failures] == ["Bad", "Worse"]


@pytest.mark.parametrize(
    ("state", "codes", "error", "status"),
    [
        (RunState.SUCCEEDED, [], None, ExitStatus.DONE),
        (RunState.FAILED, [ErrorCode.EXCEPTION], None, ExitStatus.NODE_FAILED),
        (RunState.FAILED, [ErrorCode.EXCEPTION, ErrorCode.TIME_LIMIT], None, ExitStatus.TIME_LIMIT),
        (RunState.FAILED, [], ErrorCode.BAD_GRAPH, ExitStatus.BAD_GRAPH),
        (RunState.FAILED, [], ErrorCode.ENVIRONMENT, ExitStatus.CONFIGURATION),
        (RunState.CANCELLED, [ErrorCode.EXCEPTION], None, ExitStatus.INTERRUPTED),
        (RunState.CANCELLED, [], ErrorCode.STOPPING, ExitStatus.BUSY),
        (RunState.INTERRUPTED, [], None, ExitStatus.INTERRUPTED),
    ],
)
def test_the_exit_status_follows_from_how_the_run_ended(
    state: RunState, codes: list[ErrorCode], error: ErrorCode | None, status: ExitStatus
) -> None:
    info = ErrorInfo(code=error, message="m") if error else None
    assert run_exit_status(state, tuple(failure(code) for code in codes), info) is status


def test_an_event_of_an_unknown_kind_is_passed_over_and_a_broken_one_is_not() -> None:
    record = RunRecord()
    assert record.take(EventRecord(RUN, 1, "", {"event": "node_dreamt", "run": "r", "seq": 1})) is None
    with pytest.raises(ProtocolMismatch, match="graph"):
        record.take(EventRecord(RUN, 2, "", {"event": "run_started", "run": "r", "seq": 2, "time": 0.0}))


def test_skimming_events_and_taking_them_amounts_to_the_same() -> None:
    def event(seq: int, name: str, **content: object) -> EventRecord:
        return EventRecord(RUN, seq, "", {"event": name, "run": "r", "seq": seq, "time": 0.0, **content})

    usage = {"duration_s": 0.1, "cpu_s": 0.1, "peak_memory_bytes": 1}
    error = {"code": "exception", "message": "it broke"}
    story = [
        event(1, "environment_progress", message="resolving"),
        event(2, "environment_ready", environment="e", python="/p", packages=2, duration_s=0.1),
        event(3, "run_started", graph="g", nodes=2, last=["b"]),
        event(4, "node_started", node="a", title="A"),
        event(5, "node_finished", node="a", title="A", state="done", outputs={"x": 1}, **usage),
        event(6, "node_finished", node="b", title="B", state="failed", error=error, **usage),
        event(7, "node_dreamt"),
        event(8, "run_finished", state="failed", duration_s=0.2),
    ]
    skimmed, taken = RunRecord(), RunRecord()
    for one in story:
        skimmed.skim(one)
        taken.take(one)
    for record in (skimmed, taken):
        assert (record.state, dict(record.outputs), record.last) == (RunState.FAILED, {"A": {"x": 1}}, ("b",))
        assert [failed.title for failed in record.failures] == ["B"]
    assert skimmed.titles == taken.titles
    with pytest.raises(ProtocolMismatch):
        RunRecord().skim(event(1, "node_finished", node=3, state="done"))
