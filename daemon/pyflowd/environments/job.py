"""`python -m pyflowd.environments.job`: one slow operation on environments, in a process that dies with the daemon.

Its first line of input is a JSON object:

    action, root, manager ("auto", "uv", "venv"), default_python, and what the action needs besides

Its output is one JSON object a line: any number of {"progress": TEXT}, then {"result": {...}} or {"error": {"message",
"package", "hint"}}. The end of its input means that nobody waits any more, or that nobody is there: then it kills its
process group, whatever it is doing. Who starts it makes it the leader of one.
"""

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pyflowd.environments.builder import Builder, Made
from pyflowd.environments.failures import EnvironmentFailed, from_os_error
from pyflowd.environments.manager import Wanted
from pyflowd.environments.selection import select_manager
from pyflowd.environments.store import EnvironmentRecord, EnvironmentStore
from pyflowd.graph.environment_specs import EnvironmentSpec

REQUEST_MOST = 16_000_000  # bytes
OTHERS_MAY_READ = 0o022  # nodes may be another user

Result = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Job:
    """What an action works with."""

    request: Mapping[str, Any]
    store: EnvironmentStore
    say: Callable[[str], None]

    @property
    def builder(self) -> Builder:
        """With the manager that was asked for."""
        default = self.request.get("default_python", "")
        manager = select_manager(self.request.get("manager", "auto"), default, self.find_python)
        return Builder(self.store, manager, self.say)

    def find_python(self, versions: str) -> str | None:
        """The newest interpreter that fits. ValueError."""
        from pyflowd.environments.discovery import find_python

        with redirect_stdout(sys.stderr):  # what an interpreter prints when it starts is nobody's answer
            return find_python(versions, cache_folder=str(self.store.interpreters))

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts in the request."""
        return tuple(self.request.get(name) or ())


def _build(job: Job) -> Result:
    return _made(job.builder.build(_spec(job.request["spec"])))


def _create(job: Job) -> Result:
    spec = EnvironmentSpec(
        python=job.request.get("python") or "",
        requirements=job.texts("requirements"),
        allow_builds=bool(job.request.get("allow_builds")),
    )
    return _made(job.builder.create(job.request["name"], spec))


def _install(job: Job) -> Result:
    allow_builds = bool(job.request.get("allow_builds"))
    return _made(job.builder.install(job.request["name"], job.texts("requirements"), allow_builds=allow_builds))


def _uninstall(job: Job) -> Result:
    return _made(job.builder.uninstall(job.request["name"], job.texts("requirements")))


def _remove(job: Job) -> Result:
    job.builder.remove(job.request["environment"])
    return {}


def _list(job: Job) -> Result:
    return {"environments": [summary(record) for record in job.store.records()]}


def _lock(job: Job) -> Result:
    environment = job.request.get("environment")
    if environment is not None:
        return {"text": job.builder.lock_of(environment)}
    spec = _spec(job.request["spec"])
    wanted = Wanted(requirements=spec.requirements, allow_builds=spec.allow_builds)
    return {"text": job.builder.lock(spec.python, wanted)}


def _select(job: Job) -> Result:
    return {"python": job.builder.select(_spec(job.request["spec"]).python), "was_there": True}


def _look(name: str) -> "Callable[[Job], Result]":
    """Something that is found out by reading."""

    def act(job: Job) -> Result:
        from pyflowd.environments import inspections

        return inspections.ACTIONS[name]({"cache_folder": str(job.store.interpreters), **job.request}, job.say)

    return act


def _export(job: Job) -> Result:
    return {"text": job.builder.export(job.request["environment"], job.request.get("format", "requirements"))}


def _prune(job: Job) -> Result:
    from pyflowd.environments.pruning import PruningRule, prune

    rule = PruningRule(
        unused_s=job.request.get("unused_s"), disk_bytes=job.request.get("disk_bytes"), in_use=set(job.texts("in_use"))
    )
    dry_run = bool(job.request.get("dry_run"))
    removed = prune(job.store, rule, time.time(), dry_run=dry_run)
    if not dry_run:
        job.store.sweep()
    return {"removed": [*map(summary, removed)], "freed_bytes": sum(record.size_bytes for record in removed)}


def _sweep(job: Job) -> Result:
    return {"removed": job.store.sweep()}


ACTIONS: dict[str, Callable[[Job], Result]] = {
    "build": _build,
    "create": _create,
    "install": _install,
    "uninstall": _uninstall,
    "remove": _remove,
    "list": _list,
    "lock": _lock,
    "export": _export,
    "prune": _prune,
    "sweep": _sweep,
    "select": _select,
    "detect": _look("detect"),
    "show": _look("show"),
    "verify": _look("verify"),
}


def summary(record: EnvironmentRecord) -> Result:
    """A record as `EnvironmentSummary` has it on the wire."""
    from pyflowd_client.protocol.codec import to_wire
    from pyflowd_client.protocol.replies import EnvironmentSummary

    return to_wire(
        EnvironmentSummary(
            id=record.id, kind=record.kind, python=record.python, version=record.version,
            requirements=(*record.requirements, *record.optional), packages=record.packages,
            size_bytes=record.size_bytes, created=record.created, used=record.used,
        )
    )  # fmt: skip


def perform(request: Mapping[str, Any], say: Callable[[str], None]) -> Result:
    """Carries out a request; what it says last."""
    try:
        store = EnvironmentStore(Path(request["root"]), request.get("default_python", ""))
        return {"result": ACTIONS[request["action"]](Job(request, store, say))}
    except EnvironmentFailed as error:
        failure = error
    except OSError as error:
        failure = from_os_error(error, Path(request["root"]))
    return {"error": {"message": failure.message, "package": failure.package, "hint": failure.hint}}


def _made(made: Made) -> Result:
    record = made.record
    return {
        "id": record.id,
        "python": record.python,
        "folder": str(Path(record.python).parent.parent),
        "version": record.version,
        "packages": record.packages,
        "size_bytes": record.size_bytes,
        "warnings": record.warnings,
        "duration_s": round(made.duration_s, 3),
        "was_there": made.was_there,
    }


def _spec(fields: Mapping[str, Any]) -> EnvironmentSpec:
    """Lists become tuples again."""
    values: dict[str, Any] = {name: tuple(item) if isinstance(item, list) else item for name, item in fields.items()}
    return EnvironmentSpec(**values)


def _read_request() -> Mapping[str, Any]:
    text = b""
    while b"\n" not in text and len(text) < REQUEST_MOST:
        more = os.read(0, 65536)
        if not more:
            break
        text += more
    found: Mapping[str, Any] = json.loads(text)
    return found


def _end_with_input() -> None:
    """Kills the group as soon as the input ends."""
    while os.read(0, 4096):
        continue
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


def main() -> int:
    """Reads the request, and does it."""
    os.umask(OTHERS_MAY_READ)
    output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def write(message: Result) -> None:
        output.write(json.dumps(message) + "\n")
        output.flush()

    request = _read_request()
    threading.Thread(target=_end_with_input, name="input", daemon=True).start()
    outcome = perform(request, lambda text: write({"progress": text}))
    write(outcome)
    return 0 if "result" in outcome else 1


if __name__ == "__main__":
    sys.exit(main())
