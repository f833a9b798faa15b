"""EnvironmentDesk: environments on their way, told to the runs that wait for them; and changes of named ones.

A change is a run without nodes: it is numbered, followed, cancelled and remembered like any other.
"""

from collections.abc import Callable, Iterable

from pyflowd.core import effects, stimuli
from pyflowd.core.herald import Herald
from pyflowd.core.ids import EnvironmentId, SessionId
from pyflowd.core.preparer import Preparer
from pyflowd.core.run_book import RunBook
from pyflowd.core.run_conductor import RunConductor
from pyflowd.core.runs import Run
from pyflowd.core.waiters import Waiter, run_of
from pyflowd.core.zygote_keeper import ZygoteKeeper
from pyflowd.graph.environment_specs import EnvironmentSpec
from pyflowd_client.protocol import events, replies
from pyflowd_client.protocol.errors import ErrorCode, ErrorInfo
from pyflowd_client.protocol.options import DEFAULT_MAX_VALUE_BYTES
from pyflowd_client.protocol.states import RunState


class EnvironmentDesk:
    """Between those who want an environment and the world, which finds or makes it."""

    def __init__(
        self,
        book: RunBook,
        herald: Herald,
        preparer: Preparer[Waiter],
        keeper: ZygoteKeeper,
        conductor: RunConductor,
        emit: Callable[[effects.Effect], None],
    ) -> None:
        self._book = book
        self._herald = herald
        self._preparer = preparer
        self._keeper = keeper
        self._conductor = conductor
        self._emit = emit
        self._warming: dict[EnvironmentId, list[tuple[SessionId, int]]] = {}
        keeper.on_warmed = self.warmed

    def change(self, asked: stimuli.ChangeAsked) -> None:
        """A client wants a named environment made or changed."""
        refusal = self._book.capacity_refusal()
        if refusal is not None:
            self._herald.refuse(asked.session, asked.request, refusal)
            return
        run = self._book.open_change(asked.change, self._herald.now)
        self._herald.answer(asked.session, asked.request, replies.RunAccepted(run=run.id))
        self._emit(effects.OpenRun(run=run.id, session=asked.session, max_value_bytes=DEFAULT_MAX_VALUE_BYTES))
        run.to(RunState.RUNNING)
        run.started_at = self._herald.now
        self._emit(effects.ChangeEnvironment(run=run.id, change=asked.change))

    def provided(self, provided: stimuli.EnvironmentProvided) -> None:
        """An environment is there."""
        if provided.made is not None:
            for run in self._runs(self._preparer.waiters(provided.spec)):
                self._tell_ready(run, provided.spec.shown, provided.python, provided.made)
        self._keeper.look(provided.python, provided.fingerprint)
        self._preparer.provided(provided)

    def progressed(self, progressed: stimuli.EnvironmentProgressed) -> None:
        """Something happens on the way to an environment."""
        if isinstance(progressed.job, EnvironmentSpec):
            runs = self._runs(self._preparer.waiters(progressed.job))
        else:
            runs = self._runs([progressed.job])
        for run in runs:
            self._herald.publish(run, events.EnvironmentProgress, message=progressed.message)

    def refused(self, refused: stimuli.EnvironmentRefused) -> None:
        """An environment cannot be had."""
        self._preparer.refused(refused)

    def changed(self, changed: stimuli.EnvironmentChanged) -> None:
        """A named environment was made or changed."""
        self._keeper.look(changed.python, changed.fingerprint)
        for run in self._runs([changed.run]):
            self._tell_ready(run, run.graph, changed.python, changed.made)
            self._conductor.finish(run, RunState.SUCCEEDED)

    def failed(self, failed: stimuli.ChangeFailed) -> None:
        """A named environment could not be made or changed."""
        for run in self._runs([failed.run]):
            self._conductor.finish(run, RunState.FAILED, failed.error)

    def looked_at(self, looked: stimuli.EnvironmentLookedAt) -> None:
        """An environment was looked at."""
        self._keeper.look(looked.python, looked.fingerprint)

    def warm(self, asked: stimuli.WarmAsked) -> None:
        """A client wants an environment warm; it is told when it is."""
        self._keeper.keep(asked.environment)
        self._warming.setdefault(asked.environment, []).append((asked.session, asked.request))
        if self._keeper.is_warm(asked.environment):
            self.warmed(asked.environment)
        elif (reason := self._keeper.refusal(asked.environment)) is not None:
            self.lose(asked.environment, ErrorInfo(code=ErrorCode.ENVIRONMENT, message=reason))

    def warmed(self, environment: EnvironmentId) -> None:
        """An environment is warm."""
        for session, request in self._warming.pop(environment, ()):
            self._herald.answer(session, request, replies.Done())

    def lose(self, environment: EnvironmentId, error: ErrorInfo) -> None:
        """An environment cannot be used."""
        for session, request in self._warming.pop(environment, ()):
            self._herald.refuse(session, request, error)

    def cool(self, asked: stimuli.CoolAsked) -> None:
        """A client does not need an environment any more."""
        self._keeper.cool(asked.python)
        self._herald.answer(asked.session, asked.request, replies.Done())

    def leave(self, run: Run) -> None:
        """A run is over before its environment was there."""
        if run.is_change:
            self._emit(effects.AbandonEnvironment(job=run.id))
        else:
            self._preparer.leave(run.id)

    def _tell_ready(self, run: Run, name: str, python: str, made: stimuli.Made) -> None:
        self._herald.publish(
            run,
            events.EnvironmentReady,
            environment=name,
            python=python,
            packages=made.packages,
            duration_s=made.duration_s,
            warnings=made.warnings,
        )

    def _runs(self, waiters: Iterable[Waiter]) -> list[Run]:
        """The runs among them that are not over."""
        found = (self._book.runs.get(run) for waiter in waiters if (run := run_of(waiter)) is not None)
        return [run for run in found if run is not None and not run.is_over]
