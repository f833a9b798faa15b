"""Deadlines: asked for, put off, brought forward, cleared, each told once and never late."""

from pyflowd.core.deadlines import Deadlines, Occasion


class Thing:
    """Something that is waited for: equal to nothing but itself."""


def due(deadlines: Deadlines, now: float) -> list[object]:
    """What is told at `now`, in this order."""
    told: list[object] = []
    while (key := deadlines.pop_due(now)) is not None:
        told.append(key)
    return told


def test_deadlines_are_told_in_the_order_of_their_times_once() -> None:
    deadlines, first, second = Deadlines(), Thing(), Thing()
    deadlines.set(second, 2.0)
    deadlines.set(first, 1.0)
    assert deadlines.next_at() == 1.0
    assert due(deadlines, 0.9) == []
    assert due(deadlines, 5.0) == [first, second]
    assert due(deadlines, 5.0) == []
    assert deadlines.next_at() is None


def test_one_that_is_put_off_is_told_at_its_new_time_and_no_sooner() -> None:
    deadlines = Deadlines()
    for at in (1.0, 2.0, 3.0):
        deadlines.set(Occasion.QUIET, at)
    assert deadlines.next_at() == 3.0
    assert due(deadlines, 2.9) == []
    assert due(deadlines, 3.0) == [Occasion.QUIET]


def test_one_that_is_brought_forward_is_told_then_and_not_again() -> None:
    deadlines, thing = Deadlines(), Thing()
    deadlines.set(thing, 5.0)
    deadlines.set(thing, 1.0)
    assert due(deadlines, 1.0) == [thing]
    assert due(deadlines, 9.0) == []


def test_one_that_is_cleared_is_not_told_and_may_be_asked_for_again() -> None:
    deadlines, thing = Deadlines(), Thing()
    deadlines.set(thing, 1.0)
    deadlines.clear(thing)
    deadlines.clear(thing)
    assert deadlines.next_at() is None
    deadlines.set(thing, 2.0)
    assert due(deadlines, 1.5) == []
    assert due(deadlines, 2.0) == [thing]


def test_thousands_that_come_and_go_leave_nothing_behind() -> None:
    deadlines, stays = Deadlines(), Thing()
    deadlines.set(stays, 1e9)
    for number in range(10_000):
        passing = Thing()
        deadlines.set(passing, 1000.0 + number)
        deadlines.set(Occasion.IDLE, 2000.0 + number)
        deadlines.clear(passing)
    assert len(deadlines._heap) < 200
    deadlines.clear(Occasion.IDLE)
    assert due(deadlines, 1e8) == []
    assert due(deadlines, 1e9) == [stays]
