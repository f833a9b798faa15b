"""What the kernel says of processes."""

import os
import select
import signal
from contextlib import suppress

GONE = -1  # as the kernel says
SHELL_SIGNAL = 128  # added to a signal's number, by shells and by bubblewrap


def read_pid(pidfd: int) -> int:
    """The number of a process where we are; `GONE` when it is."""
    with open(f"/proc/self/fdinfo/{pidfd}", "rb") as file:
        for line in file:
            if line.startswith(b"Pid:"):
                return int(line[4:])
    return GONE


def take_pid(pidfd: int) -> int:
    """The same, of a descriptor that is not needed any more."""
    try:
        return read_pid(pidfd)
    finally:
        os.close(pidfd)


def uid_of(pid: int) -> int:
    """The user that a process is, where we are; 0, the most dangerous, when it is gone."""
    with suppress(OSError), open(f"/proc/{pid}/status", "rb") as file:
        for line in file:
            if line.startswith(b"Uid:"):
                return int(line.split()[1])
    return 0


def parent_of(pid: int) -> int:
    """The number of a process's parent where we are; `GONE` when the process is."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            stat = file.read()
    except OSError:
        return GONE
    return int(stat[stat.rindex(b")") + 1 :].split(None, 2)[1])


def has_ended(pid: int, patience_s: float) -> bool:
    """Whether a child of ours ends within this time; it is not reaped, so that its number stays its own."""
    pidfd = os.pidfd_open(pid)
    try:
        return is_dead(pidfd, patience_s)
    finally:
        os.close(pidfd)


def is_dead(pidfd: int, patience_s: float = 0.0) -> bool:
    """Whether a process has ended, or does so within this time, reaped or not."""
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(int(patience_s * 1000)))


def ending(status: int) -> str:
    """How a process ended, by its exit status, or minus the number of its signal."""
    number = -status if status < 0 else status - SHELL_SIGNAL
    with suppress(ValueError):
        return f"was ended by {signal.Signals(number).name}"
    return f"left with status {status}"
