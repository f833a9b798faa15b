"""Fork servers follow each other: when packages change, and when nodes were seen to import something."""

import pytest

from pyflowd.core import stimuli
from pyflowd.core.ids import EnvironmentId
from pyflowd.core.machines import ZygoteState
from pyflowd.core.zygote_keeper import HEIR_AFTER_S
from pyflowd.core.zygotes import Zygote
from pyflowd_client.protocol import events, replies
from pyflowd_client.protocol.errors import ErrorCode
from pyflowd_client.protocol.states import RunState
from support.world import PYTHON, SESSION, World, shape


def current(world: World, environment: EnvironmentId = PYTHON) -> Zygote:
    return world.controller.pool.zygotes[environment]


def used(world: World) -> Zygote:
    """The zygote of a world in which a run has just been executed."""
    world.submit(shape(1, set()))
    world.settle()
    return current(world)


def look(world: World, fingerprint: str) -> None:
    world.fingerprint = fingerprint
    world.feed(stimuli.EnvironmentLookedAt(python=PYTHON, fingerprint=fingerprint))


def state_of(world: World, request: int) -> RunState:
    return world.controller.runs[world.run_of(request)].state


def test_what_nodes_import_is_imported_by_the_next_fork_server_which_takes_over_when_it_is_warm() -> None:
    world = World()
    world.imports = (("numpy", 0.1), ("json", 0.0001))
    first = used(world)
    assert not world.warming
    world.wait(HEIR_AFTER_S)
    assert [world.preloads[zygote] for zygote in world.warming] == [("numpy",)]
    request = world.submit(shape(1, set()))
    assert world.busy(), "the present one is used meanwhile"
    world.settle()
    assert state_of(world, request) is RunState.SUCCEEDED
    second = current(world)
    assert second is not first
    assert (first.state, second.preloaded) == (ZygoteState.DEAD, (("numpy", 0.5),))
    world.wait(10.0)
    assert current(world) is second, "there is nothing new to learn"
    world.check_over()


def test_a_module_that_breaks_is_not_tried_again_until_the_packages_change() -> None:
    world = World()
    world.imports, world.broken = (("numpy", 0.1), ("threads", 0.1)), {"threads": "starts a thread"}
    used(world)
    world.wait(HEIR_AFTER_S)
    world.warm()
    zygote = used(world)
    assert zygote.not_preloaded == (("threads", "starts a thread"),)
    world.wait(10.0)
    assert current(world) is zygote
    assert world.kept[PYTHON].broken == world.broken
    world.broken = {}
    look(world, "2")
    renewed = used(world)
    assert renewed.preloaded == (("numpy", 0.5), ("threads", 0.5))
    world.check_over()


def test_an_heir_that_does_not_come_up_changes_nothing() -> None:
    world = World()
    world.imports = (("numpy", 0.1),)
    first = used(world)
    world.wait(HEIR_AFTER_S)
    world.lose_zygote(world.warming[0])
    assert used(world) is first
    world.check_over()


def test_when_packages_change_running_nodes_finish_and_the_next_node_has_a_new_fork_server() -> None:
    world = World(running=1)
    first = used(world)
    request = world.submit(shape(2, {(0, 1)}))
    [worker] = world.busy()
    look(world, "2")
    assert (first.state, current(world).state) == (ZygoteState.STALE, ZygoteState.COLD)
    world.answer(worker)
    second = current(world)
    assert second.state is ZygoteState.WARMING
    world.exit(worker)
    assert first.state is ZygoteState.DEAD
    world.settle()
    assert state_of(world, request) is RunState.SUCCEEDED
    assert (second.state, second.fingerprint) == (ZygoteState.WARM, "2")
    world.check_over()


def test_a_fork_server_that_warmed_up_while_packages_changed_is_replaced() -> None:
    world = World()
    used(world)
    look(world, "2")
    world.submit(shape(1, set()))
    world.fingerprint = "2"
    late = world.warming.pop()
    world.feed(stimuli.EnvironmentLookedAt(python=PYTHON, fingerprint="3"))
    world.feed(stimuli.ZygoteWarmed(zygote=late, pid=1, version="3.11.7", fingerprint="2"))
    world.fingerprint = "3"
    world.settle()
    assert current(world).fingerprint == "3"
    world.check_over()


def test_a_run_is_not_continued_by_another_python() -> None:
    world = World(running=1)
    used(world)
    request = world.submit(shape(2, {(0, 1)}))
    [worker] = world.busy()
    look(world, "2")
    world.version = "3.12.1"
    world.answer(worker)
    world.settle()
    last = world.events[world.run_of(request)][-1]
    assert isinstance(last, events.RunFinished)
    assert last.error is not None
    assert last.error.code is ErrorCode.ENVIRONMENT
    assert state_of(world, world.submit(shape(2, {(0, 1)}))) is RunState.QUEUED
    world.settle()
    world.check_over()


def test_an_environment_that_could_not_be_used_is_tried_again_when_it_changes() -> None:
    world = World()
    world.submit(shape(1, set()))
    world.lose_zygote(world.warming[0])
    assert current(world).state is ZygoteState.BACKOFF
    world.fingerprint = "2"
    request = world.submit(shape(1, set()))
    world.settle()
    assert state_of(world, request) is RunState.SUCCEEDED


def test_beyond_the_memory_budget_the_longest_unused_is_let_go_and_none_that_is_kept_or_at_work() -> None:
    world = World(memory_bytes=250)
    others = [EnvironmentId(f"/opt/{number}/bin/python") for number in range(4)]
    world.feed(stimuli.EnvironmentWanted(environment=others[0]))
    for other in others[:3]:
        world.submit(shape(1, set()), environment=other)
        world.settle()
        world.wait(1.0)
    world.submit(shape(1, set()), environment=others[1])
    assert world.busy()
    living = world.controller.pool.book.living
    world.feed(stimuli.MemoryMeasured(memory_bytes=dict.fromkeys(living, 100)))
    assert list(world.controller.pool.zygotes) == others[:2]
    world.settle()
    world.feed(stimuli.MemoryMeasured(memory_bytes=dict.fromkeys(living, 100)))
    assert list(world.controller.pool.zygotes) == others[:2], "they fit"
    world.feed(stimuli.MemoryMeasured(memory_bytes=dict.fromkeys(living, 100), short_bytes=1))
    assert list(world.controller.pool.zygotes) == others[:1]
    world.check_over()


@pytest.mark.parametrize("is_there", [True, False])
def test_who_wants_an_environment_warm_is_told_when_it_is_or_why_not(is_there: bool) -> None:
    world = World()
    world.requests += 1
    world.feed(stimuli.WarmAsked(session=SESSION, request=1, environment=PYTHON))
    assert not world.replies
    if is_there:
        world.warm()
        assert current(world).is_kept
    else:
        world.lose_zygote(world.warming[0])
    [reply] = world.replies[1]
    assert isinstance(reply, replies.Done if is_there else replies.Refused)


def test_what_is_cooled_goes_when_its_nodes_are_done() -> None:
    world = World()
    used(world)
    world.feed(stimuli.EnvironmentWanted(environment=PYTHON))
    request = world.submit(shape(1, set()))
    [worker] = world.busy()
    world.requests += 1
    world.feed(stimuli.CoolAsked(session=SESSION, request=world.requests, python=PYTHON))
    assert world.controller.pool.book.living
    world.answer(worker)
    world.exit(worker)
    assert not world.controller.pool.book.living
    assert state_of(world, request) is RunState.SUCCEEDED
    world.check_over()


@pytest.mark.parametrize("is_begun", [False, True])
def test_what_is_cooled_has_no_heir(is_begun: bool) -> None:
    world = World()
    world.imports = (("numpy", 0.1),)
    used(world)
    if is_begun:
        world.wait(HEIR_AFTER_S)
        assert world.warming
    world.requests += 1
    world.feed(stimuli.CoolAsked(session=SESSION, request=world.requests, python=PYTHON))
    world.wait(HEIR_AFTER_S)
    assert not world.controller.pool.book.living
    world.check_over()


def test_what_was_learnt_before_is_imported_from_the_start() -> None:
    world = World()
    world.imports = (("numpy", 0.1),)
    used(world)
    later = World(learnt=world.kept)
    later.submit(shape(1, set()))
    assert [later.preloads[zygote] for zygote in later.warming] == [("numpy",)]


def test_modules_that_are_named_while_a_fork_server_starts_are_in_the_next() -> None:
    world = World()
    world.feed(stimuli.EnvironmentWanted(environment=PYTHON))
    world.feed(stimuli.EnvironmentWanted(environment=PYTHON, preload=("scipy",)))
    assert [world.preloads[zygote] for zygote in world.warming] == [()]
    world.wait(2 * HEIR_AFTER_S)
    world.warm()
    world.wait(HEIR_AFTER_S)
    world.warm()
    assert current(world).preloaded == (("scipy", 0.5),)
    world.wait(10.0)
    assert not world.warming


def test_modules_that_the_settings_name_come_first() -> None:
    world = World()
    world.feed(stimuli.EnvironmentWanted(environment=PYTHON, preload=("scipy",)))
    assert world.preloads[world.warming[0]] == ("scipy",)
