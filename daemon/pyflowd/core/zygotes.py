"""Zygotes: the fork servers of environments, in generations. Which is used now, which is to follow it, which is left.

    current   one of each environment: its calls go there
    heir      warms up beside it, with more imported; once warm, it is the current one
    former    stale: its nodes finish, and then it is ended

A record is a generation; its id is the process. A fork server that is lost is started again under another id.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from pyflowd.core.ids import EnvironmentId, WorkerId, ZygoteId
from pyflowd.core.limits import Graces
from pyflowd.core.machines import ZYGOTE_MOVES, ZygoteState, mover
from pyflowd.core.profiles import profile_of

NO_PROCESS = ZygoteId(0)


@dataclass(slots=True, eq=False)
class Zygote:
    """One generation of an environment's fork server.

    `spares` are ids of its starting and idle workers, the next to be used last: that is the youngest of the idle, for
    much of its memory still lies in the caches; when there is none, the oldest of the starting.
    fingerprint: of the environment as it was when this one started; known_fingerprint: what was known of it until then.
    preload: what it was told to import; preloaded:
    (module, seconds) of what it did; not_preloaded: (module, reason) of the rest.
    """

    environment: EnvironmentId
    id: ZygoteId = NO_PROCESS
    state: ZygoteState = ZygoteState.COLD
    pid: int | None = None
    version: str | None = None
    tier: str = ""
    lacks: tuple[str, ...] = ()
    fingerprint: str = ""
    known_fingerprint: str | None = None
    preload: tuple[str, ...] = ()
    preloaded: tuple[tuple[str, float], ...] = ()
    not_preloaded: tuple[tuple[str, str], ...] = ()
    spares: deque[WorkerId] = field(default_factory=deque)
    failures: int = 0
    reason: str = ""
    retry_at: float = 0.0
    refill_at: float = 0.0
    pauses: int = 0
    is_in_use: bool = False
    used_at: float = 0.0
    is_kept: bool = False
    memory_bytes: int | None = None

    @property
    def python(self) -> str:
        """The interpreter."""
        return profile_of(self.environment).python

    to = mover(ZYGOTE_MOVES, "zygote", lambda zygote: zygote.environment)


class ZygoteBook:
    """All zygotes. It decides nothing about when they come and go."""

    def __init__(self, graces: Graces) -> None:
        self.current: dict[EnvironmentId, Zygote] = {}
        self.heirs: dict[EnvironmentId, Zygote] = {}
        self.living: dict[ZygoteId, Zygote] = {}
        self._graces = graces
        self._last_id = 0

    def of(self, environment: EnvironmentId) -> Zygote:
        """The current one of an environment, cold when it is new."""
        zygote = self.current.get(environment)
        if zygote is None:
            zygote = self.current[environment] = Zygote(environment)
        return zygote

    def is_warm(self, environment: EnvironmentId) -> bool:
        """Whether nodes can be forked there now."""
        zygote = self.current.get(environment)
        return zygote is not None and zygote.state is ZygoteState.WARM

    def of_python(self, python: str) -> list[Zygote]:
        """The current ones of an interpreter, whatever their nodes are permitted."""
        return [zygote for zygote in self.current.values() if zygote.python == python]

    def refusal(self, environment: EnvironmentId) -> str | None:
        """Why this environment cannot be used now; None when it can, or may soon."""
        zygote = self.of(environment)
        return zygote.reason if zygote.state in (ZygoteState.BACKOFF, ZygoteState.BROKEN) else None

    def warming(self, environment: EnvironmentId, now: float) -> Zygote | None:
        """An environment is needed: its zygote, when that must be started now."""
        zygote = self.of(environment)
        is_due = zygote.state is ZygoteState.BACKOFF and now >= zygote.retry_at
        if not is_due and zygote.state not in (ZygoteState.COLD, ZygoteState.DEAD):
            return None
        return self._begin(zygote)

    def heir(self, environment: EnvironmentId) -> Zygote:
        """A zygote that shall follow the current one, to be started now."""
        heir = self.heirs[environment] = Zygote(environment)
        return self._begin(heir)

    def warmed(self, zygote: Zygote) -> Zygote | None:
        """It is up: from now on it is the current one. Returns the one that it follows, which is stale."""
        zygote.to(ZygoteState.WARM)
        if self.heirs.get(zygote.environment) is not zygote:
            return None
        del self.heirs[zygote.environment]
        return self._follow(zygote)

    def renew(self, environment: EnvironmentId) -> Zygote:
        """The environment is not what it was when its zygote started. Returns that one, which is stale."""
        former = self._follow(Zygote(environment))
        assert former is not None
        return former

    def lost(self, zygote_id: ZygoteId, reason: str, now: float) -> Zygote | None:
        """A process ended, or never came up; None when it had been given up before."""
        zygote = self.living.pop(zygote_id, None)
        if zygote is None:
            return None
        zygote.pid, zygote.reason = None, reason
        is_heir = self.heirs.get(zygote.environment) is zygote
        if is_heir:
            del self.heirs[zygote.environment]
        if is_heir or zygote.state is not ZygoteState.WARMING:
            zygote.to(ZygoteState.DEAD)
        else:
            self._back_off(zygote, now)
        return zygote

    def drop(self, zygote: Zygote) -> None:
        """It is given up, and its process with it. An environment without another is known no more."""
        zygote.to(ZygoteState.DEAD)
        del self.living[zygote.id]
        if self.current.get(zygote.environment) is zygote:
            del self.current[zygote.environment]
        if self.heirs.get(zygote.environment) is zygote:
            del self.heirs[zygote.environment]

    def forgive(self, zygote: Zygote) -> None:
        """One that failed to start may do better now: it is tried again as if it were new."""
        self.current[zygote.environment] = Zygote(zygote.environment, is_kept=zygote.is_kept)

    def alive(self) -> Iterator[Zygote]:
        """Those that have a process."""
        return iter(self.living.values())

    def _begin(self, zygote: Zygote) -> Zygote:
        zygote.to(ZygoteState.WARMING)
        self._last_id += 1
        zygote.id = ZygoteId(self._last_id)
        self.living[zygote.id] = zygote
        return zygote

    def _follow(self, zygote: Zygote) -> Zygote | None:
        """Put a zygote in the place of the current one."""
        former = self.current.get(zygote.environment)
        self.current[zygote.environment] = zygote
        if former is None:
            return None
        zygote.is_kept, zygote.used_at = former.is_kept, former.used_at
        if former.id not in self.living:
            return None
        former.to(ZygoteState.STALE)
        return former

    def _back_off(self, zygote: Zygote, now: float) -> None:
        zygote.failures += 1
        broken = zygote.failures >= self._graces.failures_until_broken
        zygote.to(ZygoteState.BROKEN if broken else ZygoteState.BACKOFF)
        pause_s = self._graces.backoff_s * 2 ** (zygote.failures - 1)
        zygote.retry_at = now + min(pause_s, self._graces.backoff_most_s)
