"""WorkerPool: who may run next, on which worker. It decides, and changes nothing but itself.

Calls wait in one queue per group (a run, or the preparation of a graph); groups take turns, so that a run of
ten thousand nodes does not make the next one wait. A call takes an idle worker of its environment, else one that
is still starting, else asks for a fork of its own: its frame then lies in the socket before the process exists.
A fork takes as long as a small node, so spares are replaced when nobody is at work: between two of a person's
changes, not during one. In the midst of work that is done only once hardly any are left, and then all at once. While
calls wait, one is forked ahead for each of them, up to a limit: forks are cheaper in a row.
"""

from collections import deque
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field

from pyflowd.core.calls import Call
from pyflowd.core.ids import EnvironmentId, WorkerId
from pyflowd.core.limits import Graces, PoolLimits
from pyflowd.core.machines import SPARE_STATES, WORKER_MOVES, ZYGOTE_MOVES, WorkerState, ZygoteState, move

PAUSES_COUNTED = 16


@dataclass(slots=True, eq=False)
class Worker:
    """One process. It holds at most one call, and none but in state busy."""

    id: WorkerId
    environment: EnvironmentId
    state: WorkerState = WorkerState.STARTING
    call: Call | None = None

    def to(self, target: WorkerState) -> None:
        """Move to another state."""
        self.state = move(WORKER_MOVES, "worker", self.id, self.state, target)


@dataclass(slots=True, eq=False)
class Zygote:
    """The fork server of an environment.

    `spares` are ids of its starting and idle workers, the next to be used last: that is the youngest of the idle, for
    much of its memory still lies in the caches; when there is none, the oldest of the starting.
    """

    environment: EnvironmentId
    state: ZygoteState = ZygoteState.COLD
    pid: int | None = None
    version: str | None = None
    tier: str = ""
    lacks: tuple[str, ...] = ()
    spares: deque[WorkerId] = field(default_factory=deque)
    failures: int = 0
    reason: str = ""
    retry_at: float = 0.0
    refill_at: float = 0.0
    pauses: int = 0
    is_in_use: bool = False
    used_at: float = 0.0
    is_kept: bool = False

    def to(self, target: ZygoteState) -> None:
        """Move to another state."""
        self.state = move(ZYGOTE_MOVES, "zygote", self.environment, self.state, target)


@dataclass(slots=True)
class Assignments:
    """What one pass decided: forks to ask for, and which call goes to which worker.

    forks_first: some of the calls go to workers that are not forked yet.
    in_hurry: more calls wait.
    """

    forks: dict[EnvironmentId, list[WorkerId]] = field(default_factory=dict)
    calls: list[tuple[Call, Worker]] = field(default_factory=list)
    forks_first: bool = False
    in_hurry: bool = False


class WorkerPool:
    """All zygotes, workers and waiting calls."""

    def __init__(self, limits: PoolLimits, graces: Graces) -> None:
        self.limits = limits
        self.zygotes: dict[EnvironmentId, Zygote] = {}
        self.workers: dict[WorkerId, Worker] = {}
        self.running = 0
        self.closed = False
        self.quiet_at = 0.0
        self._graces = graces
        self._queues: dict[Hashable, deque[Call]] = {}
        self._turns: deque[Hashable] = deque()
        self._last_id = 0

    # -- calls

    def enqueue(self, call: Call) -> None:
        """Let a call wait for its turn."""
        queue = self._queues.get(call.group)
        if queue is None:
            queue = self._queues[call.group] = deque()
            self._turns.append(call.group)
        queue.append(call)

    def drop(self, group: Hashable) -> list[Call]:
        """Take all waiting calls of a group out."""
        queue = self._queues.pop(group, None)
        if queue is None:
            return []
        self._turns.remove(group)
        return list(queue)

    def waiting(self, environment: EnvironmentId) -> Iterator[Call]:
        """The calls that wait for an environment."""
        return (call for queue in self._queues.values() for call in queue if call.environment == environment)

    def assign(self, now: float) -> Assignments:
        """Give waiting calls to workers as far as the limits allow, then refill spares."""
        made = Assignments()
        while self._turns and self.running < self.limits.running:
            call = self._next_call()
            if call is None:
                break
            worker = self._take_worker(call.environment, made, now)
            worker.to(WorkerState.BUSY)
            worker.call, call.worker = call, worker.id
            self.running += 1
            made.calls.append((call, worker))
        if not self.closed:
            self._refill(made, now)
        return made

    def _next_call(self) -> Call | None:
        """The next call whose zygote is warm; its group goes to the end of the turns."""
        for _ in range(len(self._turns)):
            group = self._turns[0]
            queue = self._queues[group]
            self._turns.rotate(-1)
            if self.zygotes[queue[0].environment].state is not ZygoteState.WARM:
                continue
            call = queue.popleft()
            if not queue:
                self._turns.remove(group)
                del self._queues[group]
            return call
        return None

    def _take_worker(self, environment: EnvironmentId, made: Assignments, now: float) -> Worker:
        zygote = self.zygotes[environment]
        zygote.is_in_use = True
        zygote.used_at = now
        if zygote.spares:
            return self.workers[zygote.spares.pop()]
        made.forks_first = True
        return self._new_worker(environment, made)

    def _new_worker(self, environment: EnvironmentId, made: Assignments) -> Worker:
        self._last_id += 1
        worker = Worker(WorkerId(self._last_id), environment)
        self.workers[worker.id] = worker
        made.forks.setdefault(environment, []).append(worker.id)
        return worker

    def _refill(self, made: Assignments, now: float) -> None:
        made.in_hurry = bool(self._turns)
        is_quiet = not self.running and now >= self.quiet_at
        for zygote in self.zygotes.values():
            if zygote.state is not ZygoteState.WARM or now < zygote.refill_at:
                continue
            if is_quiet or (zygote.is_in_use and len(zygote.spares) <= self.limits.reserve):
                zygote.is_in_use = not is_quiet
                wanted = self.limits.spares
                if made.in_hurry:
                    wanted = min(self.limits.ahead, self._count_waiting(zygote.environment))
                for _ in range(wanted - len(zygote.spares)):
                    zygote.spares.appendleft(self._new_worker(zygote.environment, made).id)

    def _count_waiting(self, environment: EnvironmentId) -> int:
        return sum(len(queue) for queue in self._queues.values() if queue[0].environment == environment)

    # -- workers

    def forked(self, worker_id: WorkerId) -> None:
        """The process exists."""
        worker = self.workers[worker_id]
        if worker.state is WorkerState.STARTING:
            worker.to(WorkerState.IDLE)
            spares = self.zygotes[worker.environment].spares
            spares.remove(worker_id)
            spares.append(worker_id)

    def answered(self, worker: Worker, now: float) -> Call:
        """The worker has answered its call and leaves."""
        assert worker.call is not None
        call, worker.call = worker.call, None
        worker.to(WorkerState.LEAVING)
        self.running -= 1
        self.quiet_at = now + self.limits.quiet_s
        self.zygotes[worker.environment].pauses = 0
        return call

    def died(self, worker_id: WorkerId) -> tuple[Worker, Call | None]:
        """The worker is dead: what it was, and the call it had not answered, if any."""
        worker = self.workers.pop(worker_id)
        if worker.state in SPARE_STATES:
            self.zygotes[worker.environment].spares.remove(worker_id)
        if worker.state is WorkerState.BUSY:
            self.running -= 1
        worker.to(WorkerState.DEAD)
        call, worker.call = worker.call, None
        return worker, call

    # -- zygotes

    def zygote(self, environment: EnvironmentId) -> Zygote:
        """The record of an environment's zygote, cold when it is new."""
        zygote = self.zygotes.get(environment)
        if zygote is None:
            zygote = self.zygotes[environment] = Zygote(environment)
        return zygote

    def warming(self, environment: EnvironmentId, now: float) -> bool:
        """An environment is needed: True when its zygote must be started now."""
        zygote = self.zygote(environment)
        is_due = zygote.state is ZygoteState.BACKOFF and now >= zygote.retry_at
        if not is_due and zygote.state not in (ZygoteState.COLD, ZygoteState.DEAD):
            return False
        zygote.to(ZygoteState.WARMING)
        return True

    def refusal(self, environment: EnvironmentId) -> str | None:
        """Why this environment cannot be used now; None when it can, or may soon."""
        zygote = self.zygote(environment)
        return zygote.reason if zygote.state in (ZygoteState.BACKOFF, ZygoteState.BROKEN) else None

    def warmed(self, environment: EnvironmentId, pid: int, version: str, now: float) -> Zygote:
        """The zygote is up. Its `refill_at` is when it may fork its first spares."""
        zygote = self.zygotes[environment]
        zygote.to(ZygoteState.WARM)
        zygote.pid, zygote.version, zygote.failures, zygote.reason = pid, version, 0, ""
        zygote.refill_at = now + self.limits.first_spares_s
        zygote.used_at = now
        return zygote

    def unneeded(self, now: float) -> list[EnvironmentId]:
        """The environments to let go: nobody has used them for long, or there are too many and nobody uses them now."""
        free = sorted(filter(self._is_free, self.zygotes.values()), key=lambda zygote: zygote.used_at)
        alive = sum(zygote.state in (ZygoteState.WARM, ZygoteState.WARMING) for zygote in self.zygotes.values())
        excess = max(0, alive - self.limits.environments)
        old = sum(now - zygote.used_at >= self.limits.retire_s for zygote in free)
        return [zygote.environment for zygote in free[: max(excess, old)]]

    def _is_free(self, zygote: Zygote) -> bool:
        if zygote.state is not ZygoteState.WARM or zygote.is_kept or any(self.waiting(zygote.environment)):
            return False
        workers = [worker for worker in self.workers.values() if worker.environment == zygote.environment]
        return all(worker.state in SPARE_STATES for worker in workers)

    def retire(self, environment: EnvironmentId) -> list[WorkerId]:
        """The environment is let go with its spares: which they are. It is known no more."""
        self.zygotes[environment].to(ZygoteState.DEAD)
        return [worker.id for worker in self.workers.values() if worker.environment == environment]

    def zygote_lost(self, environment: EnvironmentId, reason: str, now: float) -> list[WorkerId]:
        """The zygote ended, and its workers with it: which they are."""
        zygote = self.zygotes[environment]
        zygote.pid, zygote.reason = None, reason
        if zygote.state is ZygoteState.WARM:
            zygote.to(ZygoteState.DEAD)
        else:
            zygote.failures += 1
            broken = zygote.failures >= self._graces.failures_until_broken
            zygote.to(ZygoteState.BROKEN if broken else ZygoteState.BACKOFF)
            pause_s = self._graces.backoff_s * 2 ** (zygote.failures - 1)
            zygote.retry_at = now + min(pause_s, self._graces.backoff_most_s)
        return [worker.id for worker in self.workers.values() if worker.environment == environment]

    def pause_refill(self, environment: EnvironmentId, now: float) -> Zygote:
        """Spares die or cannot be forked: make no new ones before its `refill_at`, each time later."""
        zygote = self.zygotes[environment]
        zygote.refill_at = now + min(self._graces.backoff_s * 2**zygote.pauses, self._graces.backoff_most_s)
        zygote.pauses = min(zygote.pauses + 1, PAUSES_COUNTED)
        return zygote

    def check(self) -> None:
        """Our invariants; AssertionError when one is broken. For tests: it looks at everything."""
        busy = [worker for worker in self.workers.values() if worker.state is WorkerState.BUSY]
        assert len(busy) == self.running <= self.limits.running
        assert all((worker.call is not None) == (worker.state is WorkerState.BUSY) for worker in self.workers.values())
        assert all(worker.call.worker == worker.id for worker in busy if worker.call)
        spares = [worker_id for zygote in self.zygotes.values() for worker_id in zygote.spares]
        assert sorted(spares) == sorted(w.id for w in self.workers.values() if w.state in SPARE_STATES)
        assert set(self._turns) == set(self._queues)
        assert len(self._turns) == len(self._queues)
        assert all(self._queues.values())
