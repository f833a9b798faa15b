"""The ROUTER socket: frames to requests, replies and events to frames. No policy.

The descriptor that libzmq shows is edge-triggered: it tells that something changed, once. So it is drained until
nothing is left, and again after every send, which may have swallowed the edge. An unknown identity can only say
hello; what it says next is read as a request. `ROUTER_MANDATORY` makes a vanished client an error, not a silence.
"""

import logging
import os
import threading
from functools import partial
from typing import TYPE_CHECKING, get_args

import zmq
from zmq.utils.monitor import recv_monitor_message

from pyflowd import __version__
from pyflowd.core.effects import Answer, Join
from pyflowd.core.ids import SessionId
from pyflowd.core.stimuli import SessionEnded, SessionsCounted
from pyflowd.shell.alarm import Alarm
from pyflowd.shell.driver import Driver
from pyflowd.shell.environment_answers import EnvironmentAnswers
from pyflowd.shell.intake import Intake, Take
from pyflowd.shell.outbox import Outbox
from pyflowd.shell.planner import Planner
from pyflowd.shell.poller import Poller
from pyflowd.shell.refusals import Refusal
from pyflowd.shell.reports import Reports
from pyflowd.shell.sessions import Session, Sessions, descends_from_us, peer_of
from pyflowd_client.protocol import replies, requests
from pyflowd_client.protocol.codec import ProtocolError
from pyflowd_client.protocol.daemon_codec import decode_request, encode_reply
from pyflowd_client.protocol.errors import ErrorCode, ErrorInfo
from pyflowd_client.protocol.limits import MAX_REQUEST_BYTES
from pyflowd_client.protocol.version import OLDEST_PROTOCOL_VERSION, PROTOCOL_VERSION

QUEUED_MESSAGES_MOST = 20_000
CONNECTIONS_WAITING_MOST = 4096  # as many as a kernel allows by itself
LAST_WORDS_MS = 1000
CLOSING_S = 2 * LAST_WORDS_MS / 1000
# As plain integers: the arithmetic of enum flags costs more than the calls.
NOBLOCK, MORE = int(zmq.NOBLOCK), int(zmq.NOBLOCK | zmq.SNDMORE)
POLLIN = int(zmq.POLLIN)
_send = zmq.backend.Socket.send  # without what `zmq.Socket` asks about before: routing ids, groups
GATHER_S = 0.005
TURNS_IN_A_ROW = 100
SOON_FOLLOWED = replies.RunAccepted  # by events that say more

log = logging.getLogger(__name__)

if TYPE_CHECKING:
    Frames = list[zmq.Frame]


class Server:
    """One socket, its sessions, and what comes and goes between them and the core."""

    def __init__(
        self,
        *,
        socket_path: str,
        poller: Poller,
        driver: Driver,
        planner: Planner,
        reports: Reports,
        environments: EnvironmentAnswers,
    ) -> None:
        self.outbox = Outbox(self._queue, driver.feed)
        self._pending: dict[SessionId, list[bytes]] = {}
        self._is_urgent = False
        self._is_draining = self._is_to_look_again = self._has_sent = False
        self._loop = poller.loop
        self._pause = Alarm(self._loop, self.flush)
        self._driver = driver
        self._poller = poller
        self._feed = driver.feed
        self._sessions = Sessions()
        self._takers: dict[type[requests.Request], Take] = {
            **Intake(driver.feed, self._reply, planner, reports, environments).table,
            requests.Ack: self._ack,
            requests.FollowRun: self._follow,
            requests.Goodbye: self._goodbye,
        }
        assert self._takers.keys() | {requests.Hello} == set(get_args(requests.Request))
        self._context: zmq.Context[zmq.Socket[bytes]] = zmq.Context()
        self._router = self._context.socket(zmq.ROUTER)
        self._router.set(zmq.ROUTER_MANDATORY, 1)
        self._router.set(zmq.MAXMSGSIZE, MAX_REQUEST_BYTES)
        self._router.set(zmq.SNDHWM, QUEUED_MESSAGES_MOST)
        self._router.set(zmq.LINGER, LAST_WORDS_MS)
        self._router.set(zmq.BACKLOG, CONNECTIONS_WAITING_MOST)
        self._monitor = self._router.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        self._router.bind(f"ipc://{socket_path}")
        poller.watch(self._router.fileno(), partial(self.drain, is_announced=True))
        poller.watch(self._monitor.fileno(), self._drain_monitor)

    def close(self) -> None:
        """Send what is still queued, for a second at most, and be gone."""
        self._poller.forget(self._router.fileno())
        self._poller.forget(self._monitor.fileno())
        self._pause.close()
        self._router.disable_monitor()
        self._monitor.close(linger=0)
        self._router.close()
        # libzmq 4.3.5 seldom never finishes when a client leaves in this very moment: the daemon must end all the same.
        closing = threading.Thread(target=self._context.term, name="close context", daemon=True)
        closing.start()
        closing.join(CLOSING_S)
        if closing.is_alive():
            log.warning("the socket does not close; leaving without waiting for it")

    # -- frames

    def answer(self, effect: Answer) -> None:
        """Send the reply of a request."""
        self._queue(effect.session, encode_reply(effect.request, effect.reply))
        self._is_urgent |= not isinstance(effect.reply, SOON_FOLLOWED)

    def join(self, effect: Join) -> None:
        """Send the reply of a request to follow a live session, and then what follows from there."""
        self._queue(effect.session, self.outbox.join(effect))
        self._is_urgent = True

    def end_turn(self) -> None:
        """Send what has gathered, or let it gather a little more if nobody waits for it.

        Only the end of a run is waited for by its client. What leads there may take a pause that nobody sees: a short
        run then travels in one message, and a long one wakes its client 200 times a second, or for `MANY_EVENTS`.
        That a live session is changed is told at once: its client reads it while the node is at work, and is awake
        when the new value comes.
        """
        if self._is_urgent or self.outbox.is_urgent or self._has_sent:
            self.flush()
        elif not self._pause.is_set and (self._pending or self.outbox.is_dirty):
            self._pause.set(self._loop.time() + GATHER_S)

    def flush(self) -> None:
        """Send everything, then look again for what came in."""
        self._pause.set(None)
        self.send()
        if self._has_sent:
            self._has_sent = False
            self.drain()

    def send(self) -> None:
        """Send everything, one message for each client. Before the turn is over somebody has to look again."""
        self.outbox.flush()
        pending, self._pending, self._is_urgent = self._pending, {}, False
        for session, frames in pending.items():
            self._send(session, frames)
            self._has_sent = True

    def _queue(self, session: SessionId, frame: bytes) -> None:
        self._pending.setdefault(session, []).append(frame)

    def _send(self, session: SessionId, frames: list[bytes]) -> None:
        """A client that is gone, or has not read thousands of messages, loses its session."""
        try:
            _send(self._router, session, MORE)
            for frame in frames[:-1]:
                _send(self._router, frame, MORE)
            _send(self._router, frames[-1], NOBLOCK)
        except zmq.ZMQError as error:
            log.info("session %s: %s", session.hex(), error)
            self._end_session(session)

    def drain(self, *, is_announced: bool = False) -> None:
        """Take in everything there is, again after each time that something was sent.

        A client may ask as fast as it is answered: others get their turn in between.
        is_announced: something has come, as far as the descriptor knows.
        """
        if self._is_draining or self._router.closed:
            self._is_to_look_again = True
            return
        self._is_draining = True
        try:
            for _ in range(TURNS_IN_A_ROW):
                self._is_to_look_again = False
                self._take_in(is_announced)
                is_announced = False
                if not self._is_to_look_again:
                    return
        finally:
            self._is_draining = False
        self._loop.call_soon(self.drain)

    def _take_in(self, is_announced: bool) -> None:
        sender = self._next_sender(is_announced)
        if sender is None:
            return
        if not is_announced:  # else whoever has called us has begun it
            self._driver.begin_turn()
        while sender is not None:
            self._receive(sender, _receive_parts(self._router))
            sender = self._next_sender()
        self._driver.end_turn()

    def _next_sender(self, is_announced: bool = False) -> SessionId | None:
        """Whose message is next, if there is one. Where it was announced it costs less to try than to look first."""
        if not is_announced and not _can_read(self._router):
            return None
        try:
            return SessionId(self._router.recv(NOBLOCK))
        except zmq.Again:
            return None

    def _drain_monitor(self) -> None:
        while _can_read(self._monitor):
            message = recv_monitor_message(self._monitor, NOBLOCK)
            for session in self._sessions.of_descriptor(message["value"]):
                self._end_session(session)

    def _receive(self, session: SessionId, parts: "Frames") -> None:
        request_id: int | None = None
        try:
            if len(parts) != 1:
                raise ProtocolError("a message is one frame of JSON")
            request_id, request = decode_request(parts[0].bytes)
            self._take(session, request_id, request, parts[0])
        except ProtocolError as error:
            self._refuse(session, error.request_id, ErrorCode.BAD_MESSAGE, str(error))
        except Refusal as refusal:
            self._refuse(session, request_id, refusal.error.code, refusal.error.message)
        except Exception:
            log.exception("a request of session %s failed", session.hex())
            self._refuse(session, request_id, ErrorCode.INTERNAL, "The daemon failed; its log says more.")

    def _refuse(self, session: SessionId, request_id: int | None, code: ErrorCode, message: str) -> None:
        self._reply(session, request_id, replies.Refused(error=ErrorInfo(code=code, message=message)))

    # -- requests

    def _take(self, sender: SessionId, request_id: int, request: requests.Request, frame: zmq.Frame) -> None:
        if type(request) is requests.Hello:
            self._hello(sender, request_id, request, frame)
            return
        session = self._sessions.get(sender)
        if session is None:
            raise Refusal(ErrorCode.NO_SESSION, "This connection has not said hello.")
        self._takers[type(request)](session, request_id, request)

    def _ack(self, session: Session, request_id: int, request: requests.Ack) -> None:
        self.outbox.ack(session.id, request.run, request.seq)
        self._loop.call_soon(self.end_turn)

    def _goodbye(self, session: Session, request_id: int, request: requests.Goodbye) -> None:
        self._end_session(session.id)
        self._reply(session.id, request_id, replies.Done())

    def _follow(self, session: Session, request_id: int, request: requests.FollowRun) -> None:
        following = self.outbox.follow(session.id, request.run, request.from_seq)
        if following is None:
            raise Refusal(ErrorCode.UNKNOWN_RUN, f"No run '{request.run}' is known here.")
        self._reply(session.id, request_id, following)

    def _reply(self, session: SessionId, request_id: int | None, reply: replies.Reply) -> None:
        self._queue(session, encode_reply(request_id, reply))
        self._is_urgent = True
        self._loop.call_soon(self.end_turn)

    def _hello(self, session: SessionId, request_id: int, hello: requests.Hello, frame: zmq.Frame) -> None:
        self._drain_monitor()  # first who has left: the numbers of their connections are used again
        descriptor = int(frame.get(zmq.SRCFD))
        pid, uid = peer_of(descriptor) or (0, -1)
        if uid not in (os.getuid(), 0):
            raise Refusal(ErrorCode.NOT_PERMITTED, "This daemon serves the user who started it, and nobody else.")
        if descends_from_us(pid):
            raise Refusal(ErrorCode.NOT_PERMITTED, "Nodes are not served: what they may do is not theirs to decide.")
        if not hello.oldest_protocol <= PROTOCOL_VERSION or not hello.protocol >= OLDEST_PROTOCOL_VERSION:
            raise Refusal(
                ErrorCode.PROTOCOL_VERSION,
                f"The client speaks protocol {hello.oldest_protocol} to {hello.protocol}, this daemon"
                f" ({__version__}) {OLDEST_PROTOCOL_VERSION} to {PROTOCOL_VERSION}: restart the older one.",
            )
        protocol = min(hello.protocol, PROTOCOL_VERSION)
        self._sessions[session] = Session(id=session, client=hello.client, protocol=protocol, descriptor=descriptor)
        self._feed(SessionsCounted(sessions=len(self._sessions)))
        welcome = replies.Welcome(protocol=protocol, version=__version__, pid=os.getpid())
        self._reply(session, request_id, welcome)

    def _end_session(self, session: SessionId) -> None:
        self.outbox.leave(session)
        if self._sessions.pop(session, None) is not None:
            self._feed(SessionEnded(session=session))
            self._feed(SessionsCounted(sessions=len(self._sessions)))


def _can_read(socket: "zmq.Socket[bytes]") -> bool:
    """Cheaper than an exception, which is what reading from an empty socket costs, and than asking for its events."""
    return bool(zmq.zmq_poll([(socket, POLLIN)], 0))


def _receive_parts(socket: "zmq.Socket[bytes]") -> "Frames":
    """The rest of a message; each of its frames knows whether there is another, which the socket need not be asked."""
    parts = [socket.recv(NOBLOCK, copy=False)]
    while parts[-1].more:
        parts.append(socket.recv(NOBLOCK, copy=False))
    return parts
