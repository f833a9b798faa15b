"""What the kernel says of processes."""

import os
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


def ending(status: int) -> str:
    """How a process ended, by its exit status, or minus the number of its signal."""
    number = -status if status < 0 else status - SHELL_SIGNAL
    with suppress(ValueError):
        return f"was ended by {signal.Signals(number).name}"
    return f"left with status {status}"
