"""One fork server: started, asked to fork, listened to.

A zygote lives as long as its control socket: when the daemon dies, however it dies, the kernel closes the
socket and the zygote takes its workers with it.

    started > confined, judged > preloading, module by module > warm
                                                             > spoilt: started again without the module, by its superior

It imports packages, of which some may be hostile: from then on it is not believed more than a worker is.
"""

import asyncio
import logging
import os
import signal
import socket
import subprocess
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyflowd.core.ids import WorkerId, ZygoteId
from pyflowd.core.profiles import profile_of
from pyflowd.core.stimuli import ForkFailed, Stimulus, WorkerExited, WorkersForked, ZygoteLost, ZygoteWarmed
from pyflowd.core.usage import Usage
from pyflowd.environments.store import is_ours
from pyflowd.sandbox.sandboxes import WORKER_SIDE, Sandbox
from pyflowd.shell.denials import Denials
from pyflowd.shell.links import WorkerLink
from pyflowd.shell.poller import Poller
from pyflowd.shell.preload import Preload
from pyflowd.shell.process_facts import ending, take_pid, uid_of
from pyflowd.shell.shapes import imports_in, refusals_in, text_in, texts_in
from pyflowd.shell.zygote_frames import births_in, exits_in, workers_in
from pyflowd.worker_side import BIND_NOW, frames, orders

WORKERS_A_FRAME = 80
LAST_WORDS_BYTES = 4096
IMPORT_S = 30.0
LEAVES_S = 0.2
ENDED = "ended"
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


def _flags(sandbox: Sandbox) -> list[str]:
    """How the interpreter is started. Files of packages that a graph has chosen are executed once it is confined."""
    is_chosen = is_ours(Path(sandbox.python).parent.parent)
    return ["-I", "-S"] if is_chosen else ["-I"]


@dataclass(frozen=True, slots=True)
class Start:
    """What a fork server is started for: its number, the environment as it is now, and what it shall import."""

    zygote: ZygoteId
    fingerprint: str
    preload: Preload


@dataclass(frozen=True, slots=True, kw_only=True)
class Superior:
    """Whom a fork server turns to before it is the core's, and with what is none of the core's business.

    judge: what is in the way of using it, given the attacks that succeeded, and the user that it is. unfit: why it was
    ended before it was warm, and whether that was for its weakness. uncompiled: its interpreter has not kept the code
    for workers.
    spoilt: it is gone because of a module that it was to import ("": of all of them together), and why.
    call_later: of the loop.
    has_run_out_of_memory: whether the kernel has ended a worker for that.
    """

    judge: Callable[[list[str] | None, int], str]
    unfit: Callable[[str, bool], None]
    uncompiled: Callable[[str], None]
    spoilt: Callable[[str, str], None]
    call_later: Callable[[float, Callable[[], None]], asyncio.TimerHandle]
    has_run_out_of_memory: Callable[[WorkerId], bool]


class ZygoteProcess:
    """One fork server and the links to its workers. Before it is warm it is nobody's but its superior's."""

    def __init__(
        self,
        start: Start,
        sandbox: Sandbox,
        poller: Poller,
        feed: Callable[[Stimulus], None],
        superior: Superior,
    ) -> None:
        self._start = start
        self.environment = sandbox.environment
        self.links: dict[WorkerId, WorkerLink] = {}
        self.pid: int | None = None
        self._sandbox = sandbox
        self._poller = poller
        self._feed = feed
        self._superior = superior
        self._module: str | None = None  # which it imports; "" once it has imported all
        self._overdue: asyncio.TimerHandle | None = None
        self._proven_pid: int | None = None
        self._lacks: tuple[str, ...] = ()
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
                    [*sandbox.prefix, sandbox.python, *_flags(sandbox), str(WORKER_SIDE), str(theirs.fileno())],
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
            orders.send_start(self._control, str(sandbox.scratch), dict(sandbox.terms), sandbox.targets)
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
            self._feed(ForkFailed(zygote=self._start.zygote, workers=workers, message=str(error)))
            return
        for link in made:
            link.close_child_ends()
            self.links[link.worker] = link

    def dismiss(self) -> None:
        """Close the control socket, which ends the zygote and its workers."""
        self._close_descriptors()

    def end(self, patience_s: float) -> None:
        """Wait for the end of one that was dismissed; kill it if it does not listen."""
        try:
            self._process.wait(patience_s)
        except subprocess.TimeoutExpired:
            log.warning("the zygote of %s does not leave, killing it", self.environment)
            self._kill()

    def discard(self) -> None:
        """End the zygote and its spares at once."""
        self._kill()
        self._close_descriptors()

    def _kill(self) -> int:
        """End it with what it may have started besides workers; its status."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        return self._process.wait()

    def _lose(self, reason: str) -> None:
        """The zygote is of no use any more: nothing that it made may stay."""
        if self._is_over:
            return
        for link in self.links.values():
            link.signal(signal.SIGKILL)
            link.drain()
        module = self._module
        if module is not None:
            with suppress(subprocess.TimeoutExpired):  # how it ended by itself
                self._process.wait(LEAVES_S)
        status = self._kill()
        self._read_words()
        self._close_descriptors()
        words = self._last_words.decode("utf-8", "replace").strip()
        if module is not None:
            self._superior.spoilt(module, f"the fork server {ending(status) if reason == ENDED else reason}")
            return
        reason = f"{reason}: {words.splitlines()[-1]}" if words else reason
        if self.pid is not None:
            self._feed(ZygoteLost(zygote=self._start.zygote, reason=f"{self._sandbox.python} {reason}"))
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
        if self._is_over:  # it was lost, and nobody has needed it since
            return
        self._is_over = True
        self._expect(None)
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
            self._lose(ENDED)
        except (frames.FrameError, KeyError, TypeError, ValueError) as error:
            self._lose(f"sent nonsense ({error!r})")

    def _take(self, header: dict[str, Any], descriptors: list[int]) -> None:
        kind = header["kind"]
        if kind == "forked" and self.pid is not None:
            self._forked(header, descriptors)
            return
        pids = [take_pid(descriptor) for descriptor in descriptors]
        if self.pid is None:
            self._take_before_warm(kind, header, pids)
        elif kind == "exited":
            for worker, status, usage in exits_in(header):
                self._exited(worker, status, usage)
        elif kind == "fork_failed":
            self._fork_failed(workers_in(header), text_in(header, "message"))
        else:
            raise frames.FrameError(f"a frame that is out of place: {kind!r}")

    def _take_before_warm(self, kind: Any, header: dict[str, Any], pids: list[int]) -> None:
        if self._proven_pid is None:
            if kind != "confined" or len(pids) != 1:
                raise frames.FrameError("a frame before it was confined")
            self._confined(header, pids[0])
        elif kind == "preloading":
            module = text_in(header, "module")
            log.debug("%s imports %s", self.environment, module)
            self._expect(module)
        elif kind == "spoilt":
            self._spoilt(text_in(header, "module"), text_in(header, "reason"))
        elif kind == "warm":
            self._warmed(header, self._proven_pid)
        else:
            raise frames.FrameError("a frame before it was warm")

    def _confined(self, header: dict[str, Any], pid: int) -> None:
        """It runs code of packages only when it is told to: what it says now is true, and it is still there."""
        named = texts_in(header, "successes") if header["successes"] is not None else None
        obstacle = self._superior.judge(named, uid_of(pid))
        if obstacle:
            self._reject(obstacle)
            return
        self._proven_pid = pid
        self._lacks = (*texts_in(header, "lacks"), *self._sandbox.reasons)
        if self._start.preload.names:
            self._expect(self._start.preload.names[0])
        with suppress(OSError):  # gone already, as above
            orders.send_preload(self._control, self._start.preload.names)

    def _expect(self, module: str | None) -> None:
        """It imports a module now, or nothing any more, and has so long for it."""
        self._module = module
        if self._overdue is not None:
            self._overdue.cancel()
            self._overdue = None
        if module is not None:
            self._overdue = self._superior.call_later(IMPORT_S, self._run_late)

    def _run_late(self) -> None:
        module = self._module or ""
        self.discard()
        self._superior.spoilt(module, f"the import took longer than {IMPORT_S:g} seconds")

    def _spoilt(self, module: str, reason: str) -> None:
        self.discard()
        self._superior.spoilt(module, reason)

    def _warmed(self, header: dict[str, Any], pid: int) -> None:
        version = text_in(header, "version")
        preloaded = imports_in(header, "preloaded")
        not_preloaded = (*self._start.preload.refused, *refusals_in(header, "not_preloaded"))
        undone = texts_in(header, "undone")
        self._expect(None)
        self.pid = pid
        self._last_words = b""  # of packages, not why it will end
        if not header["compiled"]:
            self._superior.uncompiled(self._sandbox.python)
        tier = self._sandbox.tier.name
        log.info("zygote %d is warm: %s %s, %s", pid, self.environment, version, tier)
        for layer in self._lacks:
            log.warning("nodes of %s go without a layer of protection: %s", self.environment, layer)
        for text in (*(f"{module}: {reason}" for module, reason in not_preloaded), *undone):
            log.info("preloading for %s: %s", self.environment, text)
        self._feed(
            ZygoteWarmed(
                zygote=self._start.zygote,
                pid=pid,
                version=version,
                tier=tier,
                lacks=self._lacks,
                preloaded=preloaded,
                not_preloaded=not_preloaded,
                fingerprint=self._start.fingerprint,
            )
        )

    def _forked(self, header: dict[str, Any], descriptors: list[int]) -> None:
        try:
            workers = births_in(header, len(descriptors))
        except frames.FrameError:
            for descriptor in descriptors:
                os.close(descriptor)
            raise
        born: list[WorkerId] = []
        for worker, pidfd in zip(workers, descriptors, strict=True):
            link = self.links.get(worker)
            if link is None or not link.born(pidfd, self.pid or 0):
                os.close(pidfd)
                continue
            born.append(worker)
        self._feed(WorkersForked(workers=tuple(born)))

    def _fork_failed(self, workers: list[WorkerId], message: str) -> None:
        ours = tuple(worker for worker in workers if worker in self.links)
        for worker in ours:
            self._drop(worker)
        self._feed(ForkFailed(zygote=self._start.zygote, workers=ours, message=message))

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
