"""A worker, from the fork to its end.

First it becomes a process of its own: session, death with the zygote, orphans, descriptors, scratch folder. Then it
answers frames from its link until the daemon closes it, or after the call marked `last`. Refuses to return into
the zygote: every way out is `os._exit`.
"""

from __future__ import annotations

import fcntl
import gc
import os
import sys
from _signal import SIG_SETMASK, pthread_sigmask, sigtimedwait  # type: ignore[import-not-found]
from _socket import AF_UNIX, SOCK_SEQPACKET, socket

from . import failures, frames, linux, node_call, node_module, rehearsal
from .scratch import MODE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Sequence, Tuple

    from .frames import Header, Segment

    Birth = Tuple[Tuple[int, int, int], int, bytes, bool, int]

LINK = 250  # out of the way of the node's own descriptors, within the kernel's second size of descriptor table
# A worker that leaves with nothing running behind it says so by this status: the zygote then need not look.
CLEAN_EXIT = 0xB7
LOST_ZYGOTE = 0xB8
_NOTHING = bytes(4)
_variables = os.environ._data  # type: ignore[attr-defined]  # what `os.environ` and `os.environb` are views of


def live(birth: Birth, rehearse: bool) -> None:
    """The whole life of a worker; never returns.

    `birth` is what it needs from the zygote: the descriptors of its link, stdout and stderr, the highest one open,
    its scratch folder, whether that exists, the zygote's process id. `rehearse`: get ready for a call, if there is
    none yet.
    """
    status = 1
    try:
        _become_worker(*birth)
        link = socket(AF_UNIX, SOCK_SEQPACKET, 0, LINK)
        if rehearse and fcntl.ioctl(LINK, linux.FIONREAD, _NOTHING) == _NOTHING:
            rehearsal.rehearse(answer)
        _serve(link)
        status = 0 if _has_children() else CLEAN_EXIT
    except BaseException as error:
        failures.print_exception(error)
    finally:
        os._exit(status)


def _become_worker(
    streams: tuple[int, int, int], highest_descriptor: int, scratch: bytes, has_scratch: bool, zygote_pid: int
) -> None:
    os.setsid()
    linux.die_with_parent()
    if os.getppid() != zygote_pid:
        os._exit(LOST_ZYGOTE)  # it died before the kernel knew that we want to die with it
    linux.adopt_orphans()
    link, stdout, stderr = streams
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    os.dup2(link, LINK, False)
    os.closerange(3, LINK)
    os.closerange(LINK + 1, highest_descriptor + 1)
    _enter(scratch, has_scratch)
    os.putenv(b"TMPDIR", scratch)
    _variables[b"TMPDIR"] = scratch
    tempfile: Any = sys.modules.get("tempfile")
    if tempfile is not None:
        tempfile.tempdir = None  # found before TMPDIR was ours
    pthread_sigmask(SIG_SETMASK, node_call.INTERRUPT)
    _scatter_random_states()
    gc.enable()


def _enter(scratch: bytes, is_there: bool) -> None:
    try:
        if not is_there:
            os.mkdir(scratch, MODE)
        os.chdir(scratch)
    except FileNotFoundError:  # somebody cleaned up where temporary files lie
        os.makedirs(scratch, MODE)
        os.chdir(scratch)


def _scatter_random_states() -> None:
    """Siblings must not draw the same numbers. Python's own generator sees to itself."""
    random = sys.modules.get("numpy.random")
    if random is not None:
        random.seed(int.from_bytes(os.urandom(4), "little"))
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.seed()


def _serve(link: socket) -> None:
    served = False
    while True:
        try:
            header, segments, left = frames.receive(link)
        except (frames.ClosedError, ConnectionError):
            return  # at once: no one waits for what the node may have left to do
        for descriptor in left:
            os.close(descriptor)
        if served:
            sigtimedwait(node_call.INTERRUPT, 0)  # it came too late for the call that it was meant for
        answer(link, header, segments)
        served = True
        if header["last"]:
            link.recv(1)  # its end costs more than many a call: it waits until the daemon has passed the answer on
            return


def answer(link: socket, header: Header, segments: Sequence[Segment]) -> None:
    """Answer one frame of the daemon."""
    if header["kind"] == "call":
        node_call.NodeCall(link, header, segments).perform()
    elif header["kind"] == "inspect":
        from . import inspection  # with `ast`: a hundred pages that each fork would have to copy the table of

        inspected = [
            inspection.inspect_source(segment.read(), node_module.filename(title))
            for segment, title in zip(segments, header["titles"])
        ]
        interfaces = [interface for interface, _ in inspected]
        compiled = [frames.Segment(code or b"") for _, code in inspected]
        frames.send(link, {"kind": "inspected", "call": header["call"], "interfaces": interfaces}, compiled)
    for segment in segments:
        segment.close()


def _has_children() -> bool:
    """Whether any descendant is left: a worker adopts its orphans, so without children it has no descendants."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True
