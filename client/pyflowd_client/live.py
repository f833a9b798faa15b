"""A live session as its client holds it: what it is like now, and the changes that are made to it from here.

    with connect() as daemon, daemon.live("graph.md") as live:
        live.set("Oscillator", "phase", 0.5)
        live.settle()
        live.values["Scope"]["picture"]

A change of an input does not wait for its answer, so that the next one can follow at once; a refusal is raised by the
next call that waits (`settle`, an iteration, `close`, and whatever else changes the session).
"""

import contextlib
import os
import time
from collections.abc import Collection, Iterator
from typing import Any, Self

from pyflowd_client.conversation import Conversation
from pyflowd_client.errors import ChangeRefused, DaemonLost, Refused
from pyflowd_client.live_handle import LiveHandle, typed
from pyflowd_client.protocol import replies, requests
from pyflowd_client.protocol.codec import EventRecord
from pyflowd_client.protocol.events import Event
from pyflowd_client.protocol.ids import RunId
from pyflowd_client.protocol.states import ChangeKind, LiveAction
from pyflowd_client.submission import read_graph

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyflowd_client.blocking import Client


class Live(LiveHandle):
    """A live session. Iterate it for its events as they come; use it as a context manager to have it closed.

    Every change has a name, which is returned, or given as `change`, and comes back in the events it leads to. `kind`
    says what it was for whoever made it, such as "user_input". A node is named by its id, or by a title of its own.
    """

    def __init__(self, client: "Client", conversation: Conversation, run: RunId, *, is_own: bool) -> None:
        super().__init__(conversation, run, is_own=is_own)
        self._client = client

    def set(self, node: str, pin: str, value: Any, *, kind: ChangeKind | None = None, change: str | None = None) -> str:
        """Give an input a value, without waiting. TypeError, ValueError, RequestUnsendable: it cannot be sent."""
        return self.send(self.setting(node, pin, value, kind, change))

    def unset(self, node: str, pin: str, *, kind: ChangeKind | None = None, change: str | None = None) -> str:
        """Take back what an input was given, without waiting."""
        return self.send(self.unsetting(node, pin, kind, change))

    def trigger(self, node: str, *, kind: ChangeKind | None = None, change: str | None = None) -> str:
        """Execute a node and what is below it, without waiting."""
        return self.send(self.triggering(node, kind, change))

    def update(self, path: str | os.PathLike[str], *, change: str | None = None) -> str:
        """Replace the graph by that of a file. GraphFileError; ChangeRefused, and then the old one stays."""
        document, name = read_graph(path)
        return self.update_document(document, name=name, change=change)

    def update_document(self, document: str, *, name: str | None = None, change: str | None = None) -> str:
        """Replace the graph by the text of another. ChangeRefused, and then the old one stays."""
        return self._confirm(self.updating(document, name, change))

    def every(self, seconds: float | None, node: str, *, change: str | None = None) -> str:
        """Trigger a node again and again; None ends that. ChangeRefused, of less than 0.01 s for example."""
        return self._confirm(self.timing(seconds, node, change))

    def pause(self, *, change: str | None = None) -> str:
        """Begin nothing until `resume`."""
        return self._confirm(self.simple(LiveAction.PAUSE, change))

    def resume(self, *, change: str | None = None) -> str:
        """Go on."""
        return self._confirm(self.simple(LiveAction.RESUME, change))

    def reset(self, *, change: str | None = None) -> str:
        """Forget all values, and what was given; then execute everything anew."""
        return self._confirm(self.simple(LiveAction.RESET, change))

    def run_all(self, *, change: str | None = None) -> str:
        """Execute everything."""
        return self._confirm(self.simple(LiveAction.RUN_ALL, change))

    def __iter__(self) -> Iterator[Event]:
        """The events not yet seen, until the session ends; DaemonLost, ChangeRefused."""
        while not self._is_at_end():
            record = self.next_event()
            event = typed(record) if record is not None else None
            if event is not None:
                yield event

    def next_event(self, *, timeout_s: float | None = None, wake_fds: Collection[int] = ()) -> EventRecord | None:
        """The next event as it came; None at the end, when the time is over or a descriptor became readable.

        ChangeRefused for a change that was refused.
        """
        give_up_at = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            self._look()
            self._changes.raise_refusal()
            record = self._take_next()
            if record is not None:
                self._client.flush()
                return record
            if self._is_at_end() or not self._client.wait(give_up_at=give_up_at, wake_fds=wake_fds):
                return None

    def settle(self, timeout_s: float | None = None) -> Self:
        """Wait until nothing is left to do after the last change made here; then `values` are of that, or later ones.

        While the session is paused, until what ran has ended. Events on the way are not seen by iterations.
        TimeoutError, ChangeRefused, DaemonLost.
        """
        give_up_at = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            self._take_until_settled()
            self._client.flush()
            self._changes.raise_refusal()
            if self.is_settled:
                return self
            if not self._client.wait(give_up_at=give_up_at):
                raise TimeoutError(f"live session {self.id} has not settled within {timeout_s} s")

    def close(self) -> None:
        """End the session, whoever opened it, and what runs in it. ChangeRefused for a refusal not yet raised."""
        is_ending = self.end()
        while not self._is_at_end():
            if self._take() is None:
                if not is_ending:
                    break
                self._client.wait()
        self._look()
        self._changes.raise_refusal()

    def end(self) -> bool:
        """As `close`, but its last events are still to be taken; whether it was not over before."""
        self._stop_changing()
        if self.record.is_over:
            return False
        try:
            self._client.ask(requests.CloseLive(run=self.id), replies.Done)
        except Refused:  # another was faster
            return False
        return True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if not self.is_own:
            self.leave()
            return
        with contextlib.suppress(*(() if kind is None else (DaemonLost, ChangeRefused))):
            self.close()

    def send(self, request: requests.UpdateLive) -> str:
        """Make a change that was prepared (`setting`, `triggering` and so on), without waiting; what it is called."""
        change = self._put(request)
        self._client.flush()
        while self._changes.is_crowded:
            self._client.wait()
            self._look()
        return change

    def _confirm(self, request: requests.UpdateLive) -> str:
        change = self._put(request)
        self._client.flush()
        while True:
            self._look()
            if self._changes.is_known(change):
                return change
            self._client.wait()
