"""The client's end of the connection: a DEALER socket, and a monitor that tells when the daemon is gone.

Without the monitor a dead daemon would look like a silent one, and libzmq would reconnect to the next one, which
knows nothing of our session.
"""

from typing import Any, TypeVar

import zmq

from pyflowd_client.errors import DaemonLost, DaemonUnavailable, ProtocolMismatch
from pyflowd_client.location import Location
from pyflowd_client.protocol.replies import Reply

R = TypeVar("R", bound=Reply)
S = TypeVar("S", bound=zmq.Socket[Any])

HELLO_DEADLINE_S = 10.0
ATTEMPTS = 3
PEER_IS_GONE = (
    zmq.EVENT_DISCONNECTED
    | zmq.EVENT_CLOSED
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
    | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL
)
OPTIONS = (
    (zmq.LINGER, 200),  # ms that closing may take to get the goodbye out
    (zmq.SNDHWM, 0),
    (zmq.RCVHWM, 0),  # the protocol's window bounds what comes
    (zmq.RECONNECT_IVL, 3_600_000),  # ms, for never: with -1 libzmq drops what has come and is not yet read
)


def open_dealer(context: zmq.Context[S], location: Location) -> tuple[S, S]:
    """The socket, connecting, and its monitor: once that is readable, nobody is at the other end."""
    socket = context.socket(zmq.DEALER)
    for option, value in OPTIONS:
        socket.set(option, value)
    monitor = socket.get_monitor_socket(PEER_IS_GONE)
    socket.connect(f"ipc://{location.address}")
    return socket, monitor


def close_dealer(context: zmq.Context[S], socket: S, monitor: S, *, is_heard: bool = True) -> None:
    """Close everything; what was sent gets its moment to leave, if there is somebody to hear it."""
    socket.disable_monitor()
    monitor.close(linger=0)
    socket.close(linger=None if is_heard else 0)
    context.term()


def expect(reply: Reply, expected: type[R]) -> R:
    """The reply, if it is of the kind that its request asks for."""
    if not isinstance(reply, expected):
        raise ProtocolMismatch(f"the daemon answered with {reply.NAME} where {expected.NAME} was due.")
    return reply


def lost(location: Location) -> DaemonLost:
    """The error for a connection that broke."""
    return DaemonLost(f"the connection to the daemon broke. Its log is {location.log}.")


def silent(location: Location) -> DaemonUnavailable:
    """The error for a greeting that is not answered."""
    return DaemonUnavailable(f"what listens at {location.address} does not answer.")
