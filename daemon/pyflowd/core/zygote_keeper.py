"""ZygoteKeeper: when fork servers start, follow each other, and end.

They start when somebody needs one. Another follows when the environment has changed, or when nodes were seen to import
what it could have imported for them. They end when nobody has used them for long, when there are too many, or when they
need too much memory: the longest unused first, and none that is at work.
"""

from collections.abc import Callable

from pyflowd.core import effects, stimuli
from pyflowd.core.call_desk import CallDesk
from pyflowd.core.calls import Call
from pyflowd.core.deadlines import Deadlines, Occasion
from pyflowd.core.ids import EnvironmentId
from pyflowd.core.learnt_imports import LearntImports
from pyflowd.core.machines import ZygoteState
from pyflowd.core.profiles import profile_of
from pyflowd.core.worker_pool import Worker, WorkerPool
from pyflowd.core.zygotes import Zygote

RETIRE_PAUSE_S = 30.0  # between two looks at environments that are not free yet
HEIR_AFTER_S = 0.1  # what the nodes of a run import is mostly learnt within it


class ZygoteKeeper:
    """The zygotes of the pool.

    on_changed: what was known of the code in an environment does not hold any more, and whether its interpreter is
    another one. on_warmed: an environment is ready. on_lost: a call that is lost, and why. on_doomed: an environment
    cannot be used.
    """

    def __init__(
        self,
        pool: WorkerPool,
        desk: CallDesk,
        deadlines: Deadlines,
        learnt: LearntImports,
        emit: Callable[[effects.Effect], None],
    ) -> None:
        self.on_changed: Callable[[EnvironmentId, bool], None]
        self.on_warmed: Callable[[EnvironmentId], None]
        self.on_lost: Callable[[Call, str], None]
        self.on_doomed: Callable[[EnvironmentId], None]
        self.learnt = learnt
        self._pool = pool
        self._book = pool.book
        self._desk = desk
        self._deadlines = deadlines
        self._emit = emit
        self._fingerprints: dict[str, str] = {}
        self._heirs_wanted: dict[EnvironmentId, None] = {}

    def need(self, environment: EnvironmentId) -> None:
        """Somebody needs an environment: start its zygote unless that was done."""
        zygote = self._book.warming(environment, self._deadlines.now)
        if zygote is not None:
            self._start(zygote)
            self.retire()

    def keep(self, environment: EnvironmentId, preload: tuple[str, ...] = ()) -> None:
        """An environment shall be warm, whether anybody uses it or not, with these modules imported."""
        self.learnt.want(profile_of(environment).python, preload)
        self.need(environment)
        zygote = self._book.of(environment)
        zygote.is_kept = True
        if set(preload) - set(zygote.preload):
            self._want_heir(environment)

    def is_warm(self, environment: EnvironmentId) -> bool:
        """Whether nodes can be forked there now."""
        return self._book.is_warm(environment)

    def refusal(self, environment: EnvironmentId) -> str | None:
        """Why an environment cannot be used; None when it can, or may soon."""
        return self._book.refusal(environment)

    def cool(self, python: str) -> None:
        """The zygotes of an interpreter are not needed any more."""
        for zygote in self._book.of_python(python):
            zygote.is_kept = False
            self._heirs_wanted.pop(zygote.environment, None)
            if zygote.environment in self._book.heirs:
                self._end(self._book.heirs[zygote.environment])
            if zygote.state is ZygoteState.WARM and not any(self._pool.waiting(zygote.environment)):
                self._leave_behind(self._book.renew(zygote.environment))

    def look(self, python: str, fingerprint: str) -> None:
        """An environment has this fingerprint now: zygotes that knew another are not used any more."""
        if self._fingerprints.get(python) == fingerprint:
            return
        self._fingerprints[python] = fingerprint
        self.learnt.changed(python)
        for zygote in self._book.of_python(python):
            if zygote.state is ZygoteState.WARM and zygote.fingerprint != fingerprint:
                self._renew(zygote)
            elif zygote.state in (ZygoteState.BACKOFF, ZygoteState.BROKEN):
                self._book.forgive(zygote)

    def learn(self, worker: Worker | None, imports: tuple[tuple[str, float], ...]) -> None:
        """A node imported what its zygote had not: the next shall have it."""
        if worker is None or not imports:
            return
        zygote = worker.zygote
        if self.learnt.learn(zygote.python, imports, zygote.preload):
            self._want_heir(zygote.environment)

    def start_heirs(self) -> None:
        """Start the zygotes that shall know more than the present ones. One that does so already is waited for."""
        wanted, self._heirs_wanted = self._heirs_wanted, {}
        for environment in wanted:
            current = self._book.current.get(environment)
            if current is None:
                continue
            if current.state is ZygoteState.WARMING or environment in self._book.heirs:
                self._want_heir(environment)
            elif current.state is ZygoteState.WARM and self._knows_more(current):
                self._start(self._book.heir(environment))

    def _knows_more(self, current: Zygote) -> bool:
        """Whether another that started now would import what this one was not told of."""
        return bool(set(self.learnt.preload(current.python)) - set(current.preload))

    def warmed(self, warmed: stimuli.ZygoteWarmed) -> None:
        """A zygote is up."""
        zygote = self._book.living.get(warmed.zygote)
        if zygote is None or zygote.state is not ZygoteState.WARMING:
            return
        earlier = self._book.of(zygote.environment).version
        former = self._book.warmed(zygote)
        self._pool.warmed(zygote, warmed.pid, warmed.version, self._deadlines.now)
        zygote.tier, zygote.lacks, zygote.fingerprint = warmed.tier, warmed.lacks, warmed.fingerprint
        zygote.preloaded, zygote.not_preloaded = warmed.preloaded, warmed.not_preloaded
        self.learnt.warmed(zygote.python, warmed.fingerprint, warmed.preloaded, warmed.not_preloaded)
        self._deadlines.set(zygote, zygote.refill_at)
        if former is None or former.fingerprint != zygote.fingerprint:
            is_another = earlier is not None and _release(earlier) != _release(warmed.version)
            self.on_changed(zygote.environment, is_another)
        if former is not None:
            self._leave_behind(former)
        latest = self._fingerprints.get(zygote.python)
        if latest not in (warmed.fingerprint, zygote.known_fingerprint):
            self._renew(zygote)
        else:
            self._fingerprints[zygote.python] = warmed.fingerprint
        self.on_warmed(zygote.environment)
        self.retire()

    def lost(self, lost: stimuli.ZygoteLost) -> None:
        """A zygote ended, and its workers with it, or it never came up."""
        zygote = self._book.lost(lost.zygote, lost.reason, self._deadlines.now)
        if zygote is None:
            return
        for worker in self._pool.members(zygote):
            call = self._desk.lose(worker.id)
            if call is not None:
                self.on_lost(call, lost.reason)
        if self._book.current.get(zygote.environment) is not zygote:
            return
        if any(self._pool.waiting(zygote.environment)):
            self.need(zygote.environment)
        if self._book.refusal(zygote.environment) is not None:
            self.on_doomed(zygote.environment)

    def measured(self, measured: stimuli.MemoryMeasured) -> None:
        """What zygotes need."""
        for zygote in self._book.alive():
            zygote.memory_bytes = measured.memory_bytes.get(zygote.id)
        self._pool.short_bytes = measured.short_bytes
        self.retire()
        self._pool.short_bytes = 0

    def retire(self) -> None:
        """Let go of the zygotes that are not needed, and look again when others may not be."""
        for zygote in self._pool.unneeded(self._deadlines.now):
            self._end(zygote)
            self.on_changed(zygote.environment, False)
        used = [zygote.used_at for zygote in self._book.alive() if not zygote.is_kept]
        if used:
            due = min(used) + self._pool.limits.retire_s
            self._deadlines.set(Occasion.RETIRE, max(due, self._deadlines.now + RETIRE_PAUSE_S))

    def left(self, zygote: Zygote) -> None:
        """One of its workers is dead: a zygote that only waited for that may end."""
        if zygote.state is ZygoteState.STALE and zygote.id in self._book.living:
            self._end_at_rest(zygote)

    def _start(self, zygote: Zygote) -> None:
        zygote.preload = self.learnt.preload(zygote.python)
        zygote.known_fingerprint = self._fingerprints.get(zygote.python)
        self._emit(effects.StartZygote(zygote=zygote.id, environment=zygote.environment, preload=zygote.preload))

    def _renew(self, zygote: Zygote) -> None:
        environment, version = zygote.environment, zygote.version
        former = self._book.renew(environment)
        self._book.of(environment).version = version
        self._leave_behind(former)
        self.on_changed(environment, False)
        if former.is_kept or any(self._pool.waiting(environment)):
            self.need(environment)

    def _leave_behind(self, former: Zygote) -> None:
        """Its spares are of no use; its nodes finish."""
        self._deadlines.clear(former)
        self._end_at_rest(former)

    def _end_at_rest(self, zygote: Zygote) -> None:
        if self._pool.is_at_rest(zygote):
            self._end(zygote)

    def _want_heir(self, environment: EnvironmentId) -> None:
        if not self._heirs_wanted:
            self._deadlines.set(Occasion.HEIRS, self._deadlines.now + HEIR_AFTER_S)
        self._heirs_wanted[environment] = None

    def _end(self, zygote: Zygote) -> None:
        for worker in self._pool.members(zygote):
            self._desk.lose(worker.id)
        self._book.drop(zygote)
        self._emit(effects.EndZygote(zygote=zygote.id))


def _release(version: str) -> str:
    """The part of a version that decides which compiled code an interpreter takes."""
    return ".".join(version.split(".")[:2])
