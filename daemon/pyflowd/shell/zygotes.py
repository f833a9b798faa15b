"""All fork servers and workers: performs the effects that are about processes."""

import asyncio
import logging
import signal
from collections.abc import Callable
from pathlib import Path
from typing import cast

from pyflowd.core import effects
from pyflowd.core.ids import CallId, EnvironmentId, WorkerId
from pyflowd.core.stimuli import CallFailed, Stimulus, ZygoteLost
from pyflowd.core.values import Payload
from pyflowd.shell.links import WorkerLink
from pyflowd.shell.poller import Poller
from pyflowd.shell.zygote_process import ZygoteProcess
from pyflowd.worker_side import frames
from pyflowd_client.protocol.errors import ErrorCode, ErrorInfo

LEAVE_PATIENCE_S = 3.0
LISTEN_AFTER_S = 0.005

log = logging.getLogger(__name__)


class Zygotes:
    """One process per environment; each knows its own workers."""

    def __init__(
        self, scratch: Path, poller: Poller, loop: asyncio.AbstractEventLoop, feed: Callable[[Stimulus], None]
    ) -> None:
        self._loop = loop
        self._young: list[WorkerLink] = []
        self._scratch = scratch
        self._poller = poller
        self._feed = feed
        self._processes: dict[EnvironmentId, ZygoteProcess] = {}

    def start(self, effect: effects.StartZygote) -> None:
        """Start a fork server."""
        environment = effect.environment
        try:
            process = ZygoteProcess(environment, self._scratch, self._poller, self._feed)
        except OSError as error:
            reason = f"{environment} cannot be started as a Python interpreter: {error.strerror}"
            self._feed(ZygoteLost(environment=environment, reason=reason))
            return
        self._processes[environment] = process
        log.info("zygote %d starts: %s", process.pid, environment)

    def fork(self, effect: effects.ForkWorkers) -> None:
        """Fork workers."""
        self._processes[effect.environment].fork(effect.workers, rehearse=effect.rehearse)

    def send_call(self, effect: effects.SendCall) -> None:
        """Give a worker a node to execute."""
        header = {
            "kind": "call",
            "call": effect.call,
            "title": effect.title,
            "inputs": [pin for pin, _ in effect.inputs],
            "outputs": effect.outputs,
            "seed": effect.seed,
            "memory_bytes": effect.limits.memory_bytes,
            "cpu_s": effect.limits.cpu_s,
            "last": True,
        }
        segments = [frames.Segment(effect.code), _source(effect.source)]
        segments += [_segment(item) for _, item in effect.inputs]
        link = self._send(effect.environment, effect.worker, header, segments)
        if link is not None:
            self._listen_soon(link)

    def send_inspection(self, effect: effects.SendInspection) -> None:
        """Give a worker sources to read and compile."""
        header = {"kind": "inspect", "call": effect.call, "titles": effect.titles, "last": True}
        segments = [_source(text) for text in effect.sources]
        self._send(effect.environment, effect.worker, header, segments)

    def interrupt(self, effect: effects.InterruptWorker) -> None:
        """Raise KeyboardInterrupt in a node."""
        self._signal(effect.environment, effect.worker, signal.SIGINT)

    def kill(self, effect: effects.KillWorker) -> None:
        """End a worker, whatever it does."""
        self._signal(effect.environment, effect.worker, signal.SIGKILL)

    def close(self) -> None:
        """End all zygotes and with them all workers."""
        for process in self._processes.values():
            process.end(LEAVE_PATIENCE_S)
        self._processes = {}

    def _send(
        self, environment: EnvironmentId, worker: WorkerId, header: "frames.Header", segments: list[frames.Segment]
    ) -> WorkerLink | None:
        link = self._processes[environment].links.get(worker)
        if link is None:
            return None
        try:
            link.send(header, segments)
        except (OSError, ValueError) as error:
            message = f"The daemon could not send the node its inputs: {error}"
            info = ErrorInfo(code=ErrorCode.INTERNAL, message=message)
            call = CallId(header["call"])
            self._feed(CallFailed(worker=worker, call=call, error=info, cpu_s=0.0, peak_memory_bytes=0))
        return link

    def _listen_soon(self, link: WorkerLink) -> None:
        """Most calls are over before anybody could have read their output as it came: those are spared the watching."""
        self._young.append(link)
        if len(self._young) == 1:
            self._loop.call_later(LISTEN_AFTER_S, self._listen)

    def _listen(self) -> None:
        young, self._young = self._young, []
        for link in young:
            link.listen()

    def _signal(self, environment: EnvironmentId, worker: WorkerId, number: signal.Signals) -> None:
        link = self._processes[environment].links.get(worker)
        if link is not None:
            link.signal(number)


def _source(text: str) -> frames.Segment:
    return frames.Segment(text.encode("utf-8", "surrogatepass"))


def _segment(item: Payload | bytes) -> frames.Segment:
    return frames.Segment(item) if isinstance(item, bytes) else cast(frames.Segment, item)
