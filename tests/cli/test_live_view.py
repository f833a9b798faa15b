"""What a terminal shows of a session, as lines of text."""

import io
import time

import pytest
from rich.console import Console

from pyflowd_client.cli.live_view import LiveView
from pyflowd_client.live_record import LiveNodeRecord, LiveRecord
from pyflowd_client.protocol.errors import ErrorCode, ErrorInfo
from pyflowd_client.protocol.ids import NodeId
from pyflowd_client.protocol.states import NodeState


def record_of(count: int) -> LiveRecord:
    record = LiveRecord()
    for number in range(1, count + 1):
        node = record.nodes[NodeId(f"n{number}")] = LiveNodeRecord(f"Node {number}")
        node.state, node.outputs, node.duration_s = NodeState.DONE, {"x": number}, 0.0123
    return record


def shown(view: LiveView, width: int = 80, height: int = 24) -> list[str]:
    stream = io.StringIO()
    Console(file=stream, width=width, height=height, color_system=None).print(view.render(width, height))
    return [line.rstrip() for line in stream.getvalue().splitlines()]


@pytest.mark.parametrize("count", [0, 1, 5, 200])
@pytest.mark.parametrize(("width", "height"), [(80, 24), (200, 60), (40, 10), (20, 5)])
def test_the_screen_holds_it_whatever_there_is_to_show(count: int, width: int, height: int) -> None:
    view = LiveView(record_of(count), "run-1")
    for line in range(50):
        view.log("\u4e2d\u6587", f"line {line} " + "\u4e2d" * 100)
    view.warning = "w" * 300
    for rows in (0, 7, 500, -500):
        view.move(rows)
        lines = shown(view, width, height)
        assert len(lines) <= max(height, 5)
        assert max(map(len, lines)) <= width


def test_a_row_tells_of_state_time_and_values() -> None:
    assert shown(LiveView(record_of(2), "run-1"))[2:4] == [
        ">1 Node 1                       done      12.3 ms  x = 1",
        " 2 Node 2                       done      12.3 ms  x = 2",
    ]


def test_what_went_wrong_shows_at_its_node_and_how_far_it_is() -> None:
    record = record_of(2)
    first, second = record.nodes.values()
    first.state, first.error = NodeState.FAILED, ErrorInfo(code=ErrorCode.EXCEPTION, message="no\x1b[2J\nluck")
    second.state, second.fraction, second.message, second.started = NodeState.RUNNING, 0.25, "a quarter", time.time()
    rows = shown(LiveView(record, "run-1"))[2:4]
    assert rows[0].endswith("failed    12.3 ms  no?[2J?luck")
    assert rows[1].endswith("running   0 s      25% a quarter")


def test_a_number_chooses_a_node_that_is_then_in_sight() -> None:
    view = LiveView(record_of(200), "run-1")
    for digit in "150":
        view.type(digit)
    assert view.node == "n150"
    assert any(line.startswith(">150 ") for line in shown(view))
    view.type("3")  # there is no node 1503
    assert view.node == "n3"
    assert any(line.startswith(">3 ") for line in shown(view))
    view.type("0")
    view.type("0")  # nor 300
    assert view.node == "n30"


def test_what_nodes_write_cannot_move_the_cursor() -> None:
    view = LiveView(record_of(1), "run-1")
    view.log("Title\x1b[2J", "red\x1b[31m\ttext\nsecond\n")
    assert shown(view)[3:5] == ["Title?[2J | red?[31m    text", "Title?[2J | second"]


def test_a_value_that_was_given_anew_is_shown() -> None:
    record = record_of(1)
    view = LiveView(record, "run-1")
    shown(view)
    record.nodes[NodeId("n1")].outputs = {"x": "new", "y": {"$value": {"type": "list", "size_bytes": 2_000_000}}}
    assert 'x = "new", y = (list, 2 MB' in shown(view)[2]
