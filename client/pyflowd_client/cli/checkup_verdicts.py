"""What the command itself has seen, judged. Looks at nothing."""

import time
from typing import NamedTuple

from pyflowd_client.cli.values import shown_time
from pyflowd_client.protocol.replies import Observation
from pyflowd_client.protocol.states import Health

EARLIEST, LATEST = 1_735_689_600.0, 4_102_444_800.0  # 2025 and 2100: no clock that is set shows other years
TOLERATED_S = 2.0
OTHERS, OTHERS_WRITE = 0o077, 0o022
RESTART = "$ pyflowctl stop\nThe next command starts a daemon anew."


class Place(NamedTuple):
    """The socket, and what lies around it. problem: why nobody can connect, other than that nobody listens."""

    address: str
    folder: str
    owner: int | None
    mode: int | None
    is_there: bool
    listens: bool
    problem: str
    holder: int | None


def refused_location(reason: str) -> Observation:
    """There is no place for a socket."""
    return Observation(
        area="sockets",
        name="location",
        state=Health.ATTENTION,
        detail=reason,
        exposes="No daemon can be reached, so nothing else was examined. Who owns the socket is sent your graphs.",
        remedy="Close the folder if it is yours, else name another socket with --socket:\n$ chmod 700 FOLDER",
        matters=True,
    )


def folder(place: Place, uid: int) -> Observation:
    """Whether nobody else can put a socket of his own there."""
    if place.owner is None or place.mode is None:
        detail = "there is none yet"
        return Observation(area="sockets", name=place.folder, state=Health.UNKNOWN, detail=detail)
    detail = f"belongs to {'you' if place.owner == uid else f'user {place.owner}'}, mode {place.mode:o}"
    if place.owner == uid and not place.mode & OTHERS:
        return Observation(area="sockets", name=place.folder, state=Health.OK, detail=detail)
    others_write = place.owner != uid or bool(place.mode & OTHERS_WRITE)
    return Observation(
        area="sockets",
        name=place.folder,
        state=Health.ATTENTION,
        detail=f"{detail}; needed is 700",
        exposes="Others could put a socket of theirs in the place of the daemon's, and be sent your graphs."
        if others_write
        else "Others see that there is a socket; the daemon refuses them.",
        remedy=f"$ chmod 700 {place.folder}" if place.owner == uid else "Name another socket with --socket.",
        matters=others_write,
    )


def socket(place: Place) -> Observation:
    """Whether it is what it seems to be, before anybody connects."""
    holder = f", the lock is held by process {place.holder}" if place.holder else ""
    if place.problem:
        return Observation(
            area="sockets",
            name=place.address,
            state=Health.ATTENTION,
            detail=place.problem,
            exposes="No daemon can be reached there.",
            remedy="See what lies there and whose it is, or name another socket with --socket:\n"
            f"$ ls -l {place.address}",
            matters=True,
        )
    if place.listens:
        return Observation(area="sockets", name=place.address, state=Health.OK, detail=f"a daemon listens{holder}")
    if place.holder:
        return Observation(
            area="sockets",
            name=place.address,
            state=Health.ATTENTION,
            detail=f"nobody listens, yet process {place.holder} holds the lock: it starts, ends or hangs",
            exposes="As long as it does, no other daemon can start.",
            remedy=f"If that lasts, see what it is, and end it:\n$ ps -fp {place.holder}\n$ kill {place.holder}",
            matters=True,
        )
    detail = "nobody listened; a socket was left behind, which the next daemon removes"
    return Observation(
        area="sockets",
        name=place.address,
        state=Health.OK,
        detail=detail if place.is_there else "free, no daemon ran",
    )


def daemon(version: str, pid: int, ours: str) -> Observation:
    """It speaks our protocol."""
    detail = f"version {version} answers, process {pid}"
    if version == ours:
        return Observation(area="daemon", name="pyflowd", state=Health.OK, detail=detail)
    return Observation(
        area="daemon",
        name="pyflowd",
        state=Health.ATTENTION,
        detail=f"{detail}; this command is of version {ours}",
        exposes="What is new in one of them is not to be had.",
        remedy=RESTART,
    )


def no_daemon(reason: str, log: str, *, may_start: bool) -> Observation:
    """None can be asked."""
    return Observation(
        area="daemon",
        name="pyflowd",
        state=Health.MISSING,
        detail=reason,
        exposes=f"{'No graph can be run, and how' if may_start else 'How'} well nodes are kept in was not examined.",
        remedy=f"Its log may say more:\n$ tail -n 50 {log}" if may_start else "Let it start one:\n$ pyflowctl doctor",
        matters=True,
    )


def unexamined(reason: str, *, is_older: bool) -> Observation:
    """The daemon would not."""
    return Observation(
        area="daemon",
        name="examination",
        state=Health.UNKNOWN,
        detail="the daemon is older than this command, and cannot examine itself" if is_older else reason,
        exposes="How well nodes are kept in could not be examined.",
        remedy=RESTART,
        matters=True,
    )


def node_ran(is_right: bool, took_s: float, log: str) -> Observation:
    """A node gave something back."""
    if is_right:
        return Observation(area="daemon", name="a node", state=Health.OK, detail=f"ran, in {shown_time(took_s)}")
    return node_failed("it ran, but gave back something else than its code says", log)


def node_failed(reason: str, log: str) -> Observation:
    """A node that cannot fail did."""
    return Observation(
        area="daemon",
        name="a node",
        state=Health.ATTENTION,
        detail=f"did not run: {reason}",
        exposes="No graph runs with the default interpreter.",
        remedy=f"See what is said of interpreter and sandbox here, and in the daemon's log:\n$ tail -n 50 {log}",
        matters=True,
    )


def times(daemons: float, ours: float) -> Observation:
    """Whether events tell the right time."""
    apart_s = abs(ours - daemons)
    if apart_s <= TOLERATED_S:
        return Observation(
            area="clock", name="daemon's clock", state=Health.OK, detail="tells the same time as this command"
        )
    return Observation(
        area="clock",
        name="daemon's clock",
        state=Health.ATTENTION,
        detail=f"is {shown_time(apart_s)} {'behind' if daemons < ours else 'ahead'}: the clock was set, or the machine"
        " slept, since it started",
        exposes="The times of events are wrong by that much; limits are not.",
        remedy=RESTART,
    )


def clock(now: float, went_on_s: float) -> Observation:
    """Whether time is told here, and passes. went_on_s: by the monotonic clock, in which something took place."""
    shown = time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(now))
    if EARLIEST <= now < LATEST and went_on_s > 0:
        return Observation(area="clock", name="wall clock", state=Health.OK, detail=shown)
    return Observation(
        area="clock",
        name="wall clock",
        state=Health.ATTENTION,
        detail=f"shows {shown}" if went_on_s > 0 else "stands still",
        exposes="Time limits do not work."
        if went_on_s <= 0
        else "Certificates are refused, and events bear wrong times.",
        remedy="$ sudo timedatectl set-ntp true",
        matters=True,
    )
