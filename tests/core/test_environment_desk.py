"""Environments that have to be made: told to those who wait, made once, given up when nobody waits any more."""

import pytest

from pyflowd.core import effects, stimuli
from pyflowd.graph.environment_specs import DEFAULT
from pyflowd_client.protocol import events, replies
from pyflowd_client.protocol.errors import ErrorCode, ErrorInfo
from pyflowd_client.protocol.options import RunOptions
from pyflowd_client.protocol.states import RunState
from support.world import PYTHON, SESSION, World, requiring


def kinds(world: World, request: int) -> list[str]:
    return [event.NAME for event in world.events.get(world.run_of(request), [])]


def cancel(world: World, request: int) -> None:
    world.requests += 1
    world.feed(stimuli.CancelAsked(session=SESSION, request=world.requests, run=world.run_of(request)))


def test_ten_runs_that_need_the_same_are_told_of_one_build() -> None:
    world = World()
    requests = [world.submit(requiring("numpy")) for _ in range(5)]
    requests += [world.submit(requiring("NumPy", "numpy")) for _ in range(5)]
    [spec] = world.building
    world.feed(stimuli.EnvironmentProgressed(job=spec, message="downloading"))
    world.settle()
    for request in requests:
        assert [kind for kind in kinds(world, request) if kind != "diagnostic"] == [
            "environment_progress",
            "environment_ready",
            "run_started",
            "node_started",
            "node_finished",
            "run_finished",
        ]
    assert kinds(world, world.submit(requiring("numpy")))[0] != "environment_ready"
    world.settle()
    world.check_over()


def test_what_cannot_be_made_fails_those_who_need_it_and_is_tried_anew_by_the_next() -> None:
    world = World()
    request = world.submit(requiring("nowhere"))
    error = ErrorInfo(code=ErrorCode.ENVIRONMENT, message="no such package", hint="look")
    world.feed(stimuli.EnvironmentRefused(spec=world.building.pop(), error=error))
    [finished] = world.events[world.run_of(request)]
    assert isinstance(finished, events.RunFinished)
    assert finished.error == error
    world.submit(requiring("nowhere"))
    assert len(world.building) == 1


def test_to_check_a_graph_makes_nothing_and_says_so() -> None:
    world = World()
    for is_made in (False, True):
        document = requiring("numpy")
        submission = stimuli.Submission(document=document, name="g.json", key="checked", inputs={}, makes=False)
        world.requests += 1
        world.feed(stimuli.CheckAsked(session=SESSION, request=world.requests, submission=submission))
        assert not world.building
        world.settle()
        [checked] = world.replies[world.requests]
        assert isinstance(checked, replies.GraphChecked)
        assert checked.runnable
        assert any("not made yet" in finding.message for finding in checked.findings) is not is_made
        world.submit(document)
        world.settle()
    world.check_over()


def test_a_build_that_nobody_waits_for_any_more_is_given_up() -> None:
    world = World()
    first, second = (world.submit(requiring("numpy")) for _ in range(2))
    cancel(world, first)
    assert world.building, "the other still waits"
    cancel(world, second)
    assert not world.building
    assert [world.controller.runs[world.run_of(one)].state for one in (first, second)] == [RunState.CANCELLED] * 2
    assert world.controller.pool.zygotes == {}
    world.settle()
    world.check_over()


def test_a_change_is_a_run_that_is_told_its_progress_and_its_result() -> None:
    world = World()
    request = world.change("create", "science")
    [run] = world.changing
    world.feed(stimuli.EnvironmentProgressed(job=run, message="downloading"))
    world.changed()
    told = world.events[world.run_of(request)]
    assert [event.NAME for event in told] == ["environment_progress", "environment_ready", "run_finished"]
    ready = told[1]
    assert isinstance(ready, events.EnvironmentReady)
    assert (ready.environment, ready.packages, ready.warnings) == ("science", 3, ("no torch",))
    world.check_over()


def test_a_change_that_is_cancelled_is_given_up_and_one_that_fails_says_why() -> None:
    world = World()
    first, second = world.change("install", "a"), world.change("install", "b")
    cancel(world, first)
    [run] = world.changing
    error = ErrorInfo(code=ErrorCode.ENVIRONMENT, message="disk full")
    world.feed(stimuli.ChangeFailed(run=run, error=error))
    world.changing.clear()
    ends = [world.events[world.run_of(request)][-1] for request in (first, second)]
    assert all(isinstance(end, events.RunFinished) for end in ends)
    assert [(end.state, end.error) for end in ends if isinstance(end, events.RunFinished)] == [
        (RunState.CANCELLED, None),
        (RunState.FAILED, error),
    ]
    world.check_over()


def test_a_daemon_that_stops_changes_nothing_any_more() -> None:
    world = World()
    world.change("install", "a")
    world.feed(stimuli.StopAsked(drain=False))
    assert not world.changing
    assert world.has_left
    request = world.change("install", "a")
    [refused] = world.replies[request]
    assert isinstance(refused, replies.Refused)
    assert refused.error.code is ErrorCode.STOPPING


def test_what_was_looked_up_in_advance_is_not_asked_for_and_still_must_be_what_it_was(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = World()
    world.submit(requiring())
    world.settle()
    for fingerprint in ("1", "2"):
        found = stimuli.EnvironmentProvided(spec=DEFAULT, python=PYTHON, fingerprint=fingerprint)
        submission = stimuli.Submission(
            document=requiring(), name="g.json", key=f"{requiring()}\0{PYTHON}", inputs={}, at_hand=found
        )
        asked = stimuli.RunSubmitted(session=SESSION, request=9, submission=submission, options=RunOptions())
        told: list[effects.Effect] = []
        monkeypatch.setattr(world, "perform", told.append)
        world.controller.handle(asked, world.now)
        done = [type(effect) for effect in told]
        assert effects.ProvideEnvironment not in done
        assert (effects.SendCall in done) is (fingerprint == "1")
        assert (effects.ReadGraph in done) is (fingerprint == "2")  # what was found before does not count any more
