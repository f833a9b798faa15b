"""Preparer: brings documents to their plans, one step at a time: reading, inspecting, planning.

It holds the preparations under way and what was made before. Whoever waits for a plan is handed back, with it, to
`on_prepared`. It knows nothing of runs and sessions.
"""

from collections.abc import Callable, Hashable, Iterable
from typing import Generic

from pyflowd.core import effects, stimuli, verdicts
from pyflowd.core.calls import Call, InspectionWork
from pyflowd.core.ids import EnvironmentId
from pyflowd.core.preparation import InspectedCode, Memory, Preparation, Prepared, Stage, W, chunks
from pyflowd.core.worker_pool import Worker
from pyflowd.graph.diagnostics import DiagnosticCode
from pyflowd.graph.interface import CodeHash, CodeInterface, CodeProblem, code_hash
from pyflowd_client.protocol.errors import ErrorInfo

Key = tuple[str, EnvironmentId]


class Preparer(Generic[W]):
    """All preparations. `enqueue` lets inspections wait for a worker; a preparation's key is their group."""

    def __init__(
        self,
        emit: Callable[[effects.Effect], None],
        enqueue: Callable[[EnvironmentId, Key, InspectionWork], None],
        on_prepared: Callable[[W, Prepared], None],
    ) -> None:
        self._emit = emit
        self._enqueue = enqueue
        self._on_prepared = on_prepared
        self._memory = Memory()
        self._under_way: dict[Key, Preparation[W]] = {}

    @property
    def is_idle(self) -> bool:
        """True when nobody waits for a plan."""
        return not self._under_way

    def prepare(self, submission: stimuli.Submission, waiter: W) -> None:
        """Get the plan of a document; at once, if it is remembered."""
        key = (submission.key, submission.environment)
        prepared = self._memory.plan(*key)
        if prepared is not None:
            self._on_prepared(waiter, prepared)
            return
        if key not in self._under_way:
            self._under_way[key] = Preparation(*key, size_bytes=len(submission.document))
            self._emit(
                effects.ReadGraph(
                    key=submission.key,
                    environment=submission.environment,
                    document=submission.document,
                    name=submission.name,
                )
            )
        self._under_way[key].waiters.append(waiter)

    def forget(self, environment: EnvironmentId) -> None:
        """Nothing that was found in an environment counts any more."""
        self._memory.forget(environment)

    def lose(self, environment: EnvironmentId) -> dict[Key, list[W]]:
        """An environment cannot be used: the preparations that end with it, and who waited for them."""
        keys = [key for key in self._under_way if key[1] == environment]
        return {key: self._under_way.pop(key).waiters for key in keys}

    def abandon(self, key: Hashable) -> list[W]:
        """A preparation cannot go on: who waited for it."""
        preparation = self._under_way.pop(key, None)  # type: ignore[call-overload]
        return preparation.waiters if preparation else []

    def graph_read(self, read: stimuli.GraphRead) -> None:
        """The document was read; next is its code."""
        preparation = self._under_way.get((read.key, read.environment))
        if preparation is None:
            return
        preparation.diagnostics = read.diagnostics
        if read.graph is None:
            self._finish(preparation, Prepared(None, read.diagnostics))
            return
        preparation.graph = read.graph
        for node in read.graph.nodes:
            if not node.is_reroute:
                code = code_hash(node.code)
                preparation.sources[code] = node.code
                preparation.titles[code] = node.title
                known = self._memory.code(read.environment, code)
                if known is not None:
                    preparation.codes[code] = known
        preparation.stage = Stage.INSPECTING
        self._inspect(preparation, chunks(preparation.missing, preparation.sources))

    def plan_built(self, built: stimuli.PlanBuilt) -> None:
        """The plan stands, or the graph is refused."""
        preparation = self._under_way.get((built.key, built.environment))
        if preparation is None:
            return
        refusals = built.diagnostics if built.plan is None else ()  # those of a plan come with its binding
        diagnostics = preparation.diagnostics + refusals
        prepared = Prepared(built.plan, diagnostics, preparation.codes, preparation.size_bytes)
        if not any(code.interface.may_change for code in preparation.codes.values()):
            self._memory.keep_plan(built.key, built.environment, prepared)
        self._finish(preparation, prepared)

    def send(self, call: Call, work: InspectionWork, worker: Worker) -> None:
        """A worker is there for an inspection."""
        preparation = self._of(call)
        sources = preparation.sources if preparation else {}
        titles = preparation.titles if preparation else {}
        self._emit(
            effects.SendInspection(
                environment=call.environment,
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
        """A source that kills the compiler is found by inspecting each of its portion alone."""
        preparation = self._of(call)
        if len(work.codes) > 1 and preparation is not None:
            self._inspect(preparation, [(code,) for code in work.codes])
            return
        problem = CodeProblem(code=DiagnosticCode.SYNTAX_ERROR, message=f"could not be compiled: {error.message}")
        self._keep(call, {work.codes[0]: InspectedCode(CodeInterface(problem=problem), b"")})

    def _inspect(self, preparation: Preparation[W], portions: Iterable[tuple[CodeHash, ...]]) -> None:
        key = (preparation.key, preparation.environment)
        for codes in portions:
            self._enqueue(preparation.environment, key, InspectionWork(codes))
        self._plan_if_inspected(preparation)

    def _keep(self, call: Call, found: dict[CodeHash, InspectedCode]) -> None:
        for code, inspected in found.items():
            if not inspected.interface.may_change:
                self._memory.keep_code(call.environment, code, inspected)
        preparation = self._of(call)
        if preparation is not None:
            preparation.codes.update(found)
            self._plan_if_inspected(preparation)

    def _plan_if_inspected(self, preparation: Preparation[W]) -> None:
        if preparation.missing or preparation.stage is not Stage.INSPECTING or preparation.graph is None:
            return
        preparation.stage = Stage.PLANNING
        self._emit(
            effects.BuildPlan(
                key=preparation.key,
                environment=preparation.environment,
                graph=preparation.graph,
                interfaces={code: item.interface for code, item in preparation.codes.items()},
            )
        )

    def _finish(self, preparation: Preparation[W], prepared: Prepared) -> None:
        del self._under_way[(preparation.key, preparation.environment)]
        for waiter in preparation.waiters:
            self._on_prepared(waiter, prepared)

    def _of(self, call: Call) -> Preparation[W] | None:
        return self._under_way.get(call.group)  # type: ignore[call-overload, no-any-return]
