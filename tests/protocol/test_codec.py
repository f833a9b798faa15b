"""Reading: requests strictly, replies and events leniently, values as Python's JSON has them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyflowd_client.protocol import codec, daemon_codec, events, replies, requests
from pyflowd_client.protocol.codec import EventRecord, ProtocolError
from pyflowd_client.protocol.ids import NodeId, RunId
from pyflowd_client.protocol.options import NO_CHOICE, EnvironmentChoice
from pyflowd_client.protocol.states import NodeState

SUBMIT = {"request": "submit_run", "id": 3, "document": "d"}


def refusal(message: object) -> ProtocolError:
    with pytest.raises(ProtocolError) as caught:
        daemon_codec.decode_request(json.dumps(message).encode())
    return caught.value


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"document": None}, "`document`: must be str"),
        ({"document": 1}, "`document`: must be str, not int"),
        ({"permission": "all"}, "unknown field: permission"),
        ({"inputs": {"a.b": 1}}, "`inputs`: must be str"),
        ({"inputs": []}, "`inputs`: must be an object"),
        ({"options": {"seed": True}}, "`options`: field `seed`: must be int, not bool"),
        ({"options": {"network": True}}, "`options`: unknown field: network"),
        ({"environment": "science"}, "`environment`: must be an object, not str"),
        ({"environment": {"requirements": ["a", 1]}}, "`environment`: field `requirements`: must be str, not int"),
        ({"selection": {"targets": "a"}}, "`selection`: field `targets`: must be a list"),
        ({"selection": {"only": [1]}}, "`selection`: field `only`: must be str, not int"),
        ({"selection": {"above": []}}, "`selection`: unknown field: above"),
        ({"origin": 1}, "`origin`: must be str, not int"),
        ({"environment": {"index": "u"}}, "`environment`: unknown field: index"),
    ],
)
def test_a_field_that_does_not_fit_is_named_and_the_request_can_be_answered(change: dict[str, Any], words: str) -> None:
    error = refusal(SUBMIT | change)
    assert words in str(error)
    assert error.request_id == 3


def test_a_missing_field_is_named() -> None:
    assert "`document` is missing" in str(refusal({"request": "submit_run", "id": 3}))


def test_a_whole_number_is_good_where_a_fraction_may_be() -> None:
    _, request = daemon_codec.decode_request(json.dumps(SUBMIT | {"options": {"timeout_s": 2}}).encode())
    assert isinstance(request, requests.SubmitRun)
    assert request.options.timeout_s == 2.0


def test_null_means_no_limit_and_nothing_means_the_default() -> None:
    _, limited = daemon_codec.decode_request(json.dumps(SUBMIT | {"options": {}}).encode())
    _, unlimited = daemon_codec.decode_request(json.dumps(SUBMIT | {"options": {"max_value_bytes": None}}).encode())
    assert isinstance(limited, requests.SubmitRun)
    assert isinstance(unlimited, requests.SubmitRun)
    assert (limited.options.max_value_bytes, unlimited.options.max_value_bytes) == (1_000_000, None)


@pytest.mark.parametrize(
    ("choice", "wire"),
    [
        (NO_CHOICE, None),
        (EnvironmentChoice(requirements=()), None),
        (EnvironmentChoice(name="science"), {"name": "science"}),
        (EnvironmentChoice(requirements=("a", "b>=2")), {"requirements": ["a", "b>=2"]}),
        (EnvironmentChoice(allow_builds=True), {"allow_builds": True}),
    ],
)
def test_of_a_choice_of_environment_only_what_was_chosen_travels(
    choice: EnvironmentChoice, wire: dict[str, Any] | None
) -> None:
    for kind in (requests.SubmitRun, requests.CheckGraph):
        request = kind(document="d", environment=choice)
        written = codec.encode_request(3, request)
        assert json.loads(written).get("environment") == wire
        assert daemon_codec.decode_request(written) == (3, request)


def test_messages_in_messages_come_back_as_what_they_were() -> None:
    server = replies.ForkServer(
        state="warm",
        preloaded=(replies.Preloaded(module="numpy", seconds=0.1), replies.Preloaded(module="json", seconds=0.0)),
        not_preloaded=(replies.NotPreloaded(module="this", reason="it printed"),),
    )
    reply = replies.EnvironmentShown(
        environment=replies.EnvironmentSummary(id="a", kind="named", python="/p", requirements=("numpy",)),
        packages=(replies.Package(name="numpy", version="2"),),
        fork_servers=(server, replies.ForkServer(state="cold")),
    )
    assert codec.decode_from_daemon(daemon_codec.encode_reply(1, reply)) == (1, reply)


def read(text: str) -> list[EventRecord]:
    records = codec.decode_from_daemon(text.encode())
    assert isinstance(records, list)
    return records


def test_what_a_newer_daemon_adds_to_an_event_does_no_harm() -> None:
    (record,) = read(
        '{"events":[{"event":"run_started","run":"r","seq":1,"time":1,"graph":"g","nodes":1,"mood":"good"}]}'
    )
    assert record.decode() == events.RunStarted(run=RunId("r"), seq=1, time=1.0, graph="g", nodes=1)


def test_a_message_of_events_may_be_written_with_blanks() -> None:
    first, second = read(' { "events" : [ {"run":"r","seq":1} ,\n {"run" : "r", "seq" : 2} ] } ')
    assert (first.text, second.text) == ('{"run":"r","seq":1}', '{"run" : "r", "seq" : 2}')


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(codec="utf-8")),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters(codec="utf-8")), inner),
    max_leaves=10,
)


@given(values=st.lists(json_values, min_size=1, max_size=4))
def test_each_event_keeps_its_own_text_and_its_values_to_the_last_bit(values: list[object]) -> None:
    texts = [
        json.dumps({"event": "node_finished", "run": "r", "seq": seq, "time": 0.5, "node": "n", "title": "N",
                    "state": "done", "outputs": {"value": value}}, ensure_ascii=False)
        for seq, value in enumerate(values, 1)
    ]  # fmt: skip
    records = read(daemon_codec.encode_events([text.encode() for text in texts]).decode())
    assert [record.text for record in records] == texts
    for record, value in zip(records, values, strict=True):
        event = record.decode()
        assert isinstance(event, events.NodeFinished)
        assert repr(event.outputs["value"]) == repr(value)


def test_fields_without_a_value_do_not_travel() -> None:
    event = events.NodeFinished(run=RunId("r"), seq=1, time=0.0, node=NodeId("n"), title="N", state=NodeState.DONE)
    assert "error" not in daemon_codec.event_to_wire(event)
