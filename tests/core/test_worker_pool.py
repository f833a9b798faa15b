"""When spares are forked."""

from pyflowd.core.calls import Call, InspectionWork
from pyflowd.core.ids import CallId, EnvironmentId
from pyflowd.core.limits import Graces, Limits, PoolLimits
from pyflowd.core.worker_pool import Assignments, Worker, WorkerPool
from pyflowd.core.zygotes import Zygote

HERE = EnvironmentId("/usr/bin/python3")
LIMITS = PoolLimits(running=4, spares=8, reserve=1, quiet_s=0.003, first_spares_s=0.1)


def warm(pool: WorkerPool, environment: EnvironmentId, now: float) -> Zygote:
    zygote = pool.book.warming(environment, now)
    assert zygote is not None
    pool.book.warmed(zygote)
    pool.warmed(zygote, 1, "3.11", now)
    return zygote


class Shop:
    """A pool with one warm zygote, and a clock."""

    def __init__(self) -> None:
        self.pool = WorkerPool(LIMITS, Graces())
        self.now = 10.0
        self.calls = 0
        self.zygote = warm(self.pool, HERE, self.now)

    def assign(self, after_s: float = 0.0) -> Assignments:
        self.now += after_s
        made = self.pool.assign(self.now)
        self.pool.check()
        return made

    def forks(self, after_s: float = 0.0) -> int:
        return len(self.assign(after_s).forks.get(self.zygote.id, []))

    def enqueue(self, calls: int = 1) -> None:
        for _ in range(calls):
            self.calls += 1
            work = InspectionWork(codes=())
            self.pool.enqueue(Call(id=CallId(self.calls), environment=HERE, group="g", work=work, limits=Limits()))

    def call(self) -> Worker:
        """A call that begins at once; the spares it leads to are counted by nobody."""
        self.enqueue()
        ((_, worker),) = self.assign().calls
        return worker

    def answer(self, worker: Worker) -> None:
        self.pool.answered(worker, self.now)


def paused(shop: Shop) -> float:
    shop.pool.pause_refill(shop.zygote, shop.now)
    return shop.zygote.refill_at


def filled() -> Shop:
    shop = Shop()
    assert shop.forks(after_s=LIMITS.first_spares_s) == LIMITS.spares
    return shop


def test_who_waited_for_an_environment_is_served_before_spares_are_made() -> None:
    shop = Shop()
    assert shop.forks() == 0
    shop.call()
    assert shop.forks(after_s=LIMITS.first_spares_s / 2) == 0


def test_a_used_spare_is_replaced_when_nobody_has_worked_for_a_moment() -> None:
    shop = filled()
    worker = shop.call()
    assert shop.forks(after_s=1.0) == 0
    shop.answer(worker)
    assert shop.forks() == 0
    assert shop.forks(after_s=LIMITS.quiet_s) == 1


def test_in_the_midst_of_work_the_last_ones_are_replaced_all_at_once() -> None:
    shop = filled()
    for left in range(LIMITS.spares - 1, LIMITS.reserve - 1, -1):
        assert len(shop.pool.zygotes[HERE].spares) == left + 1
        shop.answer(shop.call())
    assert len(shop.pool.zygotes[HERE].spares) == LIMITS.spares


def test_the_work_of_others_is_not_disturbed_for_an_environment_that_nobody_uses() -> None:
    shop = filled()
    other = EnvironmentId("/opt/other")
    second = warm(shop.pool, other, shop.now)
    worker = shop.call()
    assert not shop.assign(LIMITS.first_spares_s).forks
    shop.answer(worker)
    assert len(shop.assign(LIMITS.quiet_s).forks[second.id]) == LIMITS.spares


def test_the_youngest_idle_spare_is_used_first_and_of_those_that_start_the_oldest() -> None:
    shop = Shop()
    [*workers] = shop.assign(LIMITS.first_spares_s).forks[shop.zygote.id]
    for worker_id in workers[:3]:
        shop.pool.forked(worker_id)
    used = []
    for _ in workers[:-1]:
        worker = shop.call()
        shop.answer(worker)
        used.append(worker.id)
    assert used == [*reversed(workers[:3]), *workers[3:-1]]


def test_spares_that_keep_dying_are_replaced_less_and_less_often() -> None:
    shop = filled()
    waits = [paused(shop) - shop.now for _ in range(30)]
    assert waits[:3] == [1.0, 2.0, 4.0]
    assert waits[-1] == Graces().backoff_most_s
    shop.answer(shop.call())
    assert paused(shop) == shop.now + 1.0


def test_while_calls_wait_one_is_forked_ahead_for_each_and_none_rehearses() -> None:
    shop = Shop()
    shop.now += LIMITS.first_spares_s
    shop.enqueue(LIMITS.running + 3)
    made = shop.assign()
    assert (len(made.calls), len(made.forks[shop.zygote.id])) == (LIMITS.running, LIMITS.running + 3)
    assert made.in_hurry
    assert not shop.assign().forks


def test_no_more_are_forked_ahead_in_a_row_than_the_limit() -> None:
    shop = Shop()
    shop.now += LIMITS.first_spares_s
    shop.enqueue(LIMITS.running + 1000)
    made = shop.assign()
    assert len(made.forks[shop.zygote.id]) == LIMITS.running + LIMITS.ahead
    shop.pool.check()
