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
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from pyflowd.core.ids import WorkerId, ZygoteId
from pyflowd.core.profiles import profile_of
from pyflowd.core.stimuli import ForkFailed, Stimulus, WorkerExited, WorkersForked, ZygoteWarmed
from pyflowd.core.usage import Usage
from pyflowd.sandbox.sandboxes import Sandbox
from pyflowd.shell.denials import Denials
from pyflowd.shell.interpreter import Interpreter
from pyflowd.shell.links import WorkerLink
from pyflowd.shell.poller import Poller
from pyflowd.shell.preload import Preload
from pyflowd.shell.process_facts import take_pid, uid_of
from pyflowd.shell.shapes import imports_in, refusals_in, text_in, texts_in
from pyflowd.shell.zygote_frames import births_in, exits_in, workers_in
from pyflowd.worker_side import frames, orders

WORKERS_A_FRAME = 80
IMPORT_S = 30.0
TELLS_S = 5.0  # of the death of a worker that was killed; those it left behind may take it two seconds
ENDED = "ended"

log = logging.getLogger(__name__)


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
    spoilt: it is gone because of a module that it was to import ("": of all of them together), and why. lost: it is
    gone for another reason.
    call_later: of the loop.
    has_run_out_of_memory: whether the kernel has ended a worker for that.
    """

    judge: Callable[[list[str] | None, int], str]
    unfit: Callable[[str, bool], None]
    uncompiled: Callable[[str], None]
    spoilt: Callable[[str, str], None]
    lost: Callable[[str], None]
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
        self._interpreter = Interpreter(sandbox, poller)
        self._control = self._interpreter.control
        with suppress(OSError):  # gone already, which is seen when its end of the socket is
            orders.send_start(self._control, str(sandbox.scratch), dict(sandbox.terms), sandbox.targets)
        poller.watch(self._control.fileno(), self._read_control)

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

    def kill(self, worker: WorkerId) -> None:
        """End a worker, whatever it does."""
        link = self.links.get(worker)
        if link is not None:
            link.signal(signal.SIGKILL)
            self._superior.call_later(TELLS_S, partial(self._expect_death, link))

    def _expect_death(self, link: WorkerLink) -> None:
        """A fork server that does not tell of a death, or of a birth, is of no use: whoever waits for it, waits."""
        if self.links.get(link.worker) is not link:
            return
        if link.is_alive:  # the kernel has not done with it
            self._superior.call_later(TELLS_S, partial(self._expect_death, link))
        else:
            self._lose("does not answer")

    def dismiss(self) -> None:
        """Close the control socket, which ends the zygote and its workers."""
        self._close_descriptors()

    def leave(self, patience_s: float) -> None:
        """Wait for the end of one that was dismissed; kill it if it does not listen."""
        self._interpreter.leave(patience_s)

    def discard(self) -> None:
        """End the zygote and its spares at once."""
        self._interpreter.kill()
        self._close_descriptors()

    def _lose(self, reason: str) -> None:
        """The zygote is of no use any more: nothing that it made may stay."""
        if self._is_over:
            return
        for link in self.links.values():
            link.signal(signal.SIGKILL)
            link.drain()
        if reason == ENDED:
            reason = self._interpreter.end()
        else:
            self._interpreter.kill()
        words, module = self._interpreter.last_words(), self._module
        self._close_descriptors()
        if module is not None:
            self._superior.spoilt(module, f"the fork server {reason}")
        elif self.pid is not None:
            told = f": {words.splitlines()[-1]}" if words else ""
            self._superior.lost(f"{self._sandbox.python} {reason}{told}")
        else:
            told = f": {words.splitlines()[-1]}" if words else " before it could run nodes: is it a Python interpreter?"
            self._superior.unfit(f"{self._sandbox.python} {reason}{told}", False)

    def _reject(self, reason: str) -> None:
        """It runs, and is not what it should be."""
        words = self._interpreter.last_words()
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
        self._interpreter.close()

    def _read_control(self) -> None:
        try:
            while not self._is_over:
                header, segments, descriptors = frames.receive(self._control, self._poller.room)
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
        self._interpreter.forget_words()
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
        usage = link.untold(usage)
        self._drop(worker)
        out_of_memory = status == signal.SIGKILL and self._superior.has_run_out_of_memory(worker)
        self._feed(WorkerExited(worker=worker, status=status, usage=usage, out_of_memory=out_of_memory))

    def _drop(self, worker: WorkerId) -> None:
        link = self.links.pop(worker, None)
        if link is not None:
            link.close()
