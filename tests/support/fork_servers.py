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
from pyflowd.core.values import Kept, Value
from pyflowd.environments.fingerprint import Fingerprints
from pyflowd.sandbox.memory import TierMemory
from pyflowd.sandbox.sandboxes import Sandboxes, SandboxSettings
from pyflowd.shell import event_loop
from pyflowd.shell.driver import Driver
from pyflowd.shell.poller import Poller
from pyflowd.shell.zygotes import Zygotes
from pyflowd.worker_side.frames import Segment

PATIENCE_S = 30.0
Kind = TypeVar("Kind", bound=stimuli.Stimulus)


@dataclass
class Listener:
    """A controller that decides nothing, and tells whoever waits what has happened."""

    heard: list[stimuli.Stimulus] = field(default_factory=list)
    waiting: list[tuple[Callable[[], bool], asyncio.Event]] = field(default_factory=list)

    def handle(self, stimulus: stimuli.Stimulus, now: float) -> None:
        self.heard.append(stimulus)
        for condition, event in self.waiting:
            if condition():
                event.set()

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
        terms = terms_of(code, source, seed=seed)
        for worker in workers:
            self.zygotes.send_call(
                effects.SendCall(
                    zygote=zygote,
                    worker=worker,
                    call=CallId(2),
                    terms=terms,
                    inputs=(),
                    lingers=False,
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

    def shared(self, python: str) -> "Shared":
        """A worker for the nodes of a graph."""
        [worker] = self._fork(self.ids[python], 1)
        return Shared(self, python, worker)

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
class Shared:
    """A worker that is shared by the nodes of a graph."""

    servers: ForkServers
    python: str
    worker: WorkerId
    programs: int = 0
    sources: dict[str, tuple[bytes, str]] = field(default_factory=dict)

    async def step(
        self, node: str, source: str = "", outputs: int = 1, is_loaded: bool = False, **inputs: Any
    ) -> effects.Step:
        """A step; without a source it has the one of before. An input is a value, or a `Ref`."""
        if source:
            self.sources[node] = await self.servers.compile(self.python, source), source
        code, text = self.sources[node]
        return effects.Step(
            node=node,
            title=f"Node {node}",
            code=code,
            source=text,
            outputs=tuple(f"output_{number}" for number in range(1, outputs + 1)),
            inputs=[(pin, _given(value)) for pin, value in inputs.items()],
            is_loaded=is_loaded,
        )

    def send(self, *steps: effects.Step, **changes: Any) -> None:
        """Send the next program. changes: of what it is like."""
        self.programs += 1
        zygote = self.servers.ids[self.python]
        program = effects.SendProgram(
            zygote=zygote,
            worker=self.worker,
            call=CallId(self.programs),
            steps=steps,
            seed=None,
            limits=Limits(),
        )
        self.servers.zygotes.send_program(dataclasses.replace(program, **changes))

    async def end(self, *kinds: type[stimuli.Stimulus]) -> list[stimuli.Stimulus]:
        """All that was heard until the program ended, which comes last. kinds: another end than an answer."""
        [last] = await self.servers.wait(1, *(kinds or (stimuli.CallDone, stimuli.CallFailed)))
        heard, self.servers.listener.heard = self.servers.listener.heard, []
        return [*(one for one in heard if getattr(one, "worker", None) == self.worker), last]

    async def run(self, *steps: effects.Step, **changes: Any) -> dict[str, Any]:
        """What became of each step of the next program: values, the error, or None when it was skipped."""
        self.send(*steps, **changes)
        heard = await self.end()
        assert isinstance(heard[-1], stimuli.CallDone), heard[-1]
        assert heard[-1].call == self.programs
        return {outcome.node: shown(outcome) for outcome in outcomes(heard)}

    def interrupt(self) -> None:
        """End the step that is under way, and the program."""
        zygote = self.servers.ids[self.python]
        self.servers.zygotes.interrupt(effects.InterruptWorker(zygote=zygote, worker=self.worker))


def _given(value: Any) -> Any:
    return value if isinstance(value, effects.Ref | bytes | Segment) else json.dumps(value).encode()


def outcomes(heard: Sequence[stimuli.Stimulus]) -> list[stimuli.StepOutcome]:
    """Of all steps that were heard of."""
    return [outcome for one in heard if isinstance(one, stimuli.StepsOver) for outcome in one.outcomes]


def shown(outcome: stimuli.StepOutcome) -> Any:
    """What became of a step: its one value or several, what is no JSON as it is told; an error; or None."""
    if isinstance(outcome, stimuli.StepSkipped):
        return None
    if isinstance(outcome, stimuli.StepFailed):
        return outcome.error
    values = [_shown(value) for _, value in outcome.outputs]
    return values[0] if len(values) == 1 else values


def _shown(value: Value | Kept) -> Any:
    if isinstance(value, Kept):
        return value
    try:
        return json.loads(value.payload.read())
    finally:
        value.payload.close()


@dataclass
class Resident:
    """A worker that stays, and its node."""

    servers: ForkServers
    zygote: ZygoteId
    worker: WorkerId
    source: str
    code: bytes
    calls: int = 0
    terms: effects.NodeTerms | None = None

    def send(self, **changes: Any) -> None:
        """Send the next call. changes: of what it, or its terms, are like."""
        self.calls += 1
        own = {name: changes.pop(name) for name in ("title", "seed", "limits", "variables") if name in changes}
        terms = terms_of(self.code, self.source, **own)
        self.terms = self.terms if terms == self.terms else terms  # what is the same is the same object
        call = effects.SendCall(
            zygote=self.zygote,
            worker=self.worker,
            call=CallId(self.calls),
            terms=self.terms,
            inputs=(),
            lingers=False,
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


def terms_of(code: bytes, source: str, **changes: Any) -> effects.NodeTerms:
    """Of a node with one output, as they are unless they are said to be others."""
    terms = effects.NodeTerms(title="node", code=code, source=source, outputs=("output_1",), seed=None, limits=Limits())
    return dataclasses.replace(terms, **changes)


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
        loop = event_loop.running_loop()
        listener = Listener()
        driver = Driver(loop)
        driver.attend(cast(ExecutionController, listener))
        driver.connect({}, {}, lambda: None, lambda: None)
        poller = Poller(loop, driver)
        parts.callback(poller.shut)
        settings = SandboxSettings(minimum_tier=tier, maximum_tier=tier)
        sandboxes = Sandboxes(settings, Limits(), scratch, (str(scratch),), TierMemory(folder / "tiers"))
        zygotes = Zygotes(sandboxes, Fingerprints(), poller, loop, driver.feed)
        parts.callback(zygotes.close)
        parts.callback(driver.close)
        yield ForkServers(zygotes, listener, folder)
