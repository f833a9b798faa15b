"""Environments: finds those that are there, at once, and has the others made. Performs the effects about them."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from pyflowd.core import effects
from pyflowd.core.ids import EnvironmentId
from pyflowd.core.stimuli import (
    ChangeFailed,
    EnvironmentChanged,
    EnvironmentLookedAt,
    EnvironmentProgressed,
    EnvironmentProvided,
    EnvironmentRefused,
    EnvironmentWanted,
    Made,
    Stimulus,
)
from pyflowd.environments.failures import EnvironmentFailed
from pyflowd.environments.fingerprint import Fingerprints
from pyflowd.environments.installation import version_problem
from pyflowd.environments.interpreter import InterpreterError, find_interpreter
from pyflowd.environments.store import EnvironmentStore
from pyflowd.graph.environment_specs import DEFAULT, EnvironmentSpec
from pyflowd.shell.jobs import Jobs, Listener
from pyflowd_client.protocol.errors import ErrorCode, ErrorInfo
from pyflowd_client.protocol.ids import RunId

TOUCH_EVERY_S = 60.0

log = logging.getLogger(__name__)


class Environments:
    """The environments that one daemon finds and has made.

    default: what nodes run in for which nothing else was said; where that says nothing either, in `default_python`.
    """

    def __init__(
        self,
        store: EnvironmentStore,
        jobs: Jobs,
        fingerprints: Fingerprints,
        default: EnvironmentSpec,
        default_python: str,
        feed: Callable[[Stimulus], None],
    ) -> None:
        self.store = store
        self.fingerprints = fingerprints
        self._jobs = jobs
        self._default = default
        self._default_python = default_python
        self._feed = feed
        self._under_way: dict[EnvironmentSpec | RunId, int] = {}
        self._interpreters: dict[str, str] = {}
        self._touched: dict[EnvironmentSpec, float] = {}

    def provide(self, effect: effects.ProvideEnvironment) -> None:
        """Find an environment, or have it made."""
        try:
            found = self._provided(effect.spec)
        except (InterpreterError, EnvironmentFailed) as error:
            refusal = ErrorInfo(code=ErrorCode.ENVIRONMENT, message=f"No such environment: {error}.")
            self._feed(EnvironmentRefused(spec=effect.spec, error=refusal))
            return
        if found is not None:
            self._feed(found)
        else:
            self._make(effect.spec)

    def at_hand(self) -> EnvironmentProvided | None:
        """What nodes run in for which nobody says otherwise, if it is there: so the core need not ask for it."""
        try:
            return self._provided(DEFAULT)
        except (InterpreterError, EnvironmentFailed):
            return None

    def _provided(self, spec: EnvironmentSpec) -> EnvironmentProvided | None:
        """An environment that is there, as it is now. InterpreterError, EnvironmentFailed."""
        python = self.find(spec)
        fingerprint = self.fingerprints.of(python) if python is not None else ""
        if python is None or not fingerprint:
            return None
        return EnvironmentProvided(spec=spec, python=python, fingerprint=fingerprint)

    def find(self, spec: EnvironmentSpec) -> str | None:
        """The interpreter of an environment; None when it has to be made, or looked for. InterpreterError."""
        if spec == DEFAULT:
            if self._default == DEFAULT:
                return self._default_python
            spec = self._default
        if not spec.name and not spec.is_built:
            return self._interpreter(spec.python)
        found = self.store.find(spec)
        if found is not None:
            self._touch(spec)
            return str(found)
        if not spec.name:
            return None
        if self.store.read(self.store.place_of(spec)) is not None:
            raise InterpreterError(f"'{spec.name}' has lost its interpreter; remove it, and create it anew")
        raise InterpreterError(f"none is named '{spec.name}'; `pyflowctl env list` shows which there are")

    def _touch(self, spec: EnvironmentSpec) -> None:
        """Write down that it is used, now and then."""
        now = time.monotonic()
        if now - self._touched.get(spec, -TOUCH_EVERY_S) >= TOUCH_EVERY_S:
            self._touched[spec] = now
            self.store.touch(spec)

    def wanted(self, warm: Mapping[str, tuple[str, ...]]) -> Iterator[EnvironmentWanted]:
        """Those that the settings want warm, as far as they are there; with the modules they want imported."""
        for environment, preload in warm.items():
            is_path = environment.startswith("/")
            spec = EnvironmentSpec(python=environment) if is_path else EnvironmentSpec(name=environment)
            try:
                python = self.find(spec)
            except (InterpreterError, EnvironmentFailed) as error:
                log.warning("the environment %s, which the settings want warm: %s", environment, error)
                continue
            if python is not None:
                yield EnvironmentWanted(environment=EnvironmentId(python), preload=preload)

    def _interpreter(self, python: str) -> str | None:
        """Looked up once: what stands at a path later is the zygote's to find out."""
        found = self._interpreters.get(python)
        if found is None and python.startswith("/"):
            found = find_interpreter(python)
            reason = version_problem(found)
            if reason is not None:
                raise InterpreterError(f"{found}: {reason}")
            self._interpreters[python] = found
        return found

    def change(self, effect: effects.ChangeEnvironment) -> None:
        """Make or change a named environment."""
        run, change = effect.run, effect.change

        def done(result: dict[str, Any]) -> None:
            del self._under_way[run]
            python = result["python"]
            self._feed(
                EnvironmentChanged(run=run, python=python, fingerprint=self.fingerprints.of(python), made=_made(result))
            )

        def failed(error: ErrorInfo) -> None:
            del self._under_way[run]
            self._feed(ChangeFailed(run=run, error=error))

        parameters = {
            "name": change.name,
            "requirements": list(change.requirements),
            "python": change.python or "",
            "allow_builds": change.allow_builds,
        }
        listener = Listener(done=done, failed=failed, progressed=self._progress(run))
        self._under_way[run] = self._jobs.start(change.action, parameters, listener)

    def abandon(self, effect: effects.AbandonEnvironment) -> None:
        """Nobody waits for it any more; what it has begun is removed."""
        number = self._under_way.pop(effect.job, None)
        if number is not None:
            self._jobs.abandon(number)
            self.clean()

    def clean(self) -> None:
        """Remove what work that was interrupted has left, if there is any."""
        if self.store.has_leftovers():
            nothing = Listener(done=lambda _: None, failed=lambda error: log.warning("%s", error.message))
            self._jobs.start("sweep", {}, nothing)

    def look(self, pythons: set[str]) -> None:
        """See whether these are what they were."""
        for python in pythons:
            self._feed(EnvironmentLookedAt(python=python, fingerprint=self.fingerprints.of(python)))

    def _make(self, spec: EnvironmentSpec) -> None:
        def done(result: dict[str, Any]) -> None:
            del self._under_way[spec]
            python = result["python"]
            if not spec.is_built and not spec.name:
                self._interpreters[spec.python] = python
            made = None if result.get("was_there") else _made(result)
            fingerprint = self.fingerprints.of(python)
            self._feed(EnvironmentProvided(spec=spec, python=python, fingerprint=fingerprint, made=made))

        def failed(error: ErrorInfo) -> None:
            del self._under_way[spec]
            self._feed(EnvironmentRefused(spec=spec, error=error))

        self._interpreters.pop(spec.python, None)
        listener = Listener(done=done, failed=failed, progressed=self._progress(spec))
        action = "build" if spec.is_built else "select"
        self._under_way[spec] = self._jobs.start(action, {"spec": asdict(spec)}, listener)

    def _progress(self, job: EnvironmentSpec | RunId) -> Callable[[str], None]:
        return lambda message: self._feed(EnvironmentProgressed(job=job, message=message))


def _made(result: dict[str, Any]) -> Made:
    return Made(
        packages=int(result["packages"]), duration_s=float(result["duration_s"]), warnings=tuple(result["warnings"])
    )
