"""In which order calls are begun and processes are asked for."""

from pyflowd.core import effects
from pyflowd.core.call_desk import CallDesk
from pyflowd.core.calls import Call, InspectionWork, Place
from pyflowd.core.deadlines import Deadlines, Occasion
from pyflowd.core.ids import CallId, EnvironmentId, WorkerId, ZygoteId
from pyflowd.core.limits import Graces, Limits, PoolLimits
from pyflowd.core.worker_pool import Worker, WorkerPool

HERE = EnvironmentId("/usr/bin/python3")
LIMITS = PoolLimits(running=4, urgent=4, spares=2, reserve=1, first_spares_s=0.1)


class Office:
    """A desk over a pool with one warm zygote, and everything it asks for, in order."""

    def __init__(self) -> None:
        self.asked: list[object] = []
        pool = WorkerPool(LIMITS, Graces())
        zygote = pool.book.warming(HERE, 0.0)
        assert zygote is not None
        pool.book.warmed(zygote)
        pool.warmed(zygote, 1, "3.11", 0.0)
        self.deadlines = Deadlines()
        self.desk = CallDesk(pool, self.deadlines, Graces(), self.asked.append)
        self.desk.on_begin = {InspectionWork: self.begin}

    def assign(self, now: float) -> list[object]:
        self.deadlines.now = now
        self.asked.clear()
        self.desk.assign()
        return self.asked

    def begin(self, call: Call, worker: Worker, in_hurry: bool) -> None:
        self.asked.append((call.id, worker.id))

    def enqueue(self) -> None:
        self.desk.enqueue(HERE, "group", InspectionWork(codes=()), Limits())


def forks(*workers: int, rehearse: bool) -> effects.ForkWorkers:
    return effects.ForkWorkers(zygote=ZygoteId(1), workers=workers, rehearse=rehearse)  # type: ignore[arg-type]


def test_a_worker_is_asked_for_before_its_call_is_sent() -> None:
    office = Office()
    office.enqueue()
    assert office.assign(now=0.0) == [forks(1, rehearse=True), (1, 1)]


def test_a_call_that_has_its_worker_need_not_wait_until_spares_are_forked() -> None:
    office = Office()
    assert office.assign(now=0.2) == [forks(1, 2, rehearse=True)]
    office.enqueue()
    assert office.assign(now=0.3) == [(1, 1), forks(3, rehearse=True)]


def held(office: Office) -> WorkerId:
    """A worker that has answered, and stays for the next call of its node."""
    stays = Place(stays=True, is_urgent=True)
    office.desk.enqueue(HERE, "node", InspectionWork(codes=()), Limits(), stays)
    office.assign(now=0.0)
    [worker] = [worker for worker in office.desk.pool.workers.values() if worker.call is not None]
    assert worker.call is not None
    office.desk.settle(worker.id, worker.call.id, InspectionWork)
    office.asked.clear()
    return worker.id


def test_nothing_is_to_be_done_after_a_held_worker_has_answered_when_all_spares_are_there() -> None:
    office = Office()
    on = Place(stays=True, on=held(office), is_urgent=True)
    assert office.desk.pool.lacks_spares, "its worker was one"
    office.assign(now=1.0)
    office.deadlines.clear(Occasion.QUIET)
    office.desk.enqueue(HERE, "node", InspectionWork(codes=()), Limits(), on)
    office.desk.settle(on.on, CallId(2), InspectionWork)  # type: ignore[arg-type]
    assert office.deadlines.next_at() is None


def test_a_call_begins_at_once_on_the_worker_that_is_held_for_it() -> None:
    office = Office()
    on = Place(stays=True, on=held(office), is_urgent=True)
    office.desk.enqueue(HERE, "node", InspectionWork(codes=()), Limits(), on)
    assert office.asked == [(2, on.on)]
    office.desk.pool.check()


def test_it_waits_for_its_turn_where_others_go_before_or_the_worker_is_busy_or_gone() -> None:
    office = Office()
    on = Place(stays=True, on=held(office), is_urgent=True)
    office.desk.enqueue(HERE, "other", InspectionWork(codes=()), Limits(), Place(is_urgent=True))
    office.desk.enqueue(HERE, "node", InspectionWork(codes=()), Limits(), on)
    assert office.asked == []
    [*begun] = [asked for asked in office.assign(now=0.1) if isinstance(asked, tuple)]
    assert [call for call, _ in begun] == [2, 3]
    assert begun[1][1] == on.on
    office.asked.clear()
    for place in (on, Place(stays=True, on=WorkerId(99), is_urgent=True)):
        office.desk.enqueue(HERE, place, InspectionWork(codes=()), Limits(), place)
    assert office.asked == []
    office.desk.pool.check()
