"""The deaths of workers, from the kernel's news to the report.

    dead, still a zombie -> its process group killed -> reaped -> what it left behind killed and reaped -> reported

A zombie keeps its number, so the group that is killed cannot be another's. Deaths are gathered for a moment, and one
look shows what a whole flock has left behind. Where workers have namespaces of their own, what one left behind ends
with its guard, the first process there, and once that is reaped nothing is left. Refuses to block: what is slow to die
is looked at again when the kernel has news of it.
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
    from typing import Any, Callable, List, Tuple, Union

    from .scratch import OwnFolder, ScratchFolders

    Exit = List[Any]
    Folders = Union[OwnFolder, ScratchFolders]
    Gone = Tuple[Exit, str]  # with the worker's scratch folder

GATHER_S = 0.01  # deaths come in flocks: seeing to each at once would take three times the work
LOOK_AGAIN_S = 0.2
GUARD_DIES_S = 0.001  # it and what is left in its namespace
REPORT_DELAY_S = 2.0  # the longest that a report waits for strangers to die
SIGNAL_BYTES = 128


class Reaper:
    """Every process that the zygote forked. Hands exits [id, pid, wait status, cpu_s, max_rss_kb] to `report`."""

    def __init__(self, report: Callable[[list[Exit]], None], folders: Folders) -> None:
        self._report = report
        self._folders = folders
        self._workers: dict[int, tuple[int, str, int]] = {}  # pid -> (worker id, scratch folder, guard or 0)
        self._guards: dict[int, Gone | None] = {}  # pid -> its worker's end, once that is dead
        self._cleaners: set[int] = set()
        self._waiting: list[Gone] = []  # reaped; not reported, for they may have left strangers
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

    def add(self, pid: int, worker: int, folder: str, guard: int) -> None:
        """A worker was forked; `guard`: the first process of its namespace, 0 when it has none."""
        self._workers[pid] = worker, folder, guard
        if guard:
            self._guards[guard] = None

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
        while self._workers or self._guards or self._cleaners or self._turn_at_s is not None:
            self._turn()
            if time.monotonic() > give_up_s:
                return
            poll.poll(50)

    def _turn(self) -> None:
        self._turn_at_s = None
        self._waiting += self._reap()
        found = not self._guards and self._kill_strangers()
        if self._waiting and not found:
            self._bury_waiting(False)

    def _kill_strangers(self) -> bool:
        """Whether there were any; the dead are reported without waiting for them any longer, if it takes too long."""
        found = strangers.kill_strangers(self._workers.keys() | self._cleaners)
        if found:
            now_s = time.monotonic()
            # Those killed may have had children of their own, which are ours then.
            self._turn_at_s = now_s + LOOK_AGAIN_S
            if self._waiting:
                self._report_by_s = self._report_by_s or now_s + REPORT_DELAY_S
                if now_s >= self._report_by_s:
                    self._bury_waiting(True)
        return found

    def _reap(self) -> list[Gone]:
        """The workers that are gone; strangers and cleaners leave without a word."""
        self._clear_signal()
        gone: list[Gone] = []
        while True:
            try:
                news = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return gone
            if news is None:
                return gone
            pid = news.si_pid
            worker = self._workers.pop(pid, None)
            if worker is not None:
                _kill_group(pid)
            _, status, usage = os.wait4(pid, 0)
            self._cleaners.discard(pid)
            ended = self._guards.pop(pid, None)
            if ended is not None:
                gone.append(ended)
            if worker is not None:
                cpu_s = round(usage.ru_utime + usage.ru_stime, 6)
                gone += self._see_off(([worker[0], pid, status, cpu_s, usage.ru_maxrss], worker[1]), worker[2])

    def _see_off(self, gone: Gone, guard: int) -> list[Gone]:
        """A worker is dead; it is gone once its guard is, with everything between them."""
        if guard not in self._guards:
            return [gone]
        self._guards[guard] = gone
        os.kill(guard, signal.SIGKILL)
        self._turn_at_s = time.monotonic() + GUARD_DIES_S
        return []

    def _clear_signal(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.read(self._signals, SIGNAL_BYTES)

    def _bury_waiting(self, are_known: bool) -> None:
        """Take the scratch folders back and report. `are_known`: a process may be left that knows the folders."""
        waiting, self._waiting, self._report_by_s = self._waiting, [], None
        spoilt = [folder for _, folder in waiting if are_known or not self._folders.give_back(folder)]
        if spoilt:
            self._cleaners.add(_fork_cleaner(spoilt))
        self._report([exit_ for exit_, _ in waiting])


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
