"""The daemon's fork servers without the daemon: real sandboxes, processes and nodes, told what to do by hand."""

import asyncio
import contextlib
import dataclasses
import json
import tempfile
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar, cast

from pyflowd.core import effects, stimuli
from pyflowd.core.execution_controller import ExecutionController
from pyflowd.core.ids import CallId, EnvironmentId, WorkerId, ZygoteId
from pyflowd.core.limits import Limits
from pyflowd.environments.fingerprint import Fingerprints
from pyflowd.sandbox.memory import TierMemory
from pyflowd.sandbox.sandboxes import Sandboxes, SandboxSettings
from pyflowd.shell.driver import Driver
from pyflowd.shell.poller import Poller
from pyflowd.shell.zygotes import Zygotes

PATIENCE_S = 30.0
Kind = TypeVar("Kind", bound=stimuli.Stimulus)


@dataclass
class Listener:
    """A controller that decides nothing, and tells whoever waits what has happened."""

    heard: list[stimuli.Stimulus] = field(default_factory=list)
    waiting: list[tuple[Callable[[], bool], asyncio.Event]] = field(default_factory=list)

    def handle(self, stimulus: stimuli.Stimulus, now: float) -> list[effects.Effect]:
        self.heard.append(stimulus)
        for condition, event in self.waiting:
            if condition():
                event.set()
        return []

    def next_deadline(self) -> None:
        return None


@dataclass
class ForkServers:
    """Those of one daemon."""

    zygotes: Zygotes
    listener: Listener
    folder: Path
    workers: int = 0
    started: int = 0
    ids: dict[str, ZygoteId] = field(default_factory=dict)
    imports: tuple[tuple[str, float], ...] = ()  # of the last node

    async def start(self, python: str, *preload: str) -> stimuli.ZygoteWarmed:
        """Start one, and wait until it is warm."""
        self.started += 1
        zygote = self.ids[python] = ZygoteId(self.started)
        self.zygotes.start(effects.StartZygote(zygote=zygote, environment=EnvironmentId(python), preload=preload))
        [came] = await self.wait(1, stimuli.ZygoteWarmed, stimuli.ZygoteLost)
        assert isinstance(came, stimuli.ZygoteWarmed), came
        return came

    async def run(self, python: str, source: str, count: int = 1, seed: int | None = None) -> list[Any]:
        """The one output of a node, executed so many times, each time by a worker of its own."""
        zygote = self.ids[python]
        workers = self._fork(zygote, count)
        code = await self.compile(python, source)
        for worker in workers:
            self.zygotes.send_call(
                effects.SendCall(
                    zygote=zygote,
                    worker=worker,
                    call=CallId(2),
                    title="node",
                    code=code,
                    source=source,
                    inputs=(),
                    outputs=("output_1",),
                    lingers=False,
                    seed=seed,
                    limits=Limits(),
                )
            )
        came = await self.wait(count, stimuli.CallDone, stimuli.CallFailed)
        for one in came:
            assert isinstance(one, stimuli.CallDone), one
        done = cast(list[stimuli.CallDone], came)
        self.imports = done[-1].imports
        return [json.loads(one.outputs[0][1].payload.read()) for one in done]

    async def compile(self, python: str, source: str) -> bytes:
        """The code of a node."""
        zygote = self.ids[python]
        [inspector] = self._fork(zygote, 1)
        inspection = {"worker": inspector, "call": CallId(1), "sources": (source,), "titles": ("node",)}
        self.zygotes.send_inspection(
            effects.SendInspection(zygote=zygote, limits=Limits(), **inspection)  # type: ignore[arg-type]
        )
        [inspected] = await self.wait(1, stimuli.CodeInspected)
        assert isinstance(inspected, stimuli.CodeInspected)
        return inspected.codes[0]

    async def resident(self, python: str, source: str) -> "Resident":
        """A worker that keeps a node."""
        code = await self.compile(python, source)
        [worker] = self._fork(self.ids[python], 1)
        return Resident(self, self.ids[python], worker, source, code)

    def _fork(self, zygote: ZygoteId, count: int) -> Sequence[WorkerId]:
        workers = tuple(WorkerId(self.workers + number) for number in range(1, count + 1))
        self.workers += count
        self.zygotes.fork(effects.ForkWorkers(zygote=zygote, workers=workers))
        return workers

    async def wait(self, count: int, *kinds: type[stimuli.Stimulus]) -> list[stimuli.Stimulus]:
        """The next so many stimuli of these kinds, counted from the last time that somebody waited for such."""

        def found() -> list[stimuli.Stimulus]:
            return [one for one in self.listener.heard if isinstance(one, kinds)]

        event = asyncio.Event()
        entry = (lambda: len(found()) >= count, event)
        self.listener.waiting.append(entry)
        try:
            if len(found()) < count:
                async with asyncio.timeout(PATIENCE_S):
                    await event.wait()
        finally:
            self.listener.waiting.remove(entry)
        came = found()[:count]
        self.listener.heard = [one for one in self.listener.heard if one not in came]
        return came


@dataclass
class Resident:
    """A worker that stays, and its node."""

    servers: ForkServers
    zygote: ZygoteId
    worker: WorkerId
    source: str
    code: bytes
    calls: int = 0

    def send(self, **changes: Any) -> None:
        """Send the next call. changes: of what it is like."""
        self.calls += 1
        call = effects.SendCall(
            zygote=self.zygote,
            worker=self.worker,
            call=CallId(self.calls),
            title="node",
            code=self.code,
            source=self.source,
            inputs=(),
            outputs=("output_1",),
            lingers=False,
            seed=None,
            limits=Limits(),
            stays=True,
            is_loaded=self.calls > 1,
        )
        self.servers.zygotes.send_call(dataclasses.replace(call, **changes))

    async def answer(self) -> stimuli.CallDone | stimuli.CallFailed:
        """How the call ended."""
        [came] = await self.servers.wait(1, stimuli.CallDone, stimuli.CallFailed)
        assert isinstance(came, stimuli.CallDone | stimuli.CallFailed)
        assert (came.worker, came.call) == (self.worker, self.calls)
        return came

    async def call(self, **changes: Any) -> Any:
        """The output of the next call."""
        self.send(**changes)
        came = await self.answer()
        assert isinstance(came, stimuli.CallDone), came
        payload = came.outputs[0][1].payload
        try:
            return json.loads(payload.read())
        finally:
            payload.close()

    def interrupt(self) -> None:
        """End the call that is under way."""
        self.servers.zygotes.interrupt(effects.InterruptWorker(zygote=self.zygote, worker=self.worker))

    def written(self) -> list[bytes]:
        """What it wrote since the last look; each piece as it came."""
        heard = self.servers.listener.heard
        pieces = [one for one in heard if isinstance(one, stimuli.WorkerWrote) and one.worker == self.worker]
        self.servers.listener.heard = [one for one in heard if one not in pieces]
        return [one.data for one in pieces]

    async def leave(self) -> stimuli.WorkerExited:
        """Dismiss it, and see how it goes."""
        self.servers.zygotes.dismiss(effects.DismissWorker(zygote=self.zygote, worker=self.worker))
        return await self.exit()

    async def exit(self) -> stimuli.WorkerExited:
        """How it ended."""
        while True:
            [came] = await self.servers.wait(1, stimuli.WorkerExited)
            assert isinstance(came, stimuli.WorkerExited)
            if came.worker == self.worker:
                return came


def join_threads(known: set[threading.Thread]) -> None:
    """Wait for those that were started since: they compile code for interpreters that have not seen it yet."""
    for thread in threading.enumerate():
        if thread not in known:
            thread.join(PATIENCE_S)


@contextlib.asynccontextmanager
async def fork_servers(tier: str) -> AsyncIterator[ForkServers]:
    """For the length of a block. tier: no other is tried."""
    with tempfile.TemporaryDirectory(prefix="pfs") as name, contextlib.ExitStack() as parts:
        folder = Path(name)
        folder.chmod(0o755)
        parts.callback(join_threads, set(threading.enumerate()))
        scratch = folder / "scratch"
        scratch.mkdir(mode=0o711)
        loop = asyncio.get_running_loop()
        listener = Listener()
        driver = Driver(cast(ExecutionController, listener), loop)
        driver.connect({}, {}, lambda: None, lambda: None)
        poller = Poller(loop, driver)
        parts.callback(poller.shut)
        settings = SandboxSettings(minimum_tier=tier, maximum_tier=tier)
        sandboxes = Sandboxes(settings, Limits(), scratch, (str(scratch),), TierMemory(folder / "tiers"))
        zygotes = Zygotes(sandboxes, Fingerprints(), poller, loop, driver.feed)
        parts.callback(zygotes.close)
        parts.callback(driver.close)
        yield ForkServers(zygotes, listener, folder)
