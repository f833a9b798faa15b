"""A daemon for those who find none: started in a session of its own, awaited through a pipe.

It refuses to guess: whether somebody listens is asked of the socket itself, whether a started daemon is ready of the
pipe it holds. A daemon that loses the race against another one closes the pipe, and then the other one answers.
"""

import os
import select
import socket
import sys
import threading
import time
from io import FileIO
from pathlib import Path

from pyflowd_client.errors import DaemonUnavailable
from pyflowd_client.location import Location
from pyflowd_client.protocol.errors import ExitStatus

TYPE_CHECKING = False
if TYPE_CHECKING:
    from io import BufferedWriter
    from subprocess import Popen

START_DEADLINE_S = 30.0
WINNER_POLL_S = 0.02
LOG_TAIL_LINES = 8


def ensure_daemon(location: Location, *, autostart: bool = True) -> None:
    """Return when somebody listens at the location; DaemonUnavailable when nobody does and none can be started."""
    if is_listening(location.address):
        return
    if not autostart:
        raise DaemonUnavailable(f"no daemon is running at {location.address}.")
    start_daemon(location)


def is_listening(address: str) -> bool:
    """Whether a daemon accepts connections at the socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(address)
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except OSError as error:
            raise DaemonUnavailable(f"cannot connect to {address}: {error.strerror}.") from None
    return True


def start_daemon(location: Location, *, leaves_when_idle: bool = True) -> None:
    """Start a daemon and wait until it, or another one, listens."""
    StartingDaemon(location, leaves_when_idle=leaves_when_idle).wait()


class StartingDaemon:
    """A daemon on its way, for those who have something else to do until it listens. To be waited for, once."""

    def __init__(self, location: Location, *, leaves_when_idle: bool = True) -> None:
        """DaemonUnavailable when there is none to start, LocationRefused when there is no place for it."""
        _require_daemon_package()
        location.prepare()
        self._address = location.address
        self._log = location.log
        self._give_up_at = time.monotonic() + START_DEADLINE_S
        ready, ready_fd = os.pipe()
        self._ready = os.fdopen(ready, "rb", buffering=0)
        try:
            with open(self._log, "ab") as log:
                self._log_start = log.seek(0, os.SEEK_END)
                self._process = _spawn(location.address, log, ready_fd, leaves_when_idle=leaves_when_idle)
        except BaseException:
            self._ready.close()
            raise
        finally:
            os.close(ready_fd)

    def wait(self) -> None:
        """Return when it, or another one, listens; DaemonUnavailable says why none does."""
        with self._ready as pipe:
            is_ready = _await_byte(pipe, self._give_up_at)
        threading.Thread(target=self._process.wait, name="reap pyflowd", daemon=True).start()
        if not is_ready and not _await_winner(self._process, self._address, self._give_up_at):
            raise DaemonUnavailable(_explanation(self._log, self._log_start))


def _spawn(address: str, log: "BufferedWriter", ready_fd: int, *, leaves_when_idle: bool) -> "Popen[bytes]":
    import subprocess  # only needed when no daemon runs

    command = [sys.executable, "-P", "-m", "pyflowd", "--socket", address, "--ready-fd", str(ready_fd)]
    return subprocess.Popen(
        [*command, "--leave-when-idle"] if leaves_when_idle else command,
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        cwd="/",
        pass_fds=[ready_fd],
        start_new_session=True,
    )


def _require_daemon_package() -> None:
    from importlib.util import find_spec

    if find_spec("pyflowd") is None:
        raise DaemonUnavailable(
            f"no daemon is running, and {sys.executable} has none to start."
            " Install it there (pip install pyflowd), or name a running one with --socket or PYFLOWD_SOCKET."
        )


def _await_byte(pipe: FileIO, give_up_at: float) -> bool:
    """True when the daemon says it listens; False when it closed the pipe, or time is up."""
    poller = select.poll()
    poller.register(pipe, select.POLLIN)
    return bool(poller.poll(_ms_until(give_up_at))) and pipe.read(1) != b""


def _await_winner(daemon: "Popen[bytes]", address: str, give_up_at: float) -> bool:
    """Whether another daemon listens: ours left because that one holds the lock."""
    import subprocess

    try:
        status = daemon.wait(_ms_until(give_up_at) / 1000)
    except subprocess.TimeoutExpired:
        return is_listening(address)
    while not is_listening(address):
        if status != ExitStatus.BUSY or time.monotonic() > give_up_at:
            return False
        time.sleep(WINNER_POLL_S)  # it has the lock and will listen in a moment, which nothing announces to us
    return True


def _ms_until(moment: float) -> float:
    return max(0.0, moment - time.monotonic()) * 1000


def _explanation(log: Path, start: int) -> str:
    with open(log, "rb") as file:
        file.seek(start)
        lines = file.read().decode(errors="replace").splitlines()[-LOG_TAIL_LINES:]
    if not lines:
        return f"the daemon did not start, and said nothing in {log}."
    return "\n  ".join([f"the daemon did not start. The end of {log}:", *lines])
