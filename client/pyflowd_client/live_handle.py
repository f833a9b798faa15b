"""What both clients know of a live session and say to it, without a socket: they differ in how they wait.

A change does not wait for its answer, so that the next one can follow at once; answers are looked at when something
else is waited for.
"""

from typing import Any, Self

from pyflowd_client.conversation import Conversation
from pyflowd_client.errors import ProtocolMismatch, Refused, RequestUnsendable
from pyflowd_client.live_changes import LiveChanges
from pyflowd_client.live_record import ByNode, LiveRecord
from pyflowd_client.protocol import replies, requests
from pyflowd_client.protocol.codec import EventRecord, ProtocolError
from pyflowd_client.protocol.errors import ErrorCode, ErrorInfo
from pyflowd_client.protocol.events import Event, EventsLost, LiveChanged, RunFinished, RunStarted
from pyflowd_client.protocol.ids import RunId
from pyflowd_client.protocol.states import ChangeKind, LiveAction, NodeState, RunState
from pyflowd_client.submission import encode_value

_BEGUN = frozenset({RunStarted.NAME, RunFinished.NAME})


class LiveHandle:
    """What both clients know of a session and say to it; they differ in how they wait."""

    def __init__(self, conversation: Conversation, run: RunId, *, is_own: bool) -> None:
        """`is_own`: it was opened here, and is closed when the block of `with` ends."""
        self.id = run
        self.record = LiveRecord()
        self._conversation = conversation
        self._changes = LiveChanges(run)
        self.is_own = is_own
        self.present: replies.LiveFollowing | None = None  # what was told first, to who has joined
        self._present_id: int | None = None

    def begin(self, present: replies.LiveFollowing) -> Self:
        """The session as it is told to who joins it."""
        self.present = present
        self.record.present(present)
        return self

    @property
    def state(self) -> RunState:
        """Where the session is."""
        return self.record.state

    @property
    def values(self) -> ByNode[dict[str, Any]]:
        """The last outputs of each node, by its id or title: `values["Report"]["text"]`."""
        return self.record.values

    @property
    def errors(self) -> ByNode[ErrorInfo]:
        """Why nodes have failed, or were skipped, by id or title."""
        return self.record.errors

    @property
    def states(self) -> ByNode[NodeState]:
        """Where each node is, by id or title."""
        return self.record.states

    @property
    def is_paused(self) -> bool:
        """Whether nothing begins."""
        return self.record.is_paused

    @property
    def is_settled(self) -> bool:
        """Whether nothing is left to do since the last change that was made here, as of the last event seen."""
        record, changes = self.record, self._changes
        if not changes.are_answered:
            return False
        if self._is_at_end():
            return True
        if record.needs_present or not changes.are_heard:
            return False
        if record.settled_seq and record.settled_seq >= changes.heard_seq:
            return True
        return record.is_paused and record.is_at_rest

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} {self.state}>"

    def _put(self, request: requests.UpdateLive) -> str:
        """Put a change on its way, as soon as the session has begun; what it is called."""
        if self._changes.held or not self._has_begun():
            self._changes.hold(request)
        else:
            self._changes.sent(self._conversation.ask(request), request)
        return str(request.change)

    def _has_begun(self) -> bool:
        """Whether the daemon takes changes: its first plan stands, or it never will."""
        return self.record.state is not RunState.QUEUED or self._conversation.has_waiting(self.id, _BEGUN)

    def _put_held(self) -> None:
        held, self._changes.held = self._changes.held, []
        for request in held:
            try:
                self._changes.sent(self._conversation.ask(request), request)
            except RequestUnsendable as error:
                self._changes.refuse_unsent(request, ErrorInfo(code=ErrorCode.BAD_INPUT, message=str(error)))

    def setting(
        self, node: str, pin: str, value: Any, kind: ChangeKind | None, change: str | None
    ) -> requests.UpdateLive:
        """The request that gives an input a value. TypeError, ValueError, RequestUnsendable: it cannot be sent."""
        text = encode_value(f"{node}.{pin}", value)
        return self._changes.request(LiveAction.SET_INPUT, change, kind, node=node, pin=pin, value=text)

    def unsetting(self, node: str, pin: str, kind: ChangeKind | None, change: str | None) -> requests.UpdateLive:
        """The request that takes back what an input was given."""
        return self._changes.request(LiveAction.SET_INPUT, change, kind, node=node, pin=pin)

    def triggering(self, node: str, kind: ChangeKind | None, change: str | None) -> requests.UpdateLive:
        """The request that executes a node and what is below it."""
        return self._changes.request(LiveAction.TRIGGER, change, kind, node=node)

    def updating(self, document: str, name: str | None, change: str | None) -> requests.UpdateLive:
        """The request that replaces the graph."""
        return self._changes.request(LiveAction.UPDATE_GRAPH, change, None, document=document, name=name)

    def timing(self, seconds: float | None, node: str, change: str | None) -> requests.UpdateLive:
        """The request that triggers a node again and again."""
        every_s = None if seconds is None else float(seconds)
        return self._changes.request(LiveAction.EVERY, change, None, node=node, every_s=every_s)

    def simple(self, action: LiveAction, change: str | None) -> requests.UpdateLive:
        """The request for an action that is about nothing but the session."""
        return self._changes.request(action, change, None)

    def leave(self) -> None:
        """Take no more events. The session goes on as long as somebody follows it, and for a while after that."""
        self._conversation.leave(self.id)

    def _look(self) -> None:
        """Take note of what has come: that the session has begun, and replies."""
        if self._changes.held and self._has_begun():
            self._put_held()
        for request_id in tuple(self._changes.unanswered):
            try:
                if self._conversation.reply(request_id) is not None:
                    self._changes.accepted(request_id)
            except Refused as refusal:
                self._changes.refuse(request_id, refusal.error)
        if self._present_id is not None:
            self._look_for_present(self._present_id)

    def _look_for_present(self, request_id: int) -> None:
        try:
            reply = self._conversation.reply(request_id)
        except Refused:
            self._present_id = None
            self.record.give_up_present()
            return
        if reply is not None:
            self._present_id = None
            if not isinstance(reply, replies.LiveFollowing):
                raise ProtocolMismatch(f"the daemon answered with {reply.NAME} where live_following was due.")
            self.record.present(reply)
            if self._changes.lost and not self.record.needs_present:
                self._changes.caught_up(self.record.seq)

    def _take(self) -> EventRecord | None:
        """The next event that has come, once; replies that came before it are looked at first."""
        self._look()
        return self._take_next()

    def _take_next(self) -> EventRecord | None:
        """The same, for who has looked at replies just now."""
        if not self._conversation.is_following(self.id):
            return None
        record = self._conversation.next_event(self.id)
        if record is None:
            return None
        try:
            self.record.take(record)
        except ProtocolError as error:
            raise ProtocolMismatch(f"cannot understand an event of the daemon: {error}.") from None
        name = record.wire.get("event")
        if name == LiveChanged.NAME:
            self._changes.heard(record.wire.get("change"), record.seq)
        elif name == EventsLost.NAME:
            self._changes.lose_events()
        if self.record.needs_present:
            if self._present_id is None:
                self._present_id = self._conversation.follow_live(self.id)
        elif self._changes.lost:
            self._changes.caught_up(self.record.seq)
        return record

    def _stop_changing(self) -> None:
        """The session will be closed: what can no longer be sent is dropped."""
        self._look()
        self._changes.held.clear()

    def _is_at_end(self) -> bool:
        """Whether no event can come."""
        return self.record.is_over or not self._conversation.is_following(self.id)

    def _take_until_settled(self) -> None:
        """The events that have come, as far as it takes."""
        while not self.is_settled and self._take() is not None:
            pass
        self._look()


def typed(record: EventRecord) -> Event | None:
    """The event; None for a kind that this client does not know."""
    try:
        return record.decode()
    except ProtocolError as error:
        raise ProtocolMismatch(f"cannot understand an event of the daemon: {error}.") from None
