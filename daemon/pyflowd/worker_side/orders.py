"""What the daemon tells zygotes and workers: an order is a marshalled tuple, its kind first.

    ("start", scratch, terms, targets)                 once, before anything else; see `confinement`, `probes`
    ("preload", [module])                              once, when it was seen that the zygote is confined
    ("fork", [worker], rehearse)                       + link, stdout, stderr of each worker
    ("call", call, last, title, compiled, source, [output], seed, [(resource, most)], cpu_s, [(variable, text)],
     [(input, value)])
    ("again", call, more, [(input, value)])            the call before once more, in all but its inputs: see `resident`
    ("program", call, last, [step], [forgotten], seed, [(resource, most)], cpu_s, [(variable, text)], [("", value)])
    ("read", call, last)                               what a step of a program has written was read
    ("interrupt", call, last)                          before a SIGINT, to a worker that stays: see `resident`
    ("debug", call, last, how, title, ...)             as "call", with a debugger: see `debugging`
    ("turn", call, more, granted, [("terminal", its descriptor)])    the answer to a worker that asks for its turn
    ("inspect", call, last, [(title, source)])
    ("probe", call, last, targets)                     from the zygote itself: see `probes`

An order is one packet of a SOCK_SEQPACKET pair. One that is too large, or has values in memfds, is two (without
descriptors the second takes the first back):

    | marshalled number of descriptors |     | one byte | + descriptors: a memfd with the order, then its values' |

In such an order a value is its bytes, or the place of its descriptor; once received, the descriptor itself.

`last` says whether the worker may expect other orders (`MORE`, which is false), or is to leave once it has answered: at
once (`LEAVE`), or when it is dismissed, that is when the daemon hangs up (`WAIT`). A call whose code is empty is for
what the worker has loaded for the call before. The steps of a program are described in `shared`.

What a fresh process pays for is the memory pages that it writes to, and `marshal.loads` is one function in C that
writes to nothing but the objects it makes. It is for this direction only: a worker may trust the daemon, never the
other way round. Refuses nothing, therefore, and checks nothing.
"""

from __future__ import annotations

import os
from _socket import AF_UNIX, SOCK_SEQPACKET, socket
from marshal import dumps, loads
from os import readv

from . import frames

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Sequence, Tuple

    from .confinement import Terms
    from .probes import Targets

    Order = Tuple[Any, ...]

START, PRELOAD, FORK, CALL, INSPECT, PROBE = "start", "preload", "fork", "call", "inspect", "probe"
AGAIN, PROGRAM, READ, INTERRUPT = "again", "program", "read", "interrupt"
DEBUG, TURN = "debug", "turn"
MORE, WAIT, LEAVE = range(3)
ORDER_BYTES = 60000
MARSHAL_VERSION = 2  # every CPython 3 reads it, and a daemon may be newer than its environments
# Made before any fork: a worker copies the page or two that its order takes, and need not make room for the longest.
_buffer = bytearray(ORDER_BYTES)
_buffers = (_buffer,)


def send(channel: socket, order: Order, descriptors: Sequence[int] = ()) -> None:
    """Send an order to a worker; `descriptors` are those of its values. OSError when it is gone."""
    packet = dumps(order, MARSHAL_VERSION)
    if not descriptors and len(packet) <= ORDER_BYTES:
        channel.send(packet)
        return
    body = frames.spill(packet)
    try:
        assert body.descriptor is not None
        channel.send(dumps(1 + len(descriptors), MARSHAL_VERSION))
        try:
            frames.send_packet(channel, b"\0", [body.descriptor, *descriptors])
        except OSError:
            channel.send(b"\0")  # so that the next order is not taken for this one's rest
            raise
    finally:
        body.close()


def debugged(order: Order, how: tuple[str, Any]) -> Order:
    """A call's order, with a debugger: ("pdb", name of the terminal) or ("debugpy", port)."""
    _, call, last, *rest = order
    return (DEBUG, call, last, how, *rest)


def undebugged(order: Order) -> tuple[tuple[str, Any], Order]:
    """How to debug, and the order of the call."""
    _, call, last, how, *rest = order
    return how, (CALL, call, last, *rest)


def outputs_of(order: Order) -> Sequence[str]:
    """The names of the outputs that an order asks for."""
    names: Sequence[str] = order[6] if order[0] == CALL else order[7] if order[0] == DEBUG else ()
    return names


def send_start(control: socket, scratch: str, terms: Terms, targets: Targets | None = None) -> None:
    """Tell a zygote what it is for, and what to attack before it says that it is warm; OSError when it is gone."""
    control.send(dumps((START, scratch, terms, targets), MARSHAL_VERSION))


def send_preload(control: socket, names: Sequence[str]) -> None:
    """Let a zygote import modules, and go on; OSError when it is gone."""
    control.send(dumps((PRELOAD, list(names)), MARSHAL_VERSION))


def send_fork(control: socket, workers: Sequence[int], rehearse: bool, descriptors: Sequence[int]) -> None:
    """Ask a zygote for workers; OSError when it is gone."""
    frames.send_packet(control, dumps((FORK, list(workers), rehearse), MARSHAL_VERSION), descriptors)


def receive(descriptor: int) -> Order | None:
    """The next order of a worker, once there is one; None when the daemon has hung up."""
    try:
        if not readv(descriptor, _buffers):
            return None
    except ConnectionError:  # with something of ours that it had not read
        return None
    order: Order | int = loads(_buffer)
    return _receive_large(descriptor) if isinstance(order, int) else order


def receive_start(control: socket) -> tuple[str, Terms, Targets | None]:
    """(scratch, terms, targets); ClosedError."""
    _, scratch, terms, targets = _receive(control)
    return scratch, terms, targets


def receive_preload(control: socket) -> list[str]:
    """The modules to preload; ClosedError."""
    names: list[str]
    _, names = _receive(control)
    return names


def _receive(control: socket) -> Order:
    packet, _ = frames.receive_packet(control, ORDER_BYTES)
    if not packet:
        raise frames.ClosedError()
    order: Order = loads(packet)
    return order


def receive_fork(control: socket) -> tuple[list[int], bool, list[int]]:
    """(workers, whether they shall rehearse, descriptors); ClosedError."""
    packet, descriptors = frames.receive_packet(control, ORDER_BYTES)
    if not packet:
        raise frames.ClosedError()
    _, workers, rehearse = loads(packet)
    return workers, rehearse, descriptors


def read_value(descriptor: int) -> bytes:
    """The bytes of a value in a memfd, which is closed."""
    segment = frames.Segment(descriptor=descriptor, size=os.fstat(descriptor).st_size)
    try:
        return segment.read()
    finally:
        segment.close()


def _receive_large(descriptor: int) -> Order | None:
    link = socket(AF_UNIX, SOCK_SEQPACKET, 0, descriptor)
    try:
        _, descriptors = frames.receive_packet(link, 1)
    finally:
        link.detach()
    if not descriptors:
        return receive(descriptor)  # it could not be sent after all
    order = loads(read_value(descriptors[0]))
    values = [(name, descriptors[value] if isinstance(value, int) else value) for name, value in order[-1]]
    return (*order[:-1], values)
