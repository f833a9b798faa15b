"""Preparer: brings documents to their plans, one step at a time: reading, environments, inspecting, planning.

It holds the preparations under way and what was made before. Whoever waits for a plan is handed back, with it, to
`on_prepared`; with the reason why there is none, to `on_failed`. It knows nothing of runs and sessions.
"""

from collections.abc import Callable, Hashable, Iterable
from typing import Generic

from pyflowd.core import effects, stimuli, verdicts
from pyflowd.core.calls import Call, InspectionWork, Place
from pyflowd.core.ids import EnvironmentId, PreparationKey
from pyflowd.core.preparation import InspectedCode, Memory, Preparation, Prepared, Stage, W, chunks
from pyflowd.core.profiles import in_python
from pyflowd.core.worker_pool import Worker
from pyflowd.graph.diagnostics import DiagnosticCode
from pyflowd.graph.environment_specs import EnvironmentSpec
from pyflowd.graph.interface import CodeHash, CodeInterface, CodeProblem
from pyflowd_client.protocol.errors import ErrorInfo


class Preparer(Generic[W]):
    """All preparations. `enqueue` lets inspections wait for a worker; a preparation's key is their group."""

    def __init__(
        self,
        emit: Callable[[effects.Effect], None],
        enqueue: Callable[[EnvironmentId, PreparationKey, InspectionWork, Place], None],
        on_prepared: Callable[[W, Prepared], None],
        on_failed: Callable[[W, ErrorInfo], None],
    ) -> None:
        self._emit = emit
        self._enqueue = enqueue
        self._on_prepared = on_prepared
        self._on_failed = on_failed
        self._memory = Memory()
        self._under_way: dict[PreparationKey, Preparation[W]] = {}
        self._wanted: dict[EnvironmentSpec, list[Preparation[W]]] = {}

    @property
    def is_idle(self) -> bool:
        """True when nobody waits for a plan."""
        return not self._under_way

    def prepare(self, submission: stimuli.Submission, waiter: W) -> None:
        """Get the plan of a document; what is remembered is used, once its environments were found as they were."""
        key = (submission.key, submission.profile)
        preparation = self._under_way.get(key)
        if preparation is not None:
            preparation.waiters.append(waiter)
            return
        preparation = self._under_way[key] = Preparation(submission, waiters=[waiter])
        if submission.at_hand is not None:
            preparation.provided[submission.at_hand.spec] = submission.at_hand.python
        preparation.placement = self._memory.placement(submission.key)
        if preparation.placement is None:
            self._read(preparation)
        else:
            self._provide(preparation)

    def forget(self, environment: EnvironmentId) -> None:
        """Nothing that was found in an environment counts any more."""
        self._memory.forget(environment)

    def waiters(self, spec: EnvironmentSpec) -> list[W]:
        """Who waits for an environment to be there."""
        return [waiter for preparation in self._wanted.get(spec, ()) for waiter in preparation.waiters]

    def lose(self, environment: EnvironmentId) -> dict[PreparationKey, list[W]]:
        """An environment cannot be used: the preparations that end with it, and who waited for them."""
        lost = [key for key, preparation in self._under_way.items() if environment in preparation.environments]
        return {key: self._under_way.pop(key).waiters for key in lost}

    def abandon(self, key: Hashable) -> list[W]:
        """A preparation cannot go on: who waited for it."""
        preparation = self._under_way.pop(key, None)  # type: ignore[call-overload]
        return preparation.waiters if preparation else []

    def leave(self, waiter: W) -> None:
        """Somebody does not wait any more. What is made for nobody else is given up."""
        for preparation in list(self._under_way.values()):
            if waiter in preparation.waiters:
                preparation.waiters.remove(waiter)
                if not preparation.waiters and preparation.stage is Stage.PROVIDING:
                    del self._under_way[preparation.key]
                    self._want_no_more(preparation)

    def graph_read(self, read: stimuli.GraphRead) -> None:
        """The document was read; next are its environments."""
        for preparation in [one for (key, _), one in self._under_way.items() if key == read.key]:
            if preparation.stage is Stage.READING:
                self._take_graph(preparation, read)

    def _take_graph(self, preparation: Preparation[W], read: stimuli.GraphRead) -> None:
        preparation.diagnostics = read.diagnostics
        if read.graph is None or read.placement.refusals:
            self._finish(preparation, Prepared(None, read.diagnostics + read.placement.diagnostics))
            return
        preparation.graph, preparation.placement = read.graph, read.placement
        if not read.placement.is_provisional:
            self._memory.keep_placement(read.key, read.placement)
        self._provide(preparation)

    def provided(self, provided: stimuli.EnvironmentProvided) -> None:
        """An environment is there."""
        for preparation in self._wanted.pop(provided.spec, ()):
            preparation.provided[provided.spec] = provided.python
            if not preparation.wanted:
                self._go_on(preparation)

    def refused(self, refused: stimuli.EnvironmentRefused) -> None:
        """An environment cannot be had: whoever needs it is told why."""
        for preparation in self._wanted.pop(refused.spec, ()):
            del self._under_way[preparation.key]
            self._want_no_more(preparation)
            for waiter in preparation.waiters:
                self._on_failed(waiter, refused.error)

    def plan_built(self, built: stimuli.PlanBuilt) -> None:
        """The plan stands, or the graph is refused."""
        preparation = self._under_way.get(built.key)
        if preparation is None:
            return
        refusals = built.diagnostics if built.plan is None else ()  # those of a plan come with its binding
        diagnostics = preparation.diagnostics + refusals
        prepared = Prepared(
            built.plan, diagnostics, preparation.environments, preparation.codes, preparation.size_bytes
        )
        if all(code.is_lasting for code in preparation.codes.values()):
            self._memory.keep_plan(preparation.submission.key, prepared)
        self._finish(preparation, prepared)

    def begin(self, call: Call, worker: Worker, in_hurry: bool) -> None:
        """A worker is there for an inspection."""
        work = call.work
        assert isinstance(work, InspectionWork)
        preparation = self._of(call)
        sources = preparation.sources if preparation else {}
        titles = preparation.titles if preparation else {}
        self._emit(
            effects.SendInspection(
                zygote=worker.zygote.id,
                worker=worker.id,
                call=call.id,
                sources=tuple(sources.get(code, "") for code in work.codes),
                titles=tuple(titles.get(code, "") for code in work.codes),
                limits=call.limits,
            )
        )

    def inspected(self, call: Call, work: InspectionWork, inspected: stimuli.CodeInspected) -> None:
        """A worker has looked at a portion of the code."""
        found = [InspectedCode(*item) for item in zip(inspected.interfaces, inspected.codes, strict=False)]
        if len(found) != len(work.codes):
            self.inspection_failed(call, work, verdicts.bad_frame("inspected other code than it was sent"))
            return
        self._keep(call, dict(zip(work.codes, found, strict=True)))

    def inspection_failed(self, call: Call, work: InspectionWork, error: ErrorInfo) -> None:
        """A source that kills the compiler is found by inspecting each of its portion alone; next time it may not."""
        preparation = self._of(call)
        if len(work.codes) > 1 and preparation is not None:
            self._inspect(preparation, call.environment, [(code,) for code in work.codes])
            return
        problem = CodeProblem(code=DiagnosticCode.SYNTAX_ERROR, message=f"could not be compiled: {error.message}")
        self._keep(call, {work.codes[0]: InspectedCode(CodeInterface(problem=problem), b"", is_certain=False)})

    def _read(self, preparation: Preparation[W]) -> None:
        preparation.stage = Stage.READING
        submission = preparation.submission
        self._emit(
            effects.ReadGraph(
                key=submission.key,
                document=submission.document,
                name=submission.name,
                python=submission.python,
                choice=submission.choice,
                makes=submission.makes,
            )
        )

    def _provide(self, preparation: Preparation[W]) -> None:
        preparation.stage = Stage.PROVIDING
        for spec in preparation.wanted:
            if spec not in self._wanted:
                self._wanted[spec] = []
                self._emit(effects.ProvideEnvironment(spec=spec))
            self._wanted[spec].append(preparation)
        if not preparation.wanted:
            self._go_on(preparation)

    def _want_no_more(self, preparation: Preparation[W]) -> None:
        for spec in [spec for spec, waiting in self._wanted.items() if preparation in waiting]:
            self._wanted[spec].remove(preparation)
            if not self._wanted[spec]:
                del self._wanted[spec]
                self._emit(effects.AbandonEnvironment(job=spec))

    def _go_on(self, preparation: Preparation[W]) -> None:
        """All environments are there: use what is remembered, or look at the code."""
        assert preparation.placement is not None
        submission = preparation.submission
        preparation.environments = tuple(
            in_python(submission.profile, preparation.provided[spec]) for spec in preparation.placement.specs
        )
        prepared = self._memory.plan(submission.key, preparation.environments)
        if prepared is not None:
            self._finish(preparation, prepared)
        elif preparation.graph is None:
            self._read(preparation)
        else:
            self._inspect_all(preparation)

    def _inspect_all(self, preparation: Preparation[W]) -> None:
        assert preparation.graph is not None
        assert preparation.placement is not None
        preparation.stage = Stage.INSPECTING
        hashes = preparation.placement.code_hashes(preparation.graph)
        for node, code in zip(preparation.graph.nodes, hashes, strict=True):
            if not node.is_reroute:
                environment = preparation.environments[preparation.placement.of_node.get(node.id, 0)]
                preparation.sources[code], preparation.titles[code] = node.code, node.title
                preparation.places[code] = environment
                known = self._memory.code(environment, code)
                if known is not None:
                    preparation.codes[code] = known
        for environment in dict.fromkeys(preparation.environments):
            missing = preparation.missing(environment)
            self._inspect(preparation, environment, chunks(missing, preparation.sources))
        self._plan_if_inspected(preparation)

    def _inspect(
        self, preparation: Preparation[W], environment: EnvironmentId, portions: Iterable[tuple[CodeHash, ...]]
    ) -> None:
        place = Place(is_urgent=preparation.submission.is_urgent)
        for codes in portions:
            self._enqueue(environment, preparation.key, InspectionWork(codes), place)

    def _keep(self, call: Call, found: dict[CodeHash, InspectedCode]) -> None:
        for code, inspected in found.items():
            if inspected.is_lasting:
                self._memory.keep_code(call.environment, code, inspected)
        preparation = self._of(call)
        if preparation is not None:
            preparation.codes.update(found)
            self._plan_if_inspected(preparation)

    def _plan_if_inspected(self, preparation: Preparation[W]) -> None:
        if not preparation.is_inspected or preparation.stage is not Stage.INSPECTING:
            return
        assert preparation.graph is not None
        assert preparation.placement is not None
        preparation.stage = Stage.PLANNING
        self._emit(
            effects.BuildPlan(
                key=preparation.key,
                graph=preparation.graph,
                placement=preparation.placement,
                interfaces={code: item.interface for code, item in preparation.codes.items()},
            )
        )

    def _finish(self, preparation: Preparation[W], prepared: Prepared) -> None:
        del self._under_way[preparation.key]
        for waiter in preparation.waiters:
            self._on_prepared(waiter, prepared)

    def _of(self, call: Call) -> Preparation[W] | None:
        return self._under_way.get(call.group)  # type: ignore[call-overload, no-any-return]
