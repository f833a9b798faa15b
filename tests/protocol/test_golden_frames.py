"""Frames of protocol 1, recorded once: as long as that version is spoken they must be read, and written, like this.

A frame that does not fit any more is not to be recorded anew; the protocol needs a new version.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from pyflowd_client.protocol import codec, daemon_codec
from pyflowd_client.protocol.errors import ErrorCode
from pyflowd_client.protocol.events import EVENTS
from pyflowd_client.protocol.replies import REPLIES
from pyflowd_client.protocol.requests import REQUESTS
from pyflowd_client.protocol.states import FINAL_NODE_STATES, RunState

FOLDER = Path(__file__).with_name("golden")


def frames(name: str) -> list[dict[str, Any]]:
    recorded: list[dict[str, Any]] = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return recorded


def is_part_of(part: dict[str, Any], whole: dict[str, Any]) -> bool:
    """Whether all that `part` says is said in `whole`."""
    return all(
        is_part_of(value, whole[name]) if isinstance(value, dict) else value == whole[name]
        for name, value in part.items()
    )


def encoded(frame: dict[str, Any]) -> bytes:
    return json.dumps(frame).encode()


@pytest.mark.parametrize("frame", frames("requests"), ids=lambda frame: frame["request"])
def test_requests_are_read_as_ever_and_written_without_their_defaults(frame: dict[str, Any]) -> None:
    request_id, request = daemon_codec.decode_request(encoded(frame))
    written = codec.encode_request(request_id, request)
    assert daemon_codec.decode_request(written) == (request_id, request)
    assert is_part_of(json.loads(written), frame)


@pytest.mark.parametrize("frame", frames("replies"), ids=lambda frame: frame["reply"])
def test_replies_are_read_and_written_as_ever(frame: dict[str, Any]) -> None:
    decoded = codec.decode_from_daemon(encoded(frame))
    assert isinstance(decoded, tuple)
    assert json.loads(daemon_codec.encode_reply(*decoded)) == frame


@pytest.mark.parametrize("frame", frames("events"), ids=lambda frame: frame["event"])
def test_events_are_read_and_written_as_ever(frame: dict[str, Any]) -> None:
    (record,) = codec.decode_from_daemon(encoded({"events": [frame]}))
    event = record.decode()
    assert event is not None
    assert daemon_codec.event_to_wire(event) == frame
    given = {name: value for name, value in vars(event).items() if value != event.DEFAULTS.get(name)}
    assert list(daemon_codec.content_to_wire(type(event), given).items()) == list(
        daemon_codec.event_to_wire(event).items()
    )
    assert list(daemon_codec.event_to_wire(event).get("outputs", {})) == list(frame.get("outputs", {}))


def test_every_message_is_recorded() -> None:
    assert {frame["request"] for frame in frames("requests")} == set(REQUESTS)
    assert {frame["reply"] for frame in frames("replies")} == set(REPLIES)
    assert {frame["event"] for frame in frames("events")} == set(EVENTS)


def test_every_field_state_and_error_code_is_recorded() -> None:
    for recorded, name, kinds in (
        ("requests", "request", REQUESTS),
        ("replies", "reply", REPLIES),
        ("events", "event", EVENTS),
    ):
        for frame_name, kind in kinds.items():
            seen = {key for frame in frames(recorded) if frame[name] == frame_name for key in frame}
            assert set(kind.FIELDS) <= seen, frame_name
    finished = [frame["state"] for frame in frames("events") if frame["event"] == "node_finished"]
    assert set(finished) == set(FINAL_NODE_STATES)
    assert {frame["state"] for frame in frames("replies") if frame["reply"] == "following"} == set(RunState)
    refusals = [frame["error"]["code"] for frame in frames("replies") if frame["reply"] == "refused"]
    assert set(refusals) == set(ErrorCode)
