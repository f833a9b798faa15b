"""What a client says and hears, without a socket: bytes in, replies and events out; requests in, bytes out.

Replies are paired with requests by id. The events of each run wait in a queue, in order and without gaps: an event
that comes twice is dropped, and one that comes too early makes the conversation ask for the run again from where
the gap begins. An event is acknowledged when it is taken, not when it arrives: who follows two runs and reads one
holds a window of the other, never all of it.

It refuses to wait, to retry and to know what the events mean.
"""

from collections import deque
from collections.abc import Callable
from typing import Any

from pyflowd_client.errors import ProtocolMismatch, Refused, RequestUnsendable
from pyflowd_client.protocol.codec import EventRecord, ProtocolError, decode_from_daemon, encode_request
from pyflowd_client.protocol.errors import ErrorCode, ErrorInfo
from pyflowd_client.protocol.events import EventsLost, RunFinished
from pyflowd_client.protocol.ids import RunId
from pyflowd_client.protocol.limits import MAX_REQUEST_BYTES, WINDOW_BYTES
from pyflowd_client.protocol.replies import LiveFollowing, Reply, RunAccepted, Welcome
from pyflowd_client.protocol.replies import Refused as RefusedReply
from pyflowd_client.protocol.requests import (
    Ack,
    ChangeEnvironment,
    FollowLive,
    FollowRun,
    Hello,
    OpenLive,
    Request,
    SubmitRun,
)
from pyflowd_client.protocol.version import OLDEST_PROTOCOL_VERSION, PROTOCOL_VERSION

ACK_CHARACTERS = WINDOW_BYTES // 8  # of four bytes at most: half a window
ACK_EVENTS = 200
_NOT_YET = 2**63  # a sequence number that no event has


class _Followed:
    """One run: the events not yet taken, and what is needed to keep them whole."""

    __slots__ = ("follow_id", "next_seq", "refusal", "taken_characters", "taken_events", "waiting")

    def __init__(self, next_seq: int, follow_id: int | None = None) -> None:
        self.waiting: deque[EventRecord] = deque()
        self.next_seq = next_seq
        self.follow_id = follow_id  # of the follow_run under way, before whose reply a gap means nothing
        self.refusal: ErrorInfo | None = None
        self.taken_events = self.taken_characters = 0  # since the last ack


class Conversation:
    """One session with a daemon. Send what is in `outgoing`, hand in what arrives, then look for what you wait for."""

    def __init__(self) -> None:
        self._last_id = 0
        self._pending: dict[int, Request] = {}
        self._replies: dict[int, Reply] = {}
        self._followed: dict[RunId, _Followed] = {}
        self._repairs: set[int] = set()
        self.outgoing: deque[bytes] = deque()  # the messages to send now, in order; who sends one takes it out

    def greet(self, client: str) -> int:
        """Say hello, first of all; the reply is a Welcome."""
        return self.ask(Hello(oldest_protocol=OLDEST_PROTOCOL_VERSION, protocol=PROTOCOL_VERSION, client=client))

    def ask(self, request: Request) -> int:
        """Put a request on its way; its reply will be found under the id returned."""
        self._last_id += 1
        try:
            data = encode_request(self._last_id, request)
        except (TypeError, ValueError, RecursionError) as error:
            raise RequestUnsendable(f"{request.NAME} cannot be sent: {error}.") from None
        if len(data) > MAX_REQUEST_BYTES:
            raise RequestUnsendable(f"{request.NAME} has {len(data)} bytes; a request may have {MAX_REQUEST_BYTES}.")
        if type(request) is not Ack:
            self._pending[self._last_id] = request
        self.outgoing.append(data)
        return self._last_id

    def follow(self, run: RunId, from_seq: int) -> int:
        """Ask for the events of a run from `from_seq` on, forgetting those that wait."""
        request_id = self.ask(FollowRun(run=run, from_seq=from_seq))
        self._followed[run] = _Followed(from_seq, request_id)
        return request_id

    def follow_live(self, run: RunId) -> int:
        """Ask how a live session is; the reply is a LiveFollowing.

        Who does not follow it yet has its events from then on. Who does loses none of them: the reply tells of the
        session after its `last_seq`, which can be ahead of the events that still wait.
        """
        request_id = self.ask(FollowLive(run=run))
        if run not in self._followed:
            self._followed[run] = _Followed(_NOT_YET, request_id)
        return request_id

    def leave(self, run: RunId) -> None:
        """Take no more events of a run; those that still come are dropped."""
        self._followed.pop(run, None)

    def receive(self, data: bytes) -> None:
        """One message from the daemon; ProtocolMismatch when it makes no sense."""
        try:
            message = decode_from_daemon(data)
        except ProtocolError as error:
            raise ProtocolMismatch(f"cannot understand the daemon: {error}.") from None
        if isinstance(message, list):
            for record in message:
                followed = self._followed.get(record.run)
                if followed is not None and record.seq == followed.next_seq:
                    followed.next_seq += 1
                    followed.waiting.append(record)
                elif followed is not None and record.seq > followed.next_seq:
                    self._take_early(record, followed)
        else:
            self._pair(*message)

    def reply(self, request_id: int) -> Reply | None:
        """The reply to a request, once; None while there is none. Refused when the daemon would not."""
        reply = self._replies.pop(request_id, None)
        if isinstance(reply, RefusedReply):
            if reply.error.code is ErrorCode.PROTOCOL_VERSION:
                raise ProtocolMismatch(reply.error.message)
            raise Refused(reply.error)
        return reply

    def next_event(self, run: RunId) -> EventRecord | None:
        """The run's next event, once; None while there is none. Refused when the rest cannot be had."""
        followed = self._followed[run]
        if not followed.waiting:
            if followed.refusal is not None:
                raise Refused(followed.refusal)
            return None
        record = followed.waiting.popleft()
        if record.wire.get("event") == RunFinished.NAME:
            del self._followed[run]
        else:
            followed.taken_events += 1
            followed.taken_characters += len(record.text)
            if followed.taken_events >= ACK_EVENTS or followed.taken_characters >= ACK_CHARACTERS:
                followed.taken_events = followed.taken_characters = 0
                self.ask(Ack(run=record.run, seq=record.seq))
        return record

    def has_waiting(self, run: RunId, names: frozenset[str]) -> bool:
        """Whether an event with one of these names waits to be taken."""
        followed = self._followed.get(run)
        return followed is not None and any(record.wire.get("event") in names for record in followed.waiting)

    def is_following(self, run: RunId) -> bool:
        """Whether more events of the run can come."""
        return run in self._followed

    def _take_early(self, record: EventRecord, followed: _Followed) -> None:
        """An event that comes too early, unless it says that those before it are lost."""
        if not _explains_gap(record, followed.next_seq):
            self._repair(record.run, followed)
            return
        followed.next_seq = record.seq + 1
        followed.waiting.append(record)

    def _repair(self, run: RunId, followed: _Followed) -> None:
        if followed.follow_id is None and followed.refusal is None:
            followed.follow_id = self.ask(FollowRun(run=run, from_seq=followed.next_seq))
            self._repairs.add(followed.follow_id)

    def _pair(self, request_id: int | None, reply: Reply) -> None:
        request = self._pending.pop(request_id, None) if request_id is not None else None
        if request_id is None or request is None:
            detail = f": {reply.error.message}" if isinstance(reply, RefusedReply) else ""
            raise ProtocolMismatch(f"the daemon answered a request that was not made{detail}.")
        settle = _SETTLERS.get(type(request))
        if settle is not None:
            settle(self, request_id, request, reply)
        if request_id in self._repairs:
            self._repairs.remove(request_id)
        else:
            self._replies[request_id] = reply

    def _settle_hello(self, request_id: int, request: Hello, reply: Reply) -> None:
        if isinstance(reply, Welcome) and not OLDEST_PROTOCOL_VERSION <= reply.protocol <= PROTOCOL_VERSION:
            raise ProtocolMismatch(f"the daemon chose protocol {reply.protocol}, which this client did not offer.")

    def _settle_run(self, request_id: int, request: Request, reply: Reply) -> None:
        if isinstance(reply, RunAccepted):
            self._followed[reply.run] = _Followed(1)

    def _settle_follow(self, request_id: int, request: FollowRun, reply: Reply) -> None:
        followed = self._followed.get(request.run)
        if followed is None or followed.follow_id != request_id:
            return
        followed.follow_id = None
        if isinstance(reply, RefusedReply):
            followed.refusal = reply.error

    def _settle_follow_live(self, request_id: int, request: FollowLive, reply: Reply) -> None:
        run = request.run
        followed = self._followed.get(run)
        if followed is None:
            return
        if followed.follow_id == request_id:  # the first that is heard of it
            followed.follow_id = None
            if isinstance(reply, LiveFollowing):
                followed.next_seq = reply.last_seq + 1
            else:
                del self._followed[run]
        elif isinstance(reply, LiveFollowing) and followed.next_seq <= reply.last_seq:
            self._repair(run, followed)  # the daemon goes on after `last_seq`


# What a reply means beyond itself, by the request that it answers.
_SETTLERS: dict[type[Request], Callable[[Conversation, int, Any, Reply], None]] = {
    Hello: Conversation._settle_hello,
    SubmitRun: Conversation._settle_run,
    ChangeEnvironment: Conversation._settle_run,
    OpenLive: Conversation._settle_run,
    FollowRun: Conversation._settle_follow,
    FollowLive: Conversation._settle_follow_live,
}


def _explains_gap(record: EventRecord, next_seq: int) -> bool:
    first_lost = record.wire.get("first_seq")
    return record.wire.get("event") == EventsLost.NAME and type(first_lost) is int and first_lost <= next_seq
