"""One fork server: started, asked to fork, listened to.

A zygote lives as long as its control socket: when the daemon dies, however it dies, the kernel closes the
socket and the zygote takes its workers with it.
"""

import logging
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pyflowd.core.effects import StartZygote
from pyflowd.core.ids import WorkerId
from pyflowd.core.profiles import profile_of
from pyflowd.core.stimuli import ForkFailed, Stimulus, WorkerExited, WorkersForked, ZygoteLost, ZygoteWarmed
from pyflowd.core.usage import Usage
from pyflowd.sandbox.sandboxes import WORKER_SIDE, Sandbox
from pyflowd.shell.denials import Denials
from pyflowd.shell.links import WorkerLink, read_pid
from pyflowd.shell.poller import Poller
from pyflowd.worker_side import BIND_NOW, frames, orders

WORKERS_A_FRAME = 80
LAST_WORDS_BYTES = 4096
PASSED_ON = ("HOME", "USER", "LOGNAME", "PATH", "LANG", "LANGUAGE", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR")
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")

log = logging.getLogger(__name__)


def zygote_variables(variables: Mapping[str, str]) -> dict[str, str]:
    """The environment variables that nodes see: who and where, no secrets, and one thread per process for BLAS.

    A zygote that computes with threads before it forks would leave its children with locks that nobody opens. One that
    bound its libraries' functions at their first call would leave that to each child; nodes do not see this variable.
    """
    passed = {name: value for name, value in variables.items() if name in PASSED_ON or name.startswith("LC_")}
    return {"LANG": "C.UTF-8", **passed, **dict.fromkeys(ONE_THREAD, "1"), BIND_NOW: "1"}


def _uid_of(pid: int) -> int:
    """The user that a process is, where we are; 0, the most dangerous, when it is gone."""
    with suppress(OSError), open(f"/proc/{pid}/status", "rb") as file:
        for line in file:
            if line.startswith(b"Uid:"):
                return int(line.split()[1])
    return 0


def _pid_of(pidfd: int) -> int:
    """The process id, of a descriptor that is not needed any more."""
    try:
        return read_pid(pidfd)
    finally:
        os.close(pidfd)


@dataclass(frozen=True, slots=True, kw_only=True)
class Superior:
    """Whom a fork server turns to before it is the core's, and with what is none of the core's business.

    judge: what is in the way of using it, given the attacks that succeeded, and the user that it is. unfit: why it was
    ended before it was warm, and whether that was for its weakness. uncompiled: its interpreter has not kept the code
    for workers.
    has_run_out_of_memory: whether the kernel has ended a worker for that.
    """

    judge: Callable[[list[str] | None, int], str]
    unfit: Callable[[str, bool], None]
    uncompiled: Callable[[str], None]
    has_run_out_of_memory: Callable[[WorkerId], bool]


class ZygoteProcess:
    """One fork server and the links to its workers. Before it is warm it is nobody's but its superior's."""

    def __init__(
        self,
        start: StartZygote,
        fingerprint: str,
        sandbox: Sandbox,
        poller: Poller,
        feed: Callable[[Stimulus], None],
        superior: Superior,
    ) -> None:
        self.id = start.zygote
        self._fingerprint = fingerprint
        self.environment = sandbox.environment
        self.links: dict[WorkerId, WorkerLink] = {}
        self.pid: int | None = None
        self._sandbox = sandbox
        self._poller = poller
        self._feed = feed
        self._superior = superior
        self._denials = Denials(profile_of(sandbox.environment), seen=sandbox.seen, own=sandbox.own, user=sandbox.user)
        self._is_over = False
        self._control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._control.setblocking(False)
        words_read, words_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        os.set_blocking(words_write, True)
        self._words = words_read
        try:
            with theirs:
                self._process = subprocess.Popen(
                    [*sandbox.prefix, sandbox.python, "-I", str(WORKER_SIDE), str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=words_write,
                    env=zygote_variables(os.environ),
                    cwd="/",
                    pass_fds=[theirs.fileno(), *sandbox.descriptors],
                    start_new_session=True,
                )
        except OSError:
            self._control.close()
            os.close(words_read)
            raise
        finally:
            os.close(words_write)
        with suppress(OSError):  # gone already, which is seen when its end of the socket is
            orders.send_start(self._control, str(sandbox.scratch), dict(sandbox.terms), (), sandbox.targets)
        poller.watch(self._control.fileno(), self._read_control)
        poller.watch(words_read, self._read_words)
        self._last_words = b""

    def fork(self, workers: tuple[WorkerId, ...], *, rehearse: bool) -> None:
        """Ask for processes; frames may be sent to them at once."""
        for start in range(0, len(workers), WORKERS_A_FRAME):
            self._fork(workers[start : start + WORKERS_A_FRAME], rehearse=rehearse)

    def _fork(self, workers: tuple[WorkerId, ...], *, rehearse: bool) -> None:
        made: list[WorkerLink] = []
        try:
            for worker in workers:  # no comprehension: those already made must be closed when one cannot be
                made.append(WorkerLink(worker, self._poller, self._feed, self._denials.hint))  # noqa: PERF401
            descriptors = [descriptor for link in made for descriptor in link.child_ends]
            orders.send_fork(self._control, workers, rehearse, descriptors)
        except OSError as error:
            for link in made:
                link.close_child_ends()
                link.close()
            self._feed(ForkFailed(zygote=self.id, workers=workers, message=str(error)))
            return
        for link in made:
            link.close_child_ends()
            self.links[link.worker] = link

    def end(self, patience_s: float) -> None:
        """Close the control socket, which ends the zygote and its workers; kill it if it does not listen."""
        self._close_descriptors()
        try:
            self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            log.warning("the zygote of %s does not leave, killing it", self.environment)
            self._process.kill()
            self._process.wait()

    def discard(self) -> None:
        """End the zygote and its spares at once."""
        self._process.kill()
        self._process.wait()
        self._close_descriptors()

    def _lose(self, reason: str) -> None:
        """The zygote is of no use any more: nothing that it made may stay."""
        if self._is_over:
            return
        for link in self.links.values():
            link.signal(signal.SIGKILL)
            link.drain()
        self._process.kill()
        status = self._process.wait()
        self._read_words()
        self._close_descriptors()
        words = self._last_words.decode("utf-8", "replace").strip()
        reason = f"{reason}: {words.splitlines()[-1]}" if words else reason
        if self.pid is not None:
            self._feed(ZygoteLost(zygote=self.id, reason=f"{self._sandbox.python} {reason}"))
            return
        if not words:
            reason = f"{reason} with status {status} before it could run nodes: is it a Python interpreter?"
        self._superior.unfit(f"{self._sandbox.python} {reason}", False)

    def _reject(self, reason: str) -> None:
        """It runs, and is not what it should be."""
        self._read_words()
        words = self._last_words.decode("utf-8", "replace").strip()
        if words:
            log.info("its last words: %s", words)
        self.discard()
        self._superior.unfit(reason, True)

    def _close_descriptors(self) -> None:
        self._is_over = True
        for link in self.links.values():
            link.close()
        self.links = {}
        self._poller.forget(self._control.fileno())
        self._control.close()
        self._poller.forget(self._words)
        os.close(self._words)

    def _read_words(self) -> None:
        with suppress(BlockingIOError):
            data = os.read(self._words, LAST_WORDS_BYTES)
            if not data:
                self._poller.forget(self._words)
            self._last_words = (self._last_words + data)[-LAST_WORDS_BYTES:]

    def _read_control(self) -> None:
        try:
            while not self._is_over:
                header, segments, descriptors = frames.receive(self._control)
                for segment in segments:
                    segment.close()
                self._take(header, descriptors)
        except BlockingIOError:
            return
        except (frames.ClosedError, ConnectionResetError):
            self._lose("ended")
        except (frames.FrameError, KeyError, TypeError, ValueError) as error:
            self._lose(f"sent nonsense ({error!r})")

    def _take(self, header: dict[str, Any], descriptors: list[int]) -> None:
        kind = header["kind"]
        if kind == "forked":
            self._forked(header["workers"], descriptors)
            return
        pids = [_pid_of(descriptor) for descriptor in descriptors]
        if kind == "exited":
            for worker, _pid, status, cpu_s, max_rss_kb in header["workers"]:
                usage = Usage(cpu_s=float(cpu_s), peak_memory_bytes=int(max_rss_kb) * 1024)
                self._exited(WorkerId(worker), int(status), usage)
        elif kind == "warm":
            self._warmed(header, pids[0])
        elif kind == "fork_failed":
            workers = tuple(WorkerId(worker) for worker in header["workers"])
            for worker in workers:
                self._drop(worker)
            message = str(header["message"])
            self._feed(ForkFailed(zygote=self.id, workers=workers, message=message))

    def _warmed(self, header: dict[str, Any], pid: int) -> None:
        successes = header["successes"]
        named = successes if successes is None else [str(name) for name in successes]
        obstacle = self._superior.judge(named, _uid_of(pid))
        if obstacle:
            self._reject(obstacle)
            return
        self.pid = pid
        if not header["compiled"]:
            self._superior.uncompiled(self._sandbox.python)
        tier = self._sandbox.tier.name
        log.info("zygote %d is warm: %s %s, %s", pid, self.environment, header["version"], tier)
        lacks = (*map(str, header["lacks"]), *self._sandbox.reasons)
        for layer in lacks:
            log.warning("nodes of %s go without a layer of protection: %s", self.environment, layer)
        version = str(header["version"])
        self._feed(
            ZygoteWarmed(
                zygote=self.id, pid=pid, version=version, tier=tier, lacks=lacks, fingerprint=self._fingerprint
            )
        )

    def _forked(self, workers: list[list[int]], descriptors: list[int]) -> None:
        born: list[WorkerId] = []
        for (worker, _), pidfd in zip(workers, descriptors, strict=True):
            link = self.links.get(WorkerId(worker))
            if link is None:
                os.close(pidfd)
                continue
            link.born(pidfd)
            born.append(WorkerId(worker))
        self._feed(WorkersForked(workers=tuple(born)))

    def _exited(self, worker: WorkerId, status: int, usage: Usage) -> None:
        link = self.links.get(worker)
        if link is None:
            return
        link.drain()
        self._drop(worker)
        out_of_memory = status == signal.SIGKILL and self._superior.has_run_out_of_memory(worker)
        self._feed(WorkerExited(worker=worker, status=status, usage=usage, out_of_memory=out_of_memory))

    def _drop(self, worker: WorkerId) -> None:
        link = self.links.pop(worker, None)
        if link is not None:
            link.close()
