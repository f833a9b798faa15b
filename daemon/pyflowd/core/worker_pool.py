"""WorkerPool: who may run next, on which worker. It decides, and changes nothing but itself.

Calls wait in one queue per group (a run, or the preparation of a graph); groups take turns, so that a run of
ten thousand nodes does not make the next one wait. Urgent calls, of live sessions, go before all others and do not
count among them: who drags a slider does not wait for a night's work. A call takes the worker that is held for it, or
an idle one of its environment, else one that is still starting, else asks for a fork of its own: its frame then lies in
the socket before the process exists.
A fork takes as long as a small node, so spares are replaced when nobody is at work: between two of a person's
changes, not during one. In the midst of work that is done only once hardly any are left, and then all at once. While
calls wait, one is forked ahead for each of them, up to a limit: forks are cheaper in a row.
"""

from collections import deque
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field

from pyflowd.core.calls import Call
from pyflowd.core.ids import EnvironmentId, WorkerId, ZygoteId
from pyflowd.core.limits import Graces, PoolLimits
from pyflowd.core.machines import SPARE_STATES, WORKER_MOVES, WorkerState, ZygoteState, mover
from pyflowd.core.zygotes import Zygote, ZygoteBook

PAUSES_COUNTED = 16


@dataclass(slots=True, eq=False)
class Worker:
    """One process, forked from a zygote. It holds at most one call, and none but in state busy.

    last_call: of one that is held, the call that it has answered.
    """

    id: WorkerId
    zygote: Zygote
    state: WorkerState = WorkerState.STARTING
    call: Call | None = None
    last_call: Call | None = None

    @property
    def environment(self) -> EnvironmentId:
        """Where it runs nodes."""
        return self.zygote.environment

    to = mover(WORKER_MOVES, "worker", lambda worker: worker.id)


@dataclass(slots=True)
class Assignments:
    """What one pass decided: forks to ask for, and which call goes to which worker.

    forks_first: some of the calls go to workers that are not forked yet.
    in_hurry: more calls wait.
    """

    forks: dict[ZygoteId, list[WorkerId]] = field(default_factory=dict)
    calls: list[tuple[Call, Worker]] = field(default_factory=list)
    forks_first: bool = False
    in_hurry: bool = False


class WorkerPool:
    """All zygotes, workers and waiting calls."""

    def __init__(self, limits: PoolLimits, graces: Graces) -> None:
        self.limits = limits
        self.book = ZygoteBook(graces)
        self.workers: dict[WorkerId, Worker] = {}
        self.held: dict[WorkerId, None] = {}  # kept for the next call of their node, the longest unused first
        self.running = self.running_urgent = 0
        self.parked: set[WorkerId] = set()
        self.closed = False
        self.quiet_at = 0.0
        self.short_bytes = 0
        self._graces = graces
        self._queues: dict[Hashable, deque[Call]] = {}
        self._turns: deque[Hashable] = deque()
        self._urgent_turns: deque[Hashable] = deque()
        self._last_id = 0

    @property
    def zygotes(self) -> dict[EnvironmentId, Zygote]:
        """The current zygote of each environment."""
        return self.book.current

    @property
    def lacks_spares(self) -> bool:
        """Whether there is something to fork as soon as nobody is at work."""
        spares = self.limits.spares
        for zygote in self.book.current.values():  # noqa: SIM110 - `any` takes more than twice as long for one
            if len(zygote.spares) < spares:
                return True
        return False

    # -- calls

    def enqueue(self, call: Call) -> None:
        """Let a call wait for its turn."""
        queue = self._queues.get(call.group)
        if queue is None:
            queue = self._queues[call.group] = deque()
            (self._urgent_turns if call.place.is_urgent else self._turns).append(call.group)
        queue.append(call)

    def claim(self, call: Call, now: float) -> Worker | None:
        """The worker that is held for an urgent call, which is busy with it from now on, if nothing goes before it."""
        if not call.place.is_urgent or self._urgent_turns or self.running_urgent >= self.limits.urgent:
            return None
        worker = self._take_held(call, now) if self.book.is_warm(call.environment) else None
        if worker is not None:
            self._engage(worker, call)
        return worker

    def drop(self, group: Hashable) -> list[Call]:
        """Take all waiting calls of a group out."""
        queue = self._queues.pop(group, None)
        if queue is None:
            return []
        (self._urgent_turns if queue[0].place.is_urgent else self._turns).remove(group)
        return list(queue)

    def waiting(self, environment: EnvironmentId) -> Iterator[Call]:
        """The calls that wait for an environment."""
        return (call for queue in self._queues.values() for call in queue if call.environment == environment)

    def assign(self, now: float) -> Assignments:
        """Give waiting calls to workers as far as the limits allow, then refill spares."""
        made = Assignments()
        while self._urgent_turns and self.running_urgent < self.limits.urgent:
            if not self._assign_next(self._urgent_turns, made, now):
                break
        while self._turns and self.running - self.running_urgent < self.limits.running:
            if not self._assign_next(self._turns, made, now):
                break
        if not self.closed:
            self._refill(made, now)
        return made

    def _assign_next(self, turns: deque[Hashable], made: Assignments, now: float) -> bool:
        """Give the next call to a worker, if there is one that there can be a worker for."""
        call = self._next_call(turns)
        if call is None:
            return False
        worker = self._take_worker(call, made, now)
        self._engage(worker, call)
        made.calls.append((call, worker))
        return True

    def _engage(self, worker: Worker, call: Call) -> None:
        worker.to(WorkerState.BUSY)
        worker.call, call.worker = call, worker.id
        self.running += 1
        self.running_urgent += call.place.is_urgent

    def _next_call(self, turns: deque[Hashable]) -> Call | None:
        """The next call that there can be a worker for; its group goes to the end of the turns."""
        for _ in range(len(turns)):
            group = turns[0]
            queue = self._queues[group]
            turns.rotate(-1)
            if self.zygotes[queue[0].environment].state is not ZygoteState.WARM:
                continue
            call = queue.popleft()
            if not queue:
                turns.remove(group)
                del self._queues[group]
            return call
        return None

    def _take_worker(self, call: Call, made: Assignments, now: float) -> Worker:
        held = self._take_held(call, now)
        if held is not None:
            return held
        zygote = self.zygotes[call.environment]
        zygote.is_in_use = True
        zygote.used_at = now
        if zygote.spares:
            return self.workers[zygote.spares.pop()]
        made.forks_first = True
        return self._new_worker(zygote, made)

    def _take_held(self, call: Call, now: float) -> Worker | None:
        """The worker that is held for a call, if it still is; from now on it is not."""
        worker = None if call.place.on is None else self.workers.get(call.place.on)
        if worker is None or worker.state is not WorkerState.HELD:
            return None
        worker.zygote.used_at = now
        del self.held[worker.id]
        return worker

    def _new_worker(self, zygote: Zygote, made: Assignments) -> Worker:
        self._last_id += 1
        worker = Worker(WorkerId(self._last_id), zygote)
        self.workers[worker.id] = worker
        made.forks.setdefault(zygote.id, []).append(worker.id)
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
                    zygote.spares.appendleft(self._new_worker(zygote, made).id)

    def _count_waiting(self, environment: EnvironmentId) -> int:
        return sum(len(queue) for queue in self._queues.values() if queue[0].environment == environment)

    # -- workers

    def forked(self, worker_id: WorkerId) -> None:
        """The process exists."""
        worker = self.workers[worker_id]
        if worker.state is WorkerState.STARTING:
            worker.to(WorkerState.IDLE)
            spares = worker.zygote.spares
            spares.remove(worker_id)
            spares.append(worker_id)

    @property
    def is_at_work(self) -> bool:
        """Whether any call is under way, though it may wait for a person."""
        return bool(self.running or self.parked)

    def park(self, worker: Worker) -> None:
        """Its call waits for a person: others may run meanwhile."""
        assert worker.call is not None
        self._leave_off(worker, worker.call)
        self.parked.add(worker.id)

    def _leave_off(self, worker: Worker, call: Call) -> None:
        """The call does not run any more."""
        if worker.id in self.parked:
            self.parked.remove(worker.id)
        else:
            self.running -= 1
            self.running_urgent -= call.place.is_urgent

    def answered(self, worker: Worker, now: float) -> Call:
        """The worker has answered its call, and leaves unless it shall stay."""
        assert worker.call is not None
        call, worker.call = worker.call, None
        worker.to(WorkerState.HELD if call.place.stays else WorkerState.LEAVING)
        if call.place.stays:
            self.held[worker.id] = None
            worker.last_call = call
        self._leave_off(worker, call)
        self.quiet_at = now + self.limits.quiet_s
        worker.zygote.pauses = 0
        return call

    def let_go(self, worker: Worker) -> None:
        """A worker that is held is not needed any more, and leaves."""
        del self.held[worker.id]
        worker.to(WorkerState.LEAVING)

    def died(self, worker_id: WorkerId) -> tuple[Worker, Call | None]:
        """The worker is dead: what it was, and the call it had not answered, if any."""
        worker = self.workers.pop(worker_id)
        self.held.pop(worker_id, None)
        if worker.state in SPARE_STATES:
            worker.zygote.spares.remove(worker_id)
        call, worker.call = worker.call, None
        if call is not None:
            self._leave_off(worker, call)
        worker.to(WorkerState.DEAD)
        return worker, call

    # -- zygotes

    def warmed(self, zygote: Zygote, pid: int, version: str, now: float) -> None:
        """A zygote is up and used from now on. Its `refill_at` is when it may fork its first spares."""
        zygote.pid, zygote.version, zygote.failures, zygote.reason = pid, version, 0, ""
        zygote.refill_at = now + self.limits.first_spares_s
        zygote.used_at = max(zygote.used_at, now)

    def unneeded(self, now: float) -> list[Zygote]:
        """The zygotes to let go: nobody has used them for long, or there are too many and nobody uses them now."""
        free = sorted(filter(self._is_free, self.zygotes.values()), key=lambda zygote: zygote.used_at)
        excess = max(0, len(self.book.living) - self.limits.environments, self._beyond_budget(free))
        old = sum(now - zygote.used_at >= self.limits.retire_s for zygote in free)
        return free[: max(excess, old)]

    def excess_bytes(self, held_bytes: int, short_bytes: int) -> int:
        """How much memory fork servers and held workers need beyond what there is for them; 0 when there is enough."""
        used = held_bytes + sum(zygote.memory_bytes or 0 for zygote in self.book.alive())
        budget = self.limits.memory_bytes
        return max(short_bytes, 0 if budget is None else used - budget)

    def _beyond_budget(self, free: list[Zygote]) -> int:
        """How many of the free ones, the longest unused first, must go for the rest to fit into the memory there is."""
        excess = self.excess_bytes(0, self.short_bytes)
        count = 0
        for zygote in free:
            if excess <= 0:
                break
            excess -= zygote.memory_bytes or 0
            count += 1
        return count

    def _is_free(self, zygote: Zygote) -> bool:
        if zygote.state is not ZygoteState.WARM or zygote.is_kept or any(self.waiting(zygote.environment)):
            return False
        return self.is_at_rest(zygote)

    def is_at_rest(self, zygote: Zygote) -> bool:
        """Whether none of its workers has, or had just now, anything to do."""
        return all(worker.state in SPARE_STATES for worker in self.members(zygote))

    def members(self, zygote: Zygote) -> list[Worker]:
        """All workers that were forked from it, or are to be."""
        return [worker for worker in self.workers.values() if worker.zygote is zygote]

    def pause_refill(self, zygote: Zygote, now: float) -> None:
        """Spares die or cannot be forked: make no new ones before its `refill_at`, each time later."""
        zygote.refill_at = now + min(self._graces.backoff_s * 2**zygote.pauses, self._graces.backoff_most_s)
        zygote.pauses = min(zygote.pauses + 1, PAUSES_COUNTED)

    def check(self) -> None:
        """Our invariants; AssertionError when one is broken. For tests: it looks at everything."""
        busy = [worker for worker in self.workers.values() if worker.state is WorkerState.BUSY]
        urgent = [worker for worker in busy if worker.call and worker.call.place.is_urgent]
        assert len(urgent) == self.running_urgent <= self.limits.urgent
        assert len(busy) - len(urgent) - len(self.parked) == self.running - self.running_urgent <= self.limits.running
        assert self.parked <= {worker.id for worker in busy}
        assert all((worker.call is not None) == (worker.state is WorkerState.BUSY) for worker in self.workers.values())
        assert all(worker.call.worker == worker.id for worker in busy if worker.call)
        held = {worker.id for worker in self.workers.values() if worker.state is WorkerState.HELD}
        assert held == set(self.held)
        spares = [worker_id for zygote in self.book.alive() for worker_id in zygote.spares]
        assert all(worker.zygote.id in self.book.living for worker in self.workers.values())
        assert sorted(spares) == sorted(w.id for w in self.workers.values() if w.state in SPARE_STATES)
        turns = [*self._turns, *self._urgent_turns]
        assert sorted(map(repr, turns)) == sorted(map(repr, self._queues))
        assert all(self._queues.values())
