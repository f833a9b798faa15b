"""Answers to questions about environments: what a job finds out, with what the pool knows of their fork servers."""

from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any

from pyflowd.core.learnt_imports import LearntImports
from pyflowd.core.machines import WorkerState, ZygoteState
from pyflowd.core.profiles import profile_of
from pyflowd.core.worker_pool import WorkerPool
from pyflowd.core.zygotes import Zygote
from pyflowd.environments.failures import EnvironmentFailed
from pyflowd.environments.interpreter import InterpreterError, find_interpreter
from pyflowd.environments.settings import EnvironmentSettings
from pyflowd.environments.store import EnvironmentRecord
from pyflowd.graph.document import read_document
from pyflowd.graph.environment_specs import DEFAULT, EnvironmentSpec
from pyflowd.graph.placement import place
from pyflowd.shell.environments import Environments
from pyflowd.shell.jobs import Jobs, Listener
from pyflowd.shell.refusals import Refusal
from pyflowd_client.protocol import replies, requests
from pyflowd_client.protocol.codec import from_wire, to_wire
from pyflowd_client.protocol.errors import ErrorCode
from pyflowd_client.protocol.options import NO_CHOICE

STATES = (ZygoteState.WARM, ZygoteState.WARMING, ZygoteState.BACKOFF, ZygoteState.BROKEN, ZygoteState.DEAD)
Reply = Callable[[replies.Reply], None]
EnvironmentRequest = (
    requests.DetectEnvironments
    | requests.ListEnvironments
    | requests.ShowEnvironment
    | requests.RemoveEnvironment
    | requests.VerifyEnvironment
    | requests.LockEnvironment
    | requests.ExportEnvironment
    | requests.PruneEnvironments
)


class EnvironmentAnswers:
    """`measure`: the memory that a fork server takes."""

    def __init__(
        self,
        environments: Environments,
        settings: EnvironmentSettings,
        jobs: Jobs,
        pool: WorkerPool,
        learnt: LearntImports,
        measure: Callable[[Zygote], int],
    ) -> None:
        self._store = environments.store
        self.at_hand = environments.at_hand
        self._settings = settings
        self._jobs = jobs
        self._pool = pool
        self._learnt = learnt
        self._measure = measure

    def __call__(self, request: EnvironmentRequest, reply: Reply) -> None:
        """Find out, and then reply. Refusal."""
        match request:
            case requests.DetectEnvironments():
                self._ask(
                    "detect",
                    {name: getattr(request, name) for name in request.FIELDS},
                    replies.EnvironmentsDetected,
                    reply,
                )
            case requests.ListEnvironments():
                reply(replies.EnvironmentsListed(environments=tuple(map(self._summary, self._store.records()))))
            case requests.ShowEnvironment():
                self._show(request.environment, reply)
            case requests.RemoveEnvironment():
                self._remove(request.environment, reply)
            case requests.VerifyEnvironment():
                self._verify(request, reply)
            case requests.LockEnvironment():
                self._lock(request, reply)
            case requests.ExportEnvironment():
                self._export(request, reply)
            case requests.PruneEnvironments():
                self._prune(request, reply)

    def python(self, environment: str) -> str:
        """The interpreter of an environment that was named in a request. Refusal."""
        record = self._record(environment)
        if record is not None:
            return record.python
        try:
            return find_interpreter(environment)
        except InterpreterError as error:
            raise Refusal(ErrorCode.ENVIRONMENT, f"No Python environment there: {error}.") from None

    def _record(self, environment: str) -> EnvironmentRecord | None:
        """The environment of ours; None where a path was given. Refusal."""
        if environment.startswith("/"):
            return None
        try:
            return self._store.record(environment)
        except EnvironmentFailed as failure:
            raise Refusal(ErrorCode.ENVIRONMENT, f"{failure}.") from None

    def _show(self, environment: str, reply: Reply) -> None:
        record, python = self._record(environment), self.python(environment)

        def done(result: dict[str, Any]) -> None:
            shown = from_wire(replies.EnvironmentShown, self._shown(record, python, result), strict=False)
            reply(shown)

        self._jobs.start("show", {"python": python}, _listener(done, reply))

    def _shown(self, record: EnvironmentRecord | None, python: str, result: dict[str, Any]) -> dict[str, Any]:
        packages = result["packages"]
        summary = self._summary(record) if record else self._found(python, result)
        zygotes = self._zygotes(python)
        return {
            "environment": to_wire(summary) | {"packages": len(packages), "size_bytes": result["size_bytes"]},
            "manager": record.manager if record else result.get("manager"),
            "packages": packages,
            "fork_servers": [to_wire(self._fork_server(zygote)) for zygote in zygotes],
            "learnt": list(self._learnt.of(python).modules),
            "is_kept": any(zygote.is_kept for zygote in zygotes),
        }

    def _remove(self, environment: str, reply: Reply) -> None:
        record = self._record(environment)
        if record is None:
            raise Refusal(ErrorCode.BAD_INPUT, f"'{environment}' is none of the daemon's environments; it stays.")
        if record.python in self._in_use():
            raise Refusal(ErrorCode.BUSY, f"Nodes run in '{environment}' just now; try again when they are done.")
        self._jobs.start("remove", {"environment": record.id}, _listener(lambda _: reply(replies.Done()), reply))

    def _verify(self, request: requests.VerifyEnvironment, reply: Reply) -> None:
        record, python = self._record(request.environment), self.python(request.environment)
        spec = EnvironmentSpec(requirements=record.requirements, optional=record.optional) if record else DEFAULT
        if request.document is not None:
            spec = _spec_of(request.document, request.name)
        parameters = {"python": python, "requirements": spec.requirements, "optional": spec.optional}
        self._ask("verify", parameters, replies.EnvironmentVerified, reply)

    def _lock(self, request: requests.LockEnvironment, reply: Reply) -> None:
        if request.environment is not None:
            parameters = self._of_ours(request.environment)
        else:
            spec = EnvironmentSpec(python=request.python or "", requirements=request.requirements)
            if request.document is not None:
                spec = _spec_of(request.document, request.name)
            if not spec.requirements:
                raise Refusal(ErrorCode.BAD_INPUT, "Nothing is required there, so that there is nothing to lock.")
            parameters = {"spec": asdict(spec)}
        self._ask("lock", parameters, replies.EnvironmentWritten, reply)

    def _export(self, request: requests.ExportEnvironment, reply: Reply) -> None:
        parameters = {**self._of_ours(request.environment), "format": request.format}
        self._ask("export", parameters, replies.EnvironmentWritten, reply)

    def _of_ours(self, environment: str) -> dict[str, Any]:
        """The id of an environment that the daemon made. Refusal."""
        record = self._record(environment)
        if record is None:
            raise Refusal(ErrorCode.BAD_INPUT, f"'{environment}' is none of the daemon's environments.")
        return {"environment": record.id}

    def _prune(self, request: requests.PruneEnvironments, reply: Reply) -> None:
        is_silent = request.unused_s is None and request.disk_bytes is None
        parameters = {
            "unused_s": self._settings.unused_s if is_silent else request.unused_s,
            "disk_bytes": self._settings.disk_bytes if is_silent else request.disk_bytes,
            "dry_run": request.dry_run,
            "in_use": sorted(self._in_use()),
        }
        self._ask("prune", parameters, replies.EnvironmentsPruned, reply)

    def _ask(self, action: str, parameters: Mapping[str, Any], kind: type[replies.Reply], reply: Reply) -> None:
        self._jobs.start(
            action, parameters, _listener(lambda result: reply(from_wire(kind, result, strict=False)), reply)
        )

    def _in_use(self) -> set[str]:
        """The interpreters in which nodes run, or are about to."""
        busy = {
            profile_of(worker.environment).python
            for worker in self._pool.workers.values()
            if worker.state is WorkerState.BUSY
        }
        return (
            busy
            | {zygote.python for zygote in self._pool.book.alive() if zygote.is_kept}
            | {zygote.python for zygote in self._pool.zygotes.values() if any(self._pool.waiting(zygote.environment))}
        )

    def _zygotes(self, python: str) -> list[Zygote]:
        return [zygote for zygote in self._pool.book.alive() if zygote.python == python]

    def _summary(self, record: EnvironmentRecord) -> replies.EnvironmentSummary:
        return replies.EnvironmentSummary(
            id=record.id,
            kind=record.kind.value,
            python=record.python,
            version=record.version,
            requirements=(*record.requirements, *record.optional),
            packages=record.packages,
            size_bytes=record.size_bytes,
            created=record.created,
            used=record.used,
            state=self._state(record.python),
        )

    def _found(self, python: str, result: dict[str, Any]) -> replies.EnvironmentSummary:
        return replies.EnvironmentSummary(
            id=python, kind="found", python=python, version=result.get("version"), state=self._state(python)
        )

    def _state(self, python: str) -> str:
        """Of the best of its fork servers."""
        states = {zygote.state for zygote in self._pool.zygotes.values() if zygote.python == python}
        return next((state.value for state in STATES if state in states), ZygoteState.COLD.value)

    def _fork_server(self, zygote: Zygote) -> replies.ForkServer:
        return replies.ForkServer(
            state=zygote.state.value,
            pid=zygote.pid,
            tier=zygote.tier or None,
            permissions=profile_of(zygote.environment).permissions or None,
            spares=len(zygote.spares),
            memory_bytes=self._measure(zygote),
            preloaded=tuple(replies.Preloaded(module=name, seconds=seconds) for name, seconds in zygote.preloaded),
            not_preloaded=tuple(
                replies.NotPreloaded(module=name, reason=reason) for name, reason in zygote.not_preloaded
            ),
        )


def _listener(done: Callable[[dict[str, Any]], None], reply: Reply) -> Listener:
    return Listener(done=done, failed=lambda error: reply(replies.Refused(error=error)))


def _spec_of(document: str, name: str | None) -> EnvironmentSpec:
    """What a graph requires. Refusal."""
    reading = read_document(document, name)
    if reading.graph is None:
        raise Refusal(ErrorCode.BAD_GRAPH, "\n".join(item.message for item in reading.diagnostics))
    placement = place(reading.graph, NO_CHOICE, None)
    if placement.refusals:
        raise Refusal(ErrorCode.BAD_GRAPH, "\n".join(item.message for item in placement.refusals))
    return placement.specs[0]
