"""The events of every run, kept to be replayed, and the followers that they are sent to.

An event is encoded once. A follower is a place in that list: one that reads slowly falls behind and costs
nothing. It gets at most a window of events beyond what it has acknowledged; what was dropped from a full list in
the meantime is told as `events_lost`. Nothing here decides what is an event.
"""

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import orjson

from pyflowd.core.effects import CloseRun, Join, OpenRun, Publish
from pyflowd.core.ids import SessionId
from pyflowd.core.stimuli import RunUnfollowed
from pyflowd.core.values import Kept, Value
from pyflowd.shell.value_text import is_value
from pyflowd.worker_side.frames import INLINE_BYTES
from pyflowd_client.protocol.daemon_codec import content_to_wire, dump, encode_events, event_to_wire, reply_to_wire
from pyflowd_client.protocol.events import (
    Event,
    EventsLost,
    LiveChanged,
    LiveSettled,
    NodeFinished,
    RunFinished,
    RunStarted,
)
from pyflowd_client.protocol.ids import RunId
from pyflowd_client.protocol.limits import WINDOW_BYTES, WINDOW_EVENTS
from pyflowd_client.protocol.replies import Following, LiveFollowing
from pyflowd_client.protocol.states import RunState

RUN_BYTES = 32_000_000
TOTAL_BYTES = 256_000_000
WAITED_FOR = (RunFinished, LiveSettled)  # by clients, which have nothing else to do
MANY_EVENTS = 16  # worth a message of their own: their follower reads them while the next ones come

Send = Callable[[SessionId, bytes], None]


@dataclass(slots=True)
class Follower:
    """How far a session is: the next event to send, and what was sent and not yet acknowledged."""

    next_seq: int
    sent: deque[tuple[int, int]] = field(default_factory=deque)
    sent_bytes: int = 0

    def ack(self, seq: int) -> None:
        """Everything up to `seq` has arrived."""
        while self.sent and self.sent[0][0] <= seq:
            self.sent_bytes -= self.sent.popleft()[1]


@dataclass(slots=True)
class RunLog:
    """The encoded events of a run; the first one kept has number `first_seq`."""

    max_value_bytes: int | None
    is_live: bool = False
    state: RunState = RunState.QUEUED
    first_seq: int = 1
    events: deque[bytes] = field(default_factory=deque)
    size_bytes: int = 0
    followers: dict[SessionId, Follower] = field(default_factory=dict)

    @property
    def last_seq(self) -> int:
        """The number of the newest event."""
        return self.first_seq + len(self.events) - 1

    def drop_first(self) -> int:
        """Forget the oldest event; its size."""
        size = len(self.events.popleft())
        self.first_seq += 1
        self.size_bytes -= size
        return size


class Outbox:
    """All run logs. `send` gives a frame to a session. `told` hears when a live session has followers, or none.

    `is_urgent`: a run is over, a live session has settled, somebody asked to be told, or there is much to tell.
    """

    def __init__(self, send: Send, told: Callable[[RunUnfollowed], None] = lambda _: None) -> None:
        self._send = send
        self._told = told
        self._logs: dict[RunId, RunLog] = {}
        self._dirty: dict[RunId, None] = {}
        self._size_bytes = 0
        self._gathered = 0
        self.is_urgent = False

    @property
    def is_dirty(self) -> bool:
        """Something waits to be sent."""
        return bool(self._dirty)

    def open(self, effect: OpenRun) -> None:
        """A new run, followed by who submitted it."""
        log = self._logs[effect.run] = RunLog(effect.max_value_bytes, is_live=effect.is_live)
        log.followers[effect.session] = Follower(next_seq=1)

    def close(self, effect: CloseRun) -> None:
        """Nobody will ask for this run any more."""
        log = self._logs.pop(effect.run, None)
        if log is not None:
            self._size_bytes -= log.size_bytes

    def publish(self, effect: Publish) -> None:
        """Append an event; it is sent at the next flush."""
        kind, run = effect.kind, effect.content["run"]
        log = self._logs[run]
        encoded = encode_event(kind, effect.content, log.max_value_bytes)
        data = memoryview(encoded).tobytes()  # orjson's own take 4 kB each, at least
        log.events.append(data)
        if kind is RunStarted:
            log.state = RunState.RUNNING
        elif kind is RunFinished:
            log.state = effect.content["state"]
        log.size_bytes += len(data)
        self._size_bytes += len(data)
        while log.size_bytes > RUN_BYTES and len(log.events) > 1:
            self._size_bytes -= log.drop_first()
        if self._size_bytes > TOTAL_BYTES:
            self._shrink()
        self._dirty[run] = None
        self._gathered += 1
        self.is_urgent |= self._gathered >= MANY_EVENTS or kind in WAITED_FOR

    def follow(self, session: SessionId, run: RunId, from_seq: int) -> Following | None:
        """Send events from `from_seq` on, again if need be; None for an unknown run."""
        log = self._logs.get(run)
        if log is None:
            return None
        log.followers[session] = Follower(next_seq=max(from_seq, 1))
        self._dirty[run] = None
        if log.is_live:
            self._told(RunUnfollowed(run=run, is_followed=True))
        return Following(run=run, state=log.state, first_seq=log.first_seq, last_seq=log.last_seq)

    def join(self, effect: Join) -> bytes:
        """Send events of a live session from now on; the reply that has what there is by now."""
        log = self._logs[effect.reply.run]
        log.followers[effect.session] = Follower(next_seq=effect.reply.last_seq + 1)
        return encode_snapshot(effect.request, effect.reply, log.max_value_bytes)

    def ack(self, session: SessionId, run: RunId, seq: int) -> None:
        """A follower has received everything up to `seq`."""
        log = self._logs.get(run)
        follower = log.followers.get(session) if log else None
        if follower is not None:
            follower.ack(seq)
            self._dirty[run] = None
            self.is_urgent = True

    def leave(self, session: SessionId) -> None:
        """A session is gone; runs stay."""
        for run, log in self._logs.items():
            if log.followers.pop(session, None) is not None and log.is_live and not log.followers:
                self._told(RunUnfollowed(run=run))

    def flush(self) -> None:
        """Send what the windows allow, one message per run and follower."""
        dirty, self._dirty, self.is_urgent, self._gathered = self._dirty, {}, False, 0
        for run in dirty:
            log = self._logs.get(run)
            if log is None:
                continue
            for session, follower in list(log.followers.items()):
                batch = self._batch(run, log, follower)
                if batch:
                    self._send(session, encode_events(batch))

    def _batch(self, run: RunId, log: RunLog, follower: Follower) -> list[bytes]:
        batch: list[bytes] = []
        if follower.next_seq < log.first_seq:
            batch.append(_lost(run, follower.next_seq, log.first_seq - 1))
            follower.next_seq = log.first_seq
        index = follower.next_seq - log.first_seq
        sent = follower.sent
        while index < len(log.events):
            if sent and (follower.sent_bytes >= WINDOW_BYTES or len(sent) >= WINDOW_EVENTS):
                break
            data = log.events[index]
            index += 1
            batch.append(data)
            sent.append((follower.next_seq, len(data)))
            follower.sent_bytes += len(data)
            follower.next_seq += 1
        return batch

    def _shrink(self) -> None:
        """Runs that are longest ago lose their oldest events first."""
        for log in self._logs.values():
            while self._size_bytes > TOTAL_BYTES and len(log.events) > 1:
                self._size_bytes -= log.drop_first()


def _lost(run: RunId, first_seq: int, last_seq: int) -> bytes:
    event = EventsLost(run=run, seq=last_seq, time=time.time(), first_seq=first_seq, last_seq=last_seq)
    return dump(event_to_wire(event))


def encode_event(kind: type[Event], content: dict[str, Any], max_value_bytes: int | None) -> bytes:
    """An event as JSON, from the fields that it would be made with.

    Values are spliced in as they came from the worker, or replaced by what they are like.
    Those that came in the frame were looked at with it. A large one is looked at only here, where it matters.
    """
    wire = content_to_wire(kind, content)
    if kind is NodeFinished:
        outputs = wire["outputs"] = {}
        for pin, value in content["outputs"].items():
            outputs[pin] = _value(value, max_value_bytes)
    elif kind is LiveChanged and content.get("value") is not None:
        wire["value"] = _given(content["value"].encode("utf-8", "backslashreplace"), max_value_bytes)
    return dump(wire)


def encode_snapshot(request_id: int, reply: LiveFollowing, max_value_bytes: int | None) -> bytes:
    """What there is of a live session, as JSON, with values as in events."""
    wire = reply_to_wire(request_id, reply)
    for told, node in zip(wire["nodes"], reply.nodes, strict=True):
        told["inputs"] = {pin: _given(text, max_value_bytes) for pin, text in node.inputs.items()}
        told["outputs"] = {pin: _value(value, max_value_bytes) for pin, value in node.outputs.items()}
    return dump(wire)


def _given(text: bytes, max_value_bytes: int | None) -> object:
    """What a client gave; it may not be JSON, which the node will find out."""
    if max_value_bytes is not None and len(text) > max_value_bytes:
        return {"$value": {"type": "given", "size_bytes": len(text), "preview": None}}
    return orjson.Fragment(text) if is_value(text) else text.decode("utf-8", "replace")


def _value(value: Value | Kept, max_value_bytes: int | None) -> object:
    if isinstance(value, Kept):
        return {"$value": {"type": value.type, "size_bytes": value.size_bytes, "preview": value.preview}}
    if max_value_bytes is None or value.payload.size <= max_value_bytes:
        text = value.payload.read()
        if value.payload.size <= INLINE_BYTES or is_value(text):
            return orjson.Fragment(text)
    return {"$value": {"type": value.type, "size_bytes": value.payload.size, "preview": value.preview}}
