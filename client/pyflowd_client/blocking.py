"""The client for programs without an event loop: one socket, one conversation, every wait bound to the daemon's life.

Not for several threads at once. It never reconnects by itself: a new connection would be a new session, and
what was lost with the old one has to be said. Connect again and follow the run instead.
"""

import contextlib
import math
import os
import time
from collections.abc import Collection
from typing import Any, TypeVar, Unpack

import zmq

from pyflowd_client import __version__
from pyflowd_client.conversation import Conversation
from pyflowd_client.dealer import ATTEMPTS, HELLO_DEADLINE_S, close_dealer, expect, lost, open_dealer, silent
from pyflowd_client.errors import DaemonLost
from pyflowd_client.location import Location, locate
from pyflowd_client.protocol import replies, requests
from pyflowd_client.protocol.codec import EventRecord
from pyflowd_client.protocol.ids import NodeId, RunId
from pyflowd_client.run import Run
from pyflowd_client.submission import LiveArguments, RunArguments, check, opening, origin_of, read_graph, submission

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyflowd_client.environments import Environments
    from pyflowd_client.live import Live

R = TypeVar("R", bound=replies.Reply)
# As plain integers: the arithmetic of enum flags costs more than the calls.
NOBLOCK, POLLIN = int(zmq.NOBLOCK), int(zmq.POLLIN)
_send = zmq.backend.Socket.send  # without what `zmq.Socket` asks about before: routing ids, groups


class Client:
    """A session with a daemon. Use `connect` to get one."""

    def __init__(self, location: Location, *, name: str = f"pyflowd_client {__version__}") -> None:
        """Connect and say hello; DaemonUnavailable, DaemonLost or ProtocolMismatch."""
        self._location = location
        self._conversation = Conversation()
        self._context = zmq.Context()
        self._socket, self._monitor = open_dealer(self._context, location)
        self._incoming: list[tuple[Any, int]] = [(self._socket, POLLIN)]
        self._watched = [*self._incoming, (self._monitor, POLLIN)]
        self._is_lost = False
        try:
            self.welcome = self._expect(replies.Welcome, self._conversation.greet(name), HELLO_DEADLINE_S)
        except BaseException:
            self.close()
            raise

    def run(self, path: str | os.PathLike[str], **arguments: Unpack[RunArguments]) -> Run:
        """Execute a graph file. GraphFileError, Refused, DaemonLost; TypeError names an input that is not JSON."""
        document, name = read_graph(path)
        arguments.setdefault("origin", origin_of(path))
        return self.run_document(document, name=name, **arguments)

    def run_document(self, document: str, *, name: str | None = None, **arguments: Unpack[RunArguments]) -> Run:
        """Execute the text of a graph; `name` would be its file's name, a hint for the format."""
        return self.submit(submission(document, name, arguments))

    def submit(self, request: requests.SubmitRun | requests.ChangeEnvironment) -> Run:
        """The run that a request begins."""
        return Run(self, self.ask(request, replies.RunAccepted).run)

    def live(self, path: str | os.PathLike[str], **arguments: Unpack[LiveArguments]) -> "Live":
        """Open a live session of a graph file, which ends with the block: `with client.live(path) as live`.

        GraphFileError, Refused, DaemonLost; TypeError names an input that is not JSON.
        """
        document, name = read_graph(path)
        arguments.setdefault("origin", origin_of(path))
        return self.live_document(document, name=name, **arguments)

    def live_document(self, document: str, *, name: str | None = None, **arguments: Unpack[LiveArguments]) -> "Live":
        """Open a live session of the text of a graph."""
        from pyflowd_client.live import Live  # not on the way of a command that only runs a graph

        run = self.ask(opening(document, name, arguments), replies.RunAccepted).run
        return Live(self, self._conversation, run, is_own=True)

    def follow_live(self, run: str) -> "Live":
        """A live session that somebody has opened before: as it is now, and then its events. It stays open."""
        from pyflowd_client.live import Live

        run_id = RunId(run)
        present = self._expect(replies.LiveFollowing, self._conversation.follow_live(run_id))
        return Live(self, self._conversation, run_id, is_own=False).begin(present)

    @property
    def environments(self) -> "Environments":
        """The environments that the daemon keeps and finds: `client.environments.list()`."""
        from pyflowd_client.environments import Environments  # not on the way of a command that only runs a graph

        return Environments(self)

    def follow(self, run: str, from_seq: int = 1) -> Run:
        """A run that somebody submitted before, told from event `from_seq` on."""
        run_id = RunId(run)
        self._expect(replies.Following, self._conversation.follow(run_id, from_seq))
        return Run(self, run_id)

    def check(
        self, document: str, *, name: str | None = None, **arguments: Unpack[RunArguments]
    ) -> replies.GraphChecked:
        """Read and plan the text of a graph without executing it."""
        return self.ask(check(document, name, arguments), replies.GraphChecked)

    def convert(self, document: str, to: str, *, name: str | None = None) -> replies.GraphConverted:
        """The same graph in the format `to`, "md" or "json"."""
        return self.ask(requests.ConvertGraph(document=document, to=to, name=name), replies.GraphConverted)

    def cancel(self, run: str) -> None:
        """End a run: its nodes are interrupted, then killed."""
        self.ask(requests.CancelRun(run=RunId(run)), replies.Done)

    def write_terminal(self, run: str, node: str, text: str) -> None:
        """Type into the pdb that is open in a node of a run of ours, keys as a terminal sends them."""
        self.ask(requests.WriteTerminal(run=RunId(run), node=NodeId(node), text=text), replies.Done)

    def resize_terminal(self, run: str, node: str, *, columns: int, rows: int) -> None:
        """Say how large its terminal is."""
        request = requests.ResizeTerminal(run=RunId(run), node=NodeId(node), columns=columns, rows=rows)
        self.ask(request, replies.Done)

    def status(self) -> replies.DaemonStatus:
        """How the daemon is."""
        return self.ask(requests.GetStatus(), replies.DaemonStatus)

    def examine(self) -> replies.Examined:
        """How well the daemon's nodes are kept from what is not theirs, and whether the rest is in order."""
        return self.ask(requests.Examine(), replies.Examined)

    def stop(self, *, drain: bool = False) -> None:
        """End the daemon and wait until it is gone: at once, or with `drain` when its runs are over."""
        self.ask(requests.StopDaemon(drain=drain), replies.Done)
        with contextlib.suppress(DaemonLost):
            while True:
                self._pump()

    def ask(self, request: requests.Request, expected: type[R]) -> R:
        """The reply to a request; Refused, DaemonLost, or ProtocolMismatch when it is of another kind."""
        return self._expect(expected, self._conversation.ask(request))

    def next_event(self, run: RunId, *, wake_fd: int | None = None) -> EventRecord | None:
        """The run's next event, as soon as there is one; None when `wake_fd` became readable before."""
        wake_fds = () if wake_fd is None else (wake_fd,)
        while True:
            record = self._conversation.next_event(run)
            self.flush()
            if record is not None:
                return record
            if not self._pump(wake_fds=wake_fds):
                return None

    def wait(self, *, give_up_at: float | None = None, wake_fds: Collection[int] = ()) -> bool:
        """Send what is to be sent and wait for something to come; whether it did before the others.

        The others are the time `give_up_at`, of the monotonic clock, and a descriptor that becomes readable.
        """
        self.flush()
        return self._pump(give_up_at=give_up_at, wake_fds=wake_fds)

    def flush(self) -> None:
        """Send what is to be sent."""
        outgoing = self._conversation.outgoing
        if not outgoing:
            return
        while outgoing:
            _send(self._socket, outgoing.popleft())
        os.sched_yield()  # libzmq's thread may wait for this processor

    def close(self) -> None:
        """End the session. Runs go on."""
        if not self._context.closed:
            if not self._is_lost:
                self._conversation.ask(requests.Goodbye())
                self.flush()
            close_dealer(self._context, self._socket, self._monitor, is_heard=not self._is_lost)

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _expect(self, expected: type[R], request_id: int, deadline_s: float | None = None) -> R:
        give_up_at = None if deadline_s is None else time.monotonic() + deadline_s
        while True:
            self.flush()
            reply = self._conversation.reply(request_id)
            if reply is not None:
                break
            if not self._pump(give_up_at=give_up_at):
                raise silent(self._location)
        return expect(reply, expected)

    def _pump(self, *, give_up_at: float | None = None, wake_fds: Collection[int] = ()) -> bool:
        """Take in what has come, waiting if there is nothing; False when the time or a descriptor ended the wait.

        DaemonLost when nothing can come any more: what the daemon sent before it went is taken in first.
        """
        if self._is_lost:
            if not zmq.zmq_poll(self._incoming, 0):
                raise lost(self._location)
            self._take_in()
            return True
        watched = [*self._watched, *((fd, POLLIN) for fd in wake_fds)] if wake_fds else self._watched
        timeout_ms = -1 if give_up_at is None else max(0, math.ceil((give_up_at - time.monotonic()) * 1000))
        ready = dict(zmq.zmq_poll(watched, timeout_ms))
        self._is_lost |= self._monitor in ready
        if self._socket in ready:
            self._take_in()
        return bool(ready) and ready.keys().isdisjoint(wake_fds)

    def _take_in(self) -> None:
        """The next message; if there are more, the next wait ends at once."""
        while True:
            frame = self._socket.recv(NOBLOCK, copy=False)
            self._conversation.receive(frame.bytes)
            if not frame.more:
                return


def connect(socket: str | os.PathLike[str] | None = None, *, autostart: bool = True) -> Client:
    """A session with the daemon at `socket`, or where it usually is; starts one if none runs.

    DaemonUnavailable when there is none and none can be started; LocationRefused, ProtocolMismatch.
    """
    location = locate(socket)
    for _ in range(ATTEMPTS):
        with contextlib.suppress(DaemonLost):  # nobody listens, or it was leaving while we came
            return Client(location)
        from pyflowd_client.autostart import ensure_daemon  # not on the way of a command that finds its daemon running

        ensure_daemon(location, autostart=autostart)
    return Client(location)
