"""A world for the bare controller: it performs effects in memory, and notes what must always hold.

No mock: documents are really read and planned; processes are entries in dicts that a test lets answer, or die.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pyflowd.core import effects, stimuli
from pyflowd.core.execution_controller import NOTHING_LEARNT, ExecutionController, Policy
from pyflowd.core.ids import EnvironmentId, SessionId, WorkerId, ZygoteId
from pyflowd.core.kept_results import KeptResult, Parts, ResultKey
from pyflowd.core.last_values import ROOM_BYTES
from pyflowd.core.learnt_imports import Learnt
from pyflowd.core.limits import Graces, Limits, PoolLimits
from pyflowd.core.permissions import PermissionCaps
from pyflowd.core.profiles import NOWHERE
from pyflowd.core.usage import Usage
from pyflowd.core.values import Value
from pyflowd.graph.document import read_document
from pyflowd.graph.environment_specs import EnvironmentSpec
from pyflowd.graph.interface import CodeInterface, CodeProblem, InputPin, OutputPin
from pyflowd.graph.placement import Placement, place
from pyflowd.graph.planning import build_plan
from pyflowd_client.protocol import events, replies
from pyflowd_client.protocol.errors import ErrorCode, ErrorInfo
from pyflowd_client.protocol.ids import RunId
from pyflowd_client.protocol.options import (
    NO_DEBUGGING,
    NO_PERMISSIONS,
    WHOLE_GRAPH,
    Debugging,
    LiveOptions,
    Permissions,
    RunOptions,
    Selection,
)
from pyflowd_client.protocol.requests import ChangeEnvironment, UpdateLive
from pyflowd_client.protocol.states import FINAL_RUN_STATES, LiveAction
from support.daemons import graph

SESSION = SessionId(b"session")
PYTHON = EnvironmentId("/usr/bin/python3")
GOOD, BROKEN = "good", "broken"


class Payload:
    """A value that knows whether it was given back."""

    def __init__(self, text: bytes) -> None:
        self.text = text
        self.size = len(text)
        self.closed = 0

    def read(self) -> bytes:
        assert not self.closed
        return self.text

    def close(self) -> None:
        self.closed += 1


@dataclass
class Process:
    """One worker, as far as the controller can tell."""

    zygote: ZygoteId
    pid: int | None = None
    call: effects.SendCall | effects.SendProgram | effects.SendInspection | None = None
    stays: bool = False
    signals: list[str] = field(default_factory=list)
    told: list[effects.Effect] = field(default_factory=list)


class World:
    """Performs effects. What needs an outcome from outside waits in `processes`, `forking` and `warming`."""

    def __init__(
        self,
        *,
        running: int = 2,
        spares: int = 2,
        leave_after_s: float | None = None,
        permissions: PermissionCaps | None = None,
        memory_bytes: int | None = None,
        learnt: Mapping[str, Learnt] = NOTHING_LEARNT,
        keeps_results: bool = False,
        last_values_bytes: int = ROOM_BYTES,
    ) -> None:
        policy = Policy(
            pool=PoolLimits(running=running, spares=spares, reserve=1, memory_bytes=memory_bytes),
            call=Limits(timeout_s=10.0),
            graces=Graces(),
            permissions=permissions or PermissionCaps(),
            last_values_bytes=last_values_bytes,
            leave_after_s=leave_after_s,
            keeps_results=keeps_results,
        )
        self.controller = ExecutionController(
            policy, lambda effect: self.perform(effect), run_prefix="r", learnt=learnt
        )
        self.now = 0.0
        self._queue: list[stimuli.Stimulus] = []
        self.requests = 0
        self.replies: dict[int, list[replies.Reply]] = {}
        self.events: dict[RunId, list[events.Event]] = {}
        self.processes: dict[WorkerId, Process] = {}
        self.forking: list[WorkerId] = []
        self.warming: list[ZygoteId] = []
        self.fingerprint = "1"
        self.kept: dict[str, Learnt] = {}
        self.built: set[EnvironmentSpec] = set()
        self.building: list[EnvironmentSpec] = []
        self.changing: list[RunId] = []
        self.warnings: tuple[str, ...] = ()
        self.imports: tuple[tuple[str, float], ...] = ()
        self.broken: dict[str, str] = {}
        self.preloads: dict[ZygoteId, tuple[str, ...]] = {}
        self.version = "3.11.7"
        self.payloads: list[Payload] = []
        self.asked_for: Counter[WorkerId] = Counter()
        self.ended: Counter[WorkerId] = Counter()
        self.has_left = False
        self.results: dict[str, KeptResult] = {}
        self.lookups: list[effects.LookUpResult] = []
        self.earlier: dict[str, Parts] = {}
        self.stamp: str | None = ""
        self.sent: list[effects.SendCall] = []

    def feed(self, stimulus: stimuli.Stimulus) -> None:
        """Let it happen, and perform what follows; what that causes waits its turn, as in the driver."""
        self._queue.append(stimulus)
        if len(self._queue) > 1:
            return
        try:
            while self._queue:
                self.controller.handle(self._queue[0], self.now)
                self._queue.pop(0)
        except BaseException:
            self._queue.clear()  # or nothing would ever be handled again
            raise

    def submit(
        self,
        document: str,
        inputs: dict[str, str] | None = None,
        environment: EnvironmentId = PYTHON,
        permissions: Permissions = NO_PERMISSIONS,
        profile: EnvironmentId = NOWHERE,
        selection: Selection = WHOLE_GRAPH,
        origin: str | None = None,
        debugging: Debugging = NO_DEBUGGING,
        **options: object,
    ) -> int:
        """A client submits a graph, or a part of one; the number of its request."""
        self.requests += 1
        submission = stimuli.Submission(
            document=document,
            name="g.json",
            key=f"{document}\0{environment}",
            python=None if environment == PYTHON else environment,
            profile=profile,
            inputs=inputs or {},
            permissions=permissions,
            variables=tuple(permissions.env.items()),
            origin=document if origin is None else origin,
            selection=selection,
        )
        self.feed(
            stimuli.RunSubmitted(
                session=SESSION,
                request=self.requests,
                submission=submission,
                options=RunOptions(**options),  # type: ignore[arg-type]
                debugging=debugging,
            )
        )
        return self.requests

    def open_live(self, document: str, **live: Any) -> RunId:
        """A client opens a live session; its run."""
        self.requests += 1
        submission = stimuli.Submission(document=document, name="g.json", key=document, inputs={}, origin="live")
        self.feed(
            stimuli.LiveAsked(
                session=SESSION,
                request=self.requests,
                author="test",
                submission=submission,
                options=RunOptions(),
                live=LiveOptions(**live),
            )
        )
        return self.run_of(self.requests)

    def update_live(self, run: RunId, action: LiveAction, **what: Any) -> replies.Reply | None:
        """A client changes a live session; the reply, unless that has to be waited for."""
        self.requests += 1
        update = UpdateLive(run=run, action=action, **what)
        self.feed(stimuli.LiveUpdateAsked(session=SESSION, request=self.requests, author="test", update=update))
        told = self.replies.get(self.requests)
        return told[0] if told else None

    def close_live(self, run: RunId) -> replies.Reply:
        """A client ends a live session."""
        self.requests += 1
        self.feed(stimuli.LiveCloseAsked(session=SESSION, request=self.requests, run=run))
        return self.replies[self.requests][0]

    def run_of(self, request: int) -> RunId:
        """The run that a request made."""
        [reply] = self.replies[request]
        assert isinstance(reply, replies.RunAccepted)
        return reply.run

    def provide(self, spec: EnvironmentSpec, made: stimuli.Made | None = None) -> None:
        """An environment is there: that of an interpreter, or one that was built."""
        python = f"/built/{spec.digest}/bin/python" if spec.is_built else spec.python or PYTHON
        self.feed(stimuli.EnvironmentProvided(spec=spec, python=python, fingerprint=self.fingerprint, made=made))

    def build(self) -> None:
        """All that is being built is built."""
        while self.building:
            spec = self.building.pop(0)
            self.built.add(spec)
            self.provide(spec, stimuli.Made(packages=1, duration_s=2.0))

    def change(self, action: str, name: str) -> int:
        """A client wants a named environment made or changed; the number of its request."""
        self.requests += 1
        asked = ChangeEnvironment(action=action, name=name, requirements=("numpy",))
        self.feed(stimuli.ChangeAsked(session=SESSION, request=self.requests, change=asked))
        return self.requests

    def changed(self) -> None:
        """All changes of named environments are done."""
        while self.changing:
            made = stimuli.Made(packages=3, duration_s=1.0, warnings=("no torch",))
            self.feed(
                stimuli.EnvironmentChanged(
                    run=self.changing.pop(0), python="/named/science", fingerprint="1", made=made
                )
            )

    def warm(self) -> None:
        """Zygotes come up."""
        while self.warming:
            zygote = self.warming.pop(0)
            wanted = self.preloads[zygote]
            self.feed(
                stimuli.ZygoteWarmed(
                    zygote=zygote,
                    pid=1,
                    version=self.version,
                    fingerprint=self.fingerprint,
                    preloaded=tuple((name, 0.5) for name in wanted if name not in self.broken),
                    not_preloaded=tuple((name, self.broken[name]) for name in wanted if name in self.broken),
                )
            )

    def fork(self) -> None:
        """Processes come to life."""
        while self.forking:
            worker = self.forking.pop(0)
            process = self.processes.get(worker)
            if process is not None:
                process.pid = 1000 + worker
                self.feed(stimuli.WorkersForked(workers=(worker,)))

    def look(self) -> None:
        """What was asked about results is answered; `stamp` is that of all files, and None is none."""
        while self.lookups:
            asked = self.lookups.pop(0)
            if self.stamp is None:
                self.feed(stimuli.ResultMissing(lookup=asked.lookup, key=None, problem="there is no stamp"))
                continue
            key = self._key(asked)
            found, earlier = self.results.get(key.digest), self.earlier.get(asked.question.place)
            if found is None:
                self.feed(stimuli.ResultMissing(lookup=asked.lookup, key=key, earlier=earlier))
            else:
                self.feed(stimuli.ResultFound(lookup=asked.lookup, result=self._copied(found)))

    def _key(self, asked: effects.LookUpResult) -> ResultKey:
        question = asked.question
        values = sorted((pin, item if isinstance(item, bytes) else item.read()) for pin, item in asked.inputs)
        parts = {"code": question.source, "permissions": question.permissions, "seed": str(question.seed)}
        parts |= {f'input "{pin}"': value.decode() for pin, value in values}
        parts |= {"environment": self.fingerprint, "files": str(self.stamp)}
        return ResultKey(digest=repr(parts), parts=tuple(parts.items()), fingerprint=self.fingerprint)

    def _copied(self, result: KeptResult) -> KeptResult:
        """The same with payloads of its own, as those that were read from a disk."""
        outputs = tuple((name, self._value(value.payload.read())) for name, value in result.outputs)
        return KeptResult(outputs=outputs, texts=result.texts, warnings=result.warnings)

    def busy(self) -> list[WorkerId]:
        """The workers that have something to answer."""
        return [worker for worker, process in self.processes.items() if process.call is not None]

    def answer(self, worker: WorkerId) -> None:
        """A worker returns what was asked of it, and leaves."""
        program = self.processes[worker].call
        if isinstance(program, effects.SendProgram):
            self._carry_out(worker, program, failing=None)
            return
        call, self.processes[worker].call = self.processes[worker].call, None
        if isinstance(call, effects.SendCall):
            values = [self._value(b"1") for _ in call.terms.outputs]
            self.feed(
                stimuli.CallDone(
                    worker=worker,
                    call=call.call,
                    outputs=tuple(zip(call.terms.outputs, values, strict=True)),
                    warnings=self.warnings,
                    usage=Usage(cpu_s=0.1, peak_memory_bytes=1),
                    imports=self.imports,
                )
            )
        elif call is not None:
            found = tuple(interface(source) for source in call.sources)
            codes = tuple(b"code" for _ in found)
            self.feed(stimuli.CodeInspected(worker=worker, call=call.call, interfaces=found, codes=codes))

    def _carry_out(self, worker: WorkerId, program: effects.SendProgram, failing: str | None) -> None:
        """All steps that need nothing of one that failed, told two at a time."""
        lost = {failing}
        outcomes: list[stimuli.StepOutcome] = []
        for step in program.steps:
            needs = {given.node for _, given in step.inputs if isinstance(given, effects.Ref)}
            if step.node == failing:
                error = ErrorInfo(code=ErrorCode.EXCEPTION, message="no", type="E")
                outcomes.append(stimuli.StepFailed(node=step.node, error=error, usage=Usage(), duration_s=0.1))
            elif needs & lost:
                lost.add(step.node)
                outcomes.append(stimuli.StepSkipped(node=step.node))
            else:
                outputs = tuple((name, self._value(b"1")) for name in step.outputs)
                outcomes.append(
                    stimuli.StepDone(node=step.node, outputs=outputs, warnings=(), usage=Usage(), duration_s=0.1)
                )
        for start in range(0, len(outcomes), 2):
            told = tuple(outcomes[start : start + 2])
            self.feed(stimuli.StepsOver(worker=worker, call=program.call, outcomes=told))
        self.processes[worker].call = None
        self.feed(stimuli.CallDone(worker=worker, call=program.call, outputs=(), warnings=(), usage=Usage()))

    def fail(self, worker: WorkerId) -> None:
        """A worker's node raises; of a program, the first."""
        program = self.processes[worker].call
        if isinstance(program, effects.SendProgram):
            self._carry_out(worker, program, failing=program.steps[0].node)
            return
        call, self.processes[worker].call = self.processes[worker].call, None
        assert call is not None
        error = ErrorInfo(code=ErrorCode.EXCEPTION, message="no", type="E")
        self.feed(stimuli.CallFailed(worker=worker, call=call.call, error=error, usage=Usage()))

    def exit(self, worker: WorkerId, status: int = 0) -> None:
        """A process is dead."""
        if worker in self.forking:
            self.forking.remove(worker)
        del self.processes[worker]
        self.ended[worker] += 1
        self.feed(stimuli.WorkerExited(worker=worker, status=status, usage=Usage()))

    def lose_zygote(self, zygote: ZygoteId) -> None:
        """A fork server ends, whatever it was doing."""
        for worker in [w for w, process in self.processes.items() if process.zygote == zygote]:
            if worker in self.forking:
                self.forking.remove(worker)
            del self.processes[worker]
            self.ended[worker] += 1
        if zygote in self.warming:
            self.warming.remove(zygote)
        self.feed(stimuli.ZygoteLost(zygote=zygote, reason="gone"))

    def wait(self, span_s: float) -> None:
        """Time passes, deadlines ring."""
        end = self.now + span_s
        while (due := self.controller.next_deadline()) is not None and due <= end:
            self.now = max(self.now, due)
            self.feed(stimuli.DeadlinePassed())
        self.now = end

    def settle(self) -> None:
        """Everything goes well from here on: nothing may be left to do."""
        for _ in range(10_000):
            self.build()
            self.changed()
            self.look()
            self.warm()
            self.fork()
            for worker, process in list(self.processes.items()):
                if process.call is not None:
                    self.answer(worker)
                if worker in self.processes and worker not in self._spares() and not process.stays:
                    self.exit(worker)
            if not self.busy() and not self.forking and not self.warming and not self.lookups:
                break
        else:
            raise AssertionError("the controller does not come to rest")

    def check(self) -> None:
        """What must hold after every stimulus."""
        self.controller.pool.check()
        assert all(len(told) == 1 for told in self.replies.values())
        assert set(self.ended.values()) <= {1}
        assert set(self.asked_for.values()) <= {1}
        assert set(self.processes) == set(self.controller.pool.workers)
        assert all(payload.closed <= 1 for payload in self.payloads)
        assert sum(not payload.closed for payload in self.payloads) == len(self.controller.last_values.holdings)
        for told in self.events.values():
            assert [event.seq for event in told] == list(range(1, len(told) + 1))
            ends = [event for event in told if isinstance(event, events.RunFinished)]
            assert not ends or (len(ends) == 1 and told[-1] is ends[0])
            finished = Counter(event.node for event in told if isinstance(event, events.NodeFinished))
            assert is_live(told) or set(finished.values()) <= {1}
            check_executions(told)

    def check_over(self) -> None:
        """What must hold when everything is over. What is remembered of graphs is forgotten for that."""
        self.check()
        self._forget()
        assert all(run.state in FINAL_RUN_STATES for run in self.controller.runs.values())
        assert len(self.replies) == self.requests
        assert all(payload.closed == 1 for payload in self.payloads)
        for told in self.events.values():
            started = [event for event in told if isinstance(event, events.RunStarted)]
            finished = [event for event in told if isinstance(event, events.NodeFinished)]
            assert isinstance(told[-1], events.RunFinished)
            assert is_live(told) or len(finished) == sum(event.nodes for event in started)
            assert not check_executions(told)

    def _forget(self) -> None:
        last = self.controller.last_values
        for origin in last.origins:
            last.forget(origin)
        for payload in last.holdings.collect():
            payload.close()
        assert not len(last.holdings)

    def _spares(self) -> set[WorkerId]:
        return {worker for zygote in self.controller.pool.book.alive() for worker in zygote.spares}

    def _value(self, text: bytes) -> Value:
        payload = Payload(text)
        self.payloads.append(payload)
        return Value(payload=payload, type="int")

    def perform(self, effect: effects.Effect) -> None:  # noqa: C901 - one case for each effect
        match effect:
            case effects.Answer():
                self.replies.setdefault(effect.request, []).append(effect.reply)
            case effects.Publish():
                event = effect.kind(**effect.content)  # which looks whether the fields are those of the event
                self.events.setdefault(event.run, []).append(event)
            case effects.ReadGraph():
                reading = read_document(effect.document, effect.name)
                placement = place(reading.graph, effect.choice, effect.python) if reading.graph else Placement()
                if not effect.makes:
                    placement = placement.with_what_is_there(self.built.__contains__)
                self.feed(
                    stimuli.GraphRead(
                        key=effect.key, graph=reading.graph, placement=placement, diagnostics=reading.diagnostics
                    )
                )
            case effects.ProvideEnvironment():
                if effect.spec.is_built and effect.spec not in self.built:
                    self.building.append(effect.spec)
                else:
                    self.provide(effect.spec)
            case effects.ChangeEnvironment():
                self.changing.append(effect.run)
            case effects.AbandonEnvironment():
                if isinstance(effect.job, EnvironmentSpec):
                    self.building.remove(effect.job)
                elif effect.job in self.changing:
                    self.changing.remove(effect.job)
            case effects.KeepLearnt():
                self.kept[effect.python] = effect.learnt
            case effects.BuildPlan():
                planning = build_plan(effect.graph, effect.interfaces, placement=effect.placement)
                self.feed(stimuli.PlanBuilt(key=effect.key, plan=planning.plan, diagnostics=planning.diagnostics))
            case effects.StartZygote():
                self.warming.append(effect.zygote)
                self.preloads[effect.zygote] = effect.preload
            case effects.EndZygote():
                if effect.zygote in self.warming:
                    self.warming.remove(effect.zygote)
                for worker in [w for w, one in self.processes.items() if one.zygote == effect.zygote]:
                    assert self.processes[worker].call is None
                    if worker in self.forking:
                        self.forking.remove(worker)
                    del self.processes[worker]
                    self.ended[worker] += 1
            case effects.ForkWorkers():
                for worker in effect.workers:
                    self.asked_for[worker] += 1
                    self.processes[worker] = Process(effect.zygote)
                    self.forking.append(worker)
            case effects.SendCall() | effects.SendProgram() | effects.SendInspection():
                assert self.processes[effect.worker].call is None
                self.processes[effect.worker].call = effect
                self.sent += [effect] if isinstance(effect, effects.SendCall) else []
                self.processes[effect.worker].stays = not isinstance(effect, effects.SendInspection) and effect.stays
            case effects.DismissWorker():
                assert self.processes[effect.worker].call is None
                self.processes[effect.worker].stays = False
            case effects.Join():
                self.replies.setdefault(effect.request, []).append(effect.reply)
            case effects.InterruptWorker():
                self.processes[effect.worker].signals.append("interrupt")
            case effects.KillWorker():
                self.processes[effect.worker].signals.append("kill")
            case effects.AnswerHalt() | effects.WriteTerminal() | effects.ResizeTerminal() | effects.CloseTerminal():
                self.processes[effect.worker].told.append(effect)
            case effects.Release():
                for payload in effect.payloads:
                    payload.close()
            case effects.LookUpResult():
                self.lookups.append(effect)
            case effects.KeepResult():
                kept = [
                    (name, Value(payload=Payload(value.payload.read()), type=value.type))
                    for name, value in effect.result.outputs
                ]
                self.results[effect.key.digest] = KeptResult(
                    outputs=tuple(kept), texts=effect.result.texts, warnings=effect.result.warnings
                )
                self.earlier[effect.question.place] = effect.key.parts
            case effects.Leave():
                self.has_left = True
            case _:
                pass


def is_live(told: list[events.Event]) -> bool:
    """Whether these are the events of a live session."""
    return isinstance(told[0], events.LiveChanged)


def check_executions(told: list[events.Event]) -> set[str]:
    """Each execution of a node ends, and before that no other of the same node begins. Those that have not ended."""
    running: set[str] = set()
    for event in told:
        if isinstance(event, events.NodeStarted):
            assert event.node not in running
            running.add(event.node)
        elif isinstance(event, events.NodeFinished):
            running.discard(event.node)
    return running


def interface(source: str) -> CodeInterface:
    """One optional input, one output; or a problem, where the source says so."""
    if source == BROKEN:
        return CodeInterface(problem=CodeProblem(code="no_entry", message="has no entry"))
    return CodeInterface(
        inputs=(InputPin(name="x", type="int", required=False),), outputs=(OutputPin(name="output_1", type="int"),)
    )


def shape(count: int, edges: set[tuple[int, int]]) -> str:
    """A graph of good nodes; the edges (a, b) carry a's output to b's input, or only order where b has one already."""
    taken: set[int] = set()
    wired = []
    for source, target in sorted(edges):
        pins = ("exec_out", "exec_in") if target in taken else ("output_1", "x")
        taken.add(target)
        wired.append((f"n{source}", pins[0], f"n{target}", pins[1]))
    return graph(*[GOOD] * count, edges=tuple(wired))


def requiring(*packages: str) -> str:
    """A graph with one node, which needs packages."""
    return shape(1, set()).removesuffix("}") + f', "requirements": {json.dumps(packages)}}}'
