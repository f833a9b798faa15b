"""A worker, from the fork to its end.

First it becomes a process of its own: session, death with the zygote, orphans, descriptors, scratch folder. Then it
answers frames from its link until the daemon closes it, or after the call marked `last`. Refuses to return into
the zygote: every way out is `os._exit`.
"""

from __future__ import annotations

import gc
import os
import select
import signal
import socket
import sys
from _signal import pthread_sigmask  # type: ignore[import-not-found]

from . import failures, frames, inspection, linux, node_call, node_module, rehearsal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Sequence

    from .frames import Header, Segment

LINK = 250  # out of the way of the node's own descriptors, within the kernel's second size of descriptor table
# A worker that leaves with nothing running behind it says so by this status: the zygote then need not look.
CLEAN_EXIT = 0xB7
LOST_ZYGOTE = 0xB8


class Birth:
    """What a worker needs from the zygote: its three descriptors, the highest one open, its scratch folder."""

    __slots__ = ("highest_descriptor", "link", "scratch", "stderr", "stdout", "zygote_pid")

    def __init__(self, descriptors: Sequence[int], highest_descriptor: int, scratch: str, zygote_pid: int) -> None:
        self.link, self.stdout, self.stderr = descriptors
        self.highest_descriptor = highest_descriptor
        self.scratch = scratch
        self.zygote_pid = zygote_pid


def live(birth: Birth) -> None:
    """The whole life of a worker; never returns."""
    status = 1
    try:
        _become_worker(birth)
        link = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET, 0, LINK)
        if not _has_frame(link):
            rehearsal.rehearse(answer)
        _serve(link)
        status = 0 if _has_children() else CLEAN_EXIT
    except BaseException as error:
        failures.print_exception(error)
    finally:
        os._exit(status)


def _become_worker(birth: Birth) -> None:
    os.setsid()
    linux.die_with_parent()
    if os.getppid() != birth.zygote_pid:
        os._exit(LOST_ZYGOTE)  # it died before the kernel knew that we want to die with it
    linux.adopt_orphans()
    os.dup2(birth.stdout, 1)
    os.dup2(birth.stderr, 2)
    os.dup2(birth.link, LINK, False)
    os.closerange(3, LINK)
    os.closerange(LINK + 1, birth.highest_descriptor + 1)
    os.mkdir(birth.scratch, 0o700)
    os.chdir(birth.scratch)
    os.environ["TMPDIR"] = birth.scratch
    tempfile: Any = sys.modules.get("tempfile")
    if tempfile is not None:
        tempfile.tempdir = None  # found before TMPDIR was ours
    pthread_sigmask(signal.SIG_SETMASK, node_call.INTERRUPT)
    _scatter_random_states()
    gc.enable()


def _scatter_random_states() -> None:
    """Siblings must not draw the same numbers. Python's own generator sees to itself."""
    random = sys.modules.get("numpy.random")
    if random is not None:
        random.seed(int.from_bytes(os.urandom(4), "little"))
    torch = sys.modules.get("torch")
    if torch is not None:
        torch.seed()


def _serve(link: socket.socket) -> None:
    served = False
    while True:
        try:
            header, segments, left = frames.receive(link)
        except (frames.ClosedError, ConnectionError):
            return  # at once: no one waits for what the node may have left to do
        for descriptor in left:
            os.close(descriptor)
        if served:
            signal.sigtimedwait(node_call.INTERRUPT, 0)  # it came too late for the call that it was meant for
        answer(link, header, segments)
        served = True
        if header["last"]:
            return


def answer(link: socket.socket, header: Header, segments: Sequence[Segment]) -> None:
    """Answer one frame of the daemon."""
    if header["kind"] == "call":
        node_call.NodeCall(link, header, segments).perform()
    elif header["kind"] == "inspect":
        inspected = [
            inspection.inspect_source(segment.read(), node_module.filename(title))
            for segment, title in zip(segments, header["titles"])
        ]
        interfaces = [interface for interface, _ in inspected]
        compiled = [frames.Segment(code or b"") for _, code in inspected]
        frames.send(link, {"kind": "inspected", "call": header["call"], "interfaces": interfaces}, compiled)
    for segment in segments:
        segment.close()


def _has_frame(link: socket.socket) -> bool:
    return bool(select.select([link], [], [], 0)[0])


def _has_children() -> bool:
    """Whether any descendant is left: a worker adopts its orphans, so without children it has no descendants."""
    try:
        os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True
