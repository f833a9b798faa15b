"""The conversation alone: bytes in, replies and events out, whatever order the bytes come in."""

from collections import deque
from collections.abc import Callable

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyflowd_client.conversation import ACK_EVENTS, Conversation
from pyflowd_client.errors import ProtocolMismatch, Refused, RequestUnsendable
from pyflowd_client.protocol import daemon_codec, events, replies, requests
from pyflowd_client.protocol.errors import ErrorCode, ErrorInfo
from pyflowd_client.protocol.ids import NodeId, RunId
from pyflowd_client.protocol.limits import MAX_REQUEST_BYTES, WINDOW_BYTES
from pyflowd_client.protocol.states import RunState

RUN = RunId("r1")


def output(seq: int, text: str = "x", run: RunId = RUN) -> bytes:
    event = events.NodeOutput(run=run, seq=seq, time=0.0, node=NodeId("n"), stream="stdout", text=text)
    return orjson.dumps(daemon_codec.event_to_wire(event))


def finished(seq: int, run: RunId = RUN) -> bytes:
    event = events.RunFinished(run=run, seq=seq, time=0.0, state=RunState.SUCCEEDED, duration_s=0.0)
    return orjson.dumps(daemon_codec.event_to_wire(event))


def told(*encoded: bytes) -> bytes:
    return daemon_codec.encode_events(list(encoded))


def submitted() -> Conversation:
    """A conversation that follows RUN, with nothing left to send."""
    conversation = Conversation()
    request_id = conversation.ask(requests.SubmitRun(document="d"))
    conversation.receive(daemon_codec.encode_reply(request_id, replies.RunAccepted(run=RUN)))
    assert conversation.reply(request_id) == replies.RunAccepted(run=RUN)
    conversation.outgoing.clear()
    return conversation


def sent(conversation: Conversation) -> list[bytes]:
    """What is to be sent, once."""
    messages = list(conversation.outgoing)
    conversation.outgoing.clear()
    return messages


def asked(conversation: Conversation) -> list[requests.Request]:
    return [daemon_codec.decode_request(message)[1] for message in sent(conversation)]


def taken(conversation: Conversation, run: RunId = RUN) -> list[int]:
    seqs = []
    while conversation.is_following(run) and (record := conversation.next_event(run)) is not None:
        seqs.append(record.seq)
    return seqs


def test_replies_find_their_requests_in_any_order() -> None:
    conversation = Conversation()
    first, second = conversation.ask(requests.GetStatus()), conversation.ask(requests.Goodbye())
    conversation.receive(daemon_codec.encode_reply(second, replies.Done()))
    assert conversation.reply(first) is None
    assert conversation.reply(second) == replies.Done()
    assert conversation.reply(second) is None


def test_a_refusal_is_raised_with_its_code() -> None:
    conversation = Conversation()
    request_id = conversation.ask(requests.CancelRun(run=RUN))
    error = ErrorInfo(code=ErrorCode.UNKNOWN_RUN, message="no such run")
    conversation.receive(daemon_codec.encode_reply(request_id, replies.Refused(error=error)))
    with pytest.raises(Refused, match="no such run") as caught:
        conversation.reply(request_id)
    assert caught.value.code is ErrorCode.UNKNOWN_RUN


@pytest.mark.parametrize(
    "reply",
    [
        replies.Welcome(protocol=99, version="9", pid=1),
        replies.Refused(error=ErrorInfo(code=ErrorCode.PROTOCOL_VERSION, message="too old")),
    ],
)
def test_a_daemon_without_a_common_version_is_a_mismatch(reply: replies.Reply) -> None:
    conversation = Conversation()
    request_id = conversation.greet("test")
    with pytest.raises(ProtocolMismatch):  # noqa: PT012 - whichever of the two notices
        conversation.receive(daemon_codec.encode_reply(request_id, reply))
        conversation.reply(request_id)


@pytest.mark.parametrize(
    "data", [b"", b"\xff", b"[]", b'{"reply":"dance","id":1}', b'{"events":[{"seq":1}]}', b'{"events":[7]}']
)
def test_nonsense_is_a_mismatch(data: bytes) -> None:
    with pytest.raises(ProtocolMismatch):
        Conversation().receive(data)


def test_an_answer_to_nothing_is_a_mismatch_that_says_why() -> None:
    error = ErrorInfo(code=ErrorCode.BAD_MESSAGE, message="not JSON at all")
    with pytest.raises(ProtocolMismatch, match="not JSON at all"):
        Conversation().receive(daemon_codec.encode_reply(None, replies.Refused(error=error)))


def test_a_request_that_is_too_large_is_not_sent() -> None:
    conversation = Conversation()
    with pytest.raises(RequestUnsendable, match="bytes"):
        conversation.ask(requests.SubmitRun(document="x" * MAX_REQUEST_BYTES))
    assert not conversation.outgoing


def test_text_that_is_no_unicode_is_not_sent() -> None:
    with pytest.raises(RequestUnsendable, match="submit_run"):
        Conversation().ask(requests.SubmitRun(document="\ud800"))


def test_events_of_a_run_nobody_follows_are_dropped() -> None:
    conversation = submitted()
    other = RunId("other")
    conversation.receive(told(output(1, run=other), output(1)))
    assert taken(conversation) == [1]
    assert not conversation.is_following(other)


def test_a_gap_is_asked_for_once_and_what_comes_twice_is_dropped() -> None:
    conversation = submitted()
    conversation.receive(told(output(1), output(3), output(4)))
    conversation.receive(told(output(5)))
    assert asked(conversation) == [requests.FollowRun(run=RUN, from_seq=2)]
    conversation.receive(
        daemon_codec.encode_reply(2, replies.Following(run=RUN, state=RunState.RUNNING, first_seq=1, last_seq=6))
    )
    conversation.receive(told(output(1), output(2), output(3), output(3), output(4)))
    conversation.receive(told(output(5), finished(6)))
    assert taken(conversation) == [1, 2, 3, 4, 5, 6]
    assert asked(conversation) == []


def test_lost_events_close_the_gap_they_explain() -> None:
    conversation = submitted()
    lost = events.EventsLost(run=RUN, seq=9, time=0.0, first_seq=2, last_seq=9)
    conversation.receive(told(output(1), orjson.dumps(daemon_codec.event_to_wire(lost)), output(10), finished(11)))
    assert taken(conversation) == [1, 9, 10, 11]
    assert asked(conversation) == []


def test_a_gap_that_cannot_be_filled_is_an_error_after_what_came_before_it() -> None:
    conversation = submitted()
    conversation.receive(told(output(1), output(3)))
    error = ErrorInfo(code=ErrorCode.UNKNOWN_RUN, message="forgotten")
    conversation.receive(daemon_codec.encode_reply(2, replies.Refused(error=error)))
    first = conversation.next_event(RUN)
    assert first is not None
    assert first.seq == 1
    with pytest.raises(Refused, match="forgotten"):
        conversation.next_event(RUN)


def test_events_are_acknowledged_when_they_are_taken_not_when_they_arrive() -> None:
    conversation = submitted()
    conversation.receive(told(*(output(seq) for seq in range(1, ACK_EVENTS + 1))))
    assert asked(conversation) == []
    taken(conversation)
    assert asked(conversation) == [requests.Ack(run=RUN, seq=ACK_EVENTS)]


@pytest.mark.parametrize("character", ["a", "\u20ac", "\U0001f600"])
def test_large_events_are_acknowledged_before_they_fill_the_window(character: str) -> None:
    conversation = submitted()
    conversation.receive(told(output(1, character * (WINDOW_BYTES // len(character.encode()) // 2))))
    taken(conversation)
    assert asked(conversation) == [requests.Ack(run=RUN, seq=1)]


def test_the_end_of_a_run_ends_the_following() -> None:
    conversation = submitted()
    conversation.receive(told(finished(1)))
    assert taken(conversation) == [1]
    assert not conversation.is_following(RUN)


class Network:
    """A daemon that tells one run over a line that drops, repeats and delays what it is told to."""

    def __init__(self, length: int) -> None:
        self.told = [output(seq) for seq in range(1, length)] + [finished(length)]
        self.on_the_way: deque[bytes] = deque()

    def send_from(self, seq: int, sizes: list[int]) -> None:
        """Events from `seq` on, in messages of these sizes and the rest in one."""
        start = seq - 1
        for size in [*sizes, len(self.told)]:
            if start < len(self.told):
                self.on_the_way.append(told(*self.told[start : start + size]))
                start += size

    def answer(self, conversation: Conversation, sizes: list[int]) -> None:
        """Carry out what the conversation asks."""
        for message in sent(conversation):
            request_id, request = daemon_codec.decode_request(message)
            if isinstance(request, requests.FollowRun):
                following = replies.Following(run=RUN, state=RunState.RUNNING, first_seq=1, last_seq=len(self.told))
                self.on_the_way.append(daemon_codec.encode_reply(request_id, following))
                self.send_from(request.from_seq, sizes)


Fate = Callable[[deque[bytes]], None]


def deliver(line: deque[bytes]) -> None:
    """Nothing happens to the message."""


def drop(line: deque[bytes]) -> None:
    """A message of events is lost, unless it is the last one."""
    if len(line) > 1 and line[0].startswith(b'{"events"'):
        line.popleft()


def repeat(line: deque[bytes]) -> None:
    """A message of events comes twice."""
    if line[0].startswith(b'{"events"'):
        line.appendleft(line[0])


def delay(line: deque[bytes]) -> None:
    """A message of events comes after the next one."""
    if len(line) > 1 and line[0].startswith(b'{"events"'):
        line[0], line[1] = line[1], line[0]


@given(
    length=st.integers(1, 30),
    sizes=st.lists(st.integers(1, 5), max_size=8),
    fates=st.lists(st.sampled_from([deliver, drop, repeat, delay]), max_size=40),
)
def test_over_a_bad_line_every_event_is_taken_once_and_in_order(
    length: int, sizes: list[int], fates: list[Fate]
) -> None:
    conversation, network, seqs = submitted(), Network(length), []
    network.send_from(1, sizes)
    pending = iter(fates)
    while network.on_the_way:
        next(pending, deliver)(network.on_the_way)
        conversation.receive(network.on_the_way.popleft())
        seqs += taken(conversation)
        network.answer(conversation, sizes)
    assert seqs == list(range(1, length + 1))


def present(request_id: int, last_seq: int) -> bytes:
    reply = replies.LiveFollowing(
        run=RUN, state=RunState.RUNNING, last_seq=last_seq, graph="g", isolation="fresh", is_paused=False
    )
    return daemon_codec.encode_reply(request_id, reply)


def test_who_joins_a_live_session_has_the_events_after_the_present() -> None:
    conversation = Conversation()
    conversation.receive(present(conversation.follow_live(RUN), 7))
    conversation.receive(told(output(8), output(9)))
    assert taken(conversation) == [8, 9]
    assert len(asked(conversation)) == 1


def test_who_follows_a_live_session_loses_nothing_by_asking_how_it_is() -> None:
    conversation = submitted()
    conversation.receive(told(output(1)))
    request_id = conversation.follow_live(RUN)
    conversation.receive(told(output(2)))
    conversation.receive(present(request_id, 4))  # the daemon had not sent all yet
    assert asked(conversation)[-1] == requests.FollowRun(run=RUN, from_seq=3)
    conversation.receive(told(output(5)))
    conversation.receive(
        daemon_codec.encode_reply(
            request_id + 1, replies.Following(run=RUN, state=RunState.RUNNING, first_seq=1, last_seq=5)
        )
    )
    conversation.receive(told(output(3), output(4), output(5)))
    assert taken(conversation) == [1, 2, 3, 4, 5]


def test_who_leaves_a_run_has_no_more_of_its_events_and_a_refused_one_is_not_followed() -> None:
    conversation = submitted()
    conversation.leave(RUN)
    conversation.receive(told(output(1)))
    assert not conversation.is_following(RUN)
    refusal = replies.Refused(error=ErrorInfo(code=ErrorCode.UNKNOWN_RUN, message="no"))
    conversation.receive(daemon_codec.encode_reply(conversation.follow_live(RUN), refusal))
    assert not conversation.is_following(RUN)
