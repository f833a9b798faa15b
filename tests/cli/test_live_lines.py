"""Lines of JSON and the changes of a live session that they ask for."""

from pathlib import Path
from typing import Any

import pytest

from pyflowd_client.cli.live_lines import SHAPES, BadLine, request_of
from pyflowd_client.conversation import Conversation
from pyflowd_client.live_handle import LiveHandle
from pyflowd_client.protocol.errors import ErrorCode
from pyflowd_client.protocol.ids import RunId
from pyflowd_client.protocol.limits import MAX_REQUEST_BYTES
from pyflowd_client.protocol.requests import UpdateLive
from pyflowd_client.protocol.states import ChangeKind, LiveAction

RUN = RunId("r")


@pytest.fixture
def live() -> LiveHandle:
    return LiveHandle(Conversation(), RUN, is_own=True)


@pytest.mark.parametrize(
    ("line", "fields"),
    [
        ('{"set_input": {"node": "A", "pin": "x", "value": null}, "id": "c"}', {"pin": "x", "value": "null"}),
        ('{"set_input": {"node": "A", "pin": "x", "value": true}, "id": "c"}', {"pin": "x", "value": "true"}),
        ('{"set_input": {"node": "A", "pin": "x"}, "id": "c"}', {"pin": "x"}),
        (
            '{"set_input": {"node": "A", "pin": "x", "value": 1, "kind": "user_input"}, "id": "c"}',
            {"pin": "x", "value": "1", "kind": ChangeKind.USER_INPUT},
        ),
        ('{"trigger": {"node": "A", "kind": "button_click"}, "id": "c"}', {"kind": ChangeKind.BUTTON_CLICK}),
        ('{"every": {"node": "A", "seconds": 2}, "id": "c"}', {"every_s": 2.0}),
        ('{"every": {"node": "A", "seconds": null}, "id": "c"}', {}),
    ],
)
def test_a_line_is_a_change_of_a_node(live: LiveHandle, line: str, fields: dict[str, Any]) -> None:
    [action] = [action for action in SHAPES if f'"{action}"' in line]
    expected = UpdateLive(run=RUN, action=LiveAction(action), change="c", node="A", **fields)
    assert request_of(live, line.encode()) == expected


@pytest.mark.parametrize("action", ["pause", "resume", "reset", "run_all"])
def test_a_line_is_a_change_of_the_session_with_a_name_of_its_own_or_a_number(live: LiveHandle, action: str) -> None:
    first, second = (request_of(live, f'{{"{action}": {{}}}}'.encode()) for _ in range(2))
    assert first.action == action
    assert first.change != second.change
    assert request_of(live, f'{{"id": 17, "{action}": {{}}}}'.encode()).change == "17"


def test_a_graph_comes_from_a_file_or_with_the_line(live: LiveHandle, tmp_path: Path) -> None:
    (tmp_path / "g.md").write_text("# G")
    read = request_of(live, f'{{"update_graph": {{"path": "{tmp_path}/g.md"}}}}'.encode())
    given = request_of(live, b'{"update_graph": {"document": "# H", "name": "h.md"}}')
    assert (read.document, read.name) == ("# G", "g.md")
    assert (given.document, given.name) == ("# H", "h.md")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("nonsense", "not JSON"),
        ("[1]", "a change is an object"),
        ("{}", "one key"),
        ('{"pause": {}, "resume": {}}', "one key"),
        ('{"levitate": {}}', "unknown change `levitate`; known are: set_input"),
        ('{"pause": []}', "`pause` has an object beside it"),
        ('{"pause": {"node": "A"}}', "unknown field `node` of `pause`; known are: none"),
        ('{"trigger": {}}', "`trigger` needs `node`"),
        ('{"trigger": {"node": 1}}', "`node` of `trigger` has a value of another type"),
        ('{"trigger": {"node": "A", "kind": "whim"}}', "`kind` must be one of: button_click"),
        ('{"every": {"node": "A", "seconds": true}}', "`seconds` of `every`"),
        ('{"set_input": {"node": "A", "value": 1}}', "`set_input` needs `pin`"),
        ('{"update_graph": {}}', "`path` or `document`"),
        ('{"update_graph": {"path": "a", "document": "b"}}', "`path` or `document`"),
        ('{"update_graph": {"path": "/no/such/graph.md"}}', "cannot read /no/such/graph.md"),
        ('{"pause": {}, "id": [1]}', "`id` must be a text or an integer"),
        ('{"set_input": {"node": "A", "pin": "x", "value": ' + "9" * 5000 + "}}", "cannot be read"),
        ("[" * 100_000, "cannot be read"),
        ('"' + "x" * MAX_REQUEST_BYTES + '"', "a line may have"),
    ],
    ids=lambda text: text[:40],
)
def test_a_line_that_is_no_change_is_answered_with_what_would_be_right(
    live: LiveHandle, line: str, message: str
) -> None:
    with pytest.raises(BadLine) as bad:
        request_of(live, line.encode())
    assert message in str(bad.value)


def test_what_is_wrong_is_told_with_the_id_of_the_line(live: LiveHandle) -> None:
    with pytest.raises(BadLine) as bad:
        request_of(live, b'{"id": "mine", "trigger": {}}')
    assert (bad.value.change, bad.value.code) == ("mine", ErrorCode.BAD_INPUT)
