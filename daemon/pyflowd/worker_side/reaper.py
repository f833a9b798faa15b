"""The deaths of workers, from the kernel's news to the report.

    dead, still a zombie -> its process group killed -> reaped -> what it left behind killed and reaped -> reported

A zombie keeps its number, so the group that is killed cannot be another's. Deaths are gathered for a moment, and one
look shows what a whole flock has left behind. Refuses to block: what is slow to die is looked at again when the kernel
has news of it.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time

from . import linux, scratch, strangers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, List

    from .scratch import ScratchFolders

    Exit = List[Any]

GATHER_S = 0.01  # deaths come in flocks: seeing to each at once would take three times the work
LOOK_AGAIN_S = 0.2
REPORT_DELAY_S = 2.0  # the longest that a report waits for strangers to die
SIGNAL_BYTES = 128


class Reaper:
    """Every process that the zygote forked. Hands exits [id, pid, wait status, cpu_s, max_rss_kb] to `report`."""

    def __init__(self, report: Callable[[list[Exit]], None], folders: ScratchFolders) -> None:
        self._report = report
        self._folders = folders
        self._workers: dict[int, tuple[int, str]] = {}  # pid -> (worker id, scratch folder)
        self._cleaners: set[int] = set()
        self._waiting: list[tuple[Exit, str]] = []  # reaped; not reported, for they may have left strangers
        self._report_by_s: float | None = None
        self._turn_at_s: float | None = None
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        self._signals = linux.open_signalfd(signal.SIGCHLD)

    def fileno(self) -> int:
        """Readable when a child died."""
        return self._signals

    def timeout_ms(self) -> int | None:
        """When the next turn is due even if no child dies."""
        if self._turn_at_s is None:
            return None
        left_s = self._turn_at_s - time.monotonic()
        return int(left_s * 1000) + 1 if left_s > 0 else 0

    def add(self, pid: int, worker: int, folder: str) -> None:
        """A worker was forked."""
        self._workers[pid] = worker, folder

    def notice(self) -> None:
        """A child died: it will be seen to in a moment, with those that die until then."""
        self._clear_signal()
        soon_s = time.monotonic() + GATHER_S
        self._turn_at_s = soon_s if self._turn_at_s is None else min(self._turn_at_s, soon_s)

    def turn(self) -> None:
        """Once it is due: reap who died, kill what they left behind, report who is gone with all of it."""
        if self.timeout_ms() == 0:
            self._turn()

    def kill_all(self, patience_s: float) -> None:
        """End every worker with everything it left."""
        for pid in self._workers:
            _kill_group(pid)
            os.kill(pid, signal.SIGKILL)  # for one that has no group of its own yet
        poll = select.poll()
        poll.register(self, select.POLLIN)
        give_up_s = time.monotonic() + patience_s
        self._turn_at_s = 0.0  # for what those left who died just now
        while self._workers or self._cleaners or self._turn_at_s is not None:
            self._turn()
            if time.monotonic() > give_up_s:
                return
            poll.poll(50)

    def _turn(self) -> None:
        self._waiting += self._reap()
        found = strangers.kill_strangers(self._workers.keys() | self._cleaners)
        now_s = time.monotonic()
        # Those killed may have had children of their own, which are ours then.
        self._turn_at_s = now_s + LOOK_AGAIN_S if found else None
        if found and self._waiting:
            self._report_by_s = self._report_by_s or now_s + REPORT_DELAY_S
            if now_s < self._report_by_s:
                return
        waiting, self._waiting, self._report_by_s = self._waiting, [], None
        self._bury(waiting, found)

    def _reap(self) -> list[tuple[Exit, str]]:
        """The workers that died, as (exit, scratch folder); strangers and cleaners leave without a word."""
        self._clear_signal()
        exits: list[tuple[Exit, str]] = []
        while True:
            try:
                news = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return exits
            if news is None:
                return exits
            pid = news.si_pid
            worker = self._workers.pop(pid, None)
            if worker is not None:
                _kill_group(pid)
            _, status, usage = os.wait4(pid, 0)
            self._cleaners.discard(pid)
            if worker is not None:
                cpu_s = round(usage.ru_utime + usage.ru_stime, 6)
                exits.append(([worker[0], pid, status, cpu_s, usage.ru_maxrss], worker[1]))

    def _clear_signal(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._signals, SIGNAL_BYTES)

    def _bury(self, exits: list[tuple[Exit, str]], are_known: bool) -> None:
        """Take the scratch folders back and report. `are_known`: a process may be left that knows the folders."""
        spoilt = [folder for _, folder in exits if are_known or not self._folders.give_back(folder)]
        if spoilt:
            self._cleaners.add(_fork_cleaner(spoilt))
        if exits:
            self._report([one for one, _ in exits])


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return


def _fork_cleaner(folders: list[str]) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        os.closerange(3, 1024)  # above all the control socket: its end must be seen when the zygote ends
        for folder in folders:
            scratch.remove_tree(folder)
    finally:
        os._exit(0)
