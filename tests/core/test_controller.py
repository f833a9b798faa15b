"""Single behaviours of the bare controller."""

import pytest

from pyflowd.core import stimuli
from pyflowd.core.effects import SendCall
from pyflowd.core.ids import EnvironmentId
from pyflowd.core.machines import NODE_MOVES, IllegalMoveError, move
from pyflowd.core.usage import Observation
from pyflowd_client.protocol import events
from pyflowd_client.protocol.errors import ErrorCode
from pyflowd_client.protocol.states import NodeState, RunState
from support.world import GOOD, PYTHON, SESSION, World, shape


def ready_world(**options: int) -> World:
    world = World(**options)
    world.submit(shape(1, set()))
    world.settle()
    return world


def kinds(world: World, request: int) -> list[str]:
    return [event.NAME for event in world.events[world.run_of(request)]]


def test_a_run_tells_its_beginning_each_node_and_its_end() -> None:
    world = ready_world()
    request = world.submit(shape(2, {(0, 1)}))
    world.settle()
    node = ["node_started", "node_finished"]
    assert kinds(world, request) == ["run_started", *node, *node, "run_finished"]


def test_equal_graphs_are_read_and_inspected_once() -> None:
    world = ready_world()
    request = world.submit(shape(1, set()))
    assert "run_started" in kinds(world, request)


def test_runs_take_turns() -> None:
    world = ready_world(running=1)
    first, second = world.submit(shape(5, set())), world.submit(shape(5, set()))
    for _ in range(5):
        [worker] = world.busy()
        world.answer(worker)
    counts = [kinds(world, request).count("node_finished") for request in (first, second)]
    assert counts == [3, 2]


def test_while_calls_wait_workers_leave_at_once_and_else_they_linger() -> None:
    world = ready_world(running=2)
    world.submit(shape(4, set()))
    lingers = []
    while world.busy():
        worker = world.busy()[0]
        call = world.processes[worker].call
        assert isinstance(call, SendCall)
        lingers.append(call.lingers)
        world.answer(worker)
    assert lingers == [False, False, False, True]


def test_a_call_over_time_is_interrupted_then_killed_and_its_late_answer_does_not_count() -> None:
    world = ready_world()
    request = world.submit(shape(1, set()))
    [worker] = world.busy()
    world.wait(10.0)
    assert world.processes[worker].signals == ["interrupt"]
    world.wait(1.0)
    assert world.processes[worker].signals == ["interrupt", "kill"]
    world.answer(worker)
    finished = world.events[world.run_of(request)][-2]
    assert isinstance(finished, events.NodeFinished)
    assert finished.state is NodeState.FAILED
    assert finished.error is not None
    assert finished.error.code is ErrorCode.TIME_LIMIT


def test_a_worker_that_answered_and_stays_is_killed() -> None:
    world = ready_world()
    world.submit(shape(1, set()))
    [worker] = world.busy()
    world.answer(worker)
    world.wait(1.0)
    assert world.processes[worker].signals == ["kill"]


def test_memory_over_the_limit_kills_at_once() -> None:
    world = ready_world()
    request = world.submit(shape(1, set()), memory_bytes=100_000_000)
    [worker] = world.busy()
    world.feed(stimuli.WorkersObserved(observations={worker: Observation(200_000_000)}))
    assert world.processes[worker].signals == ["kill"]
    world.exit(worker, 9)
    finished = world.events[world.run_of(request)][-2]
    assert isinstance(finished, events.NodeFinished)
    assert finished.error is not None
    assert finished.error.code is ErrorCode.MEMORY_LIMIT
    assert finished.peak_memory_bytes == 200_000_000


def test_an_environment_that_never_comes_up_ends_its_runs_and_is_not_tried_at_once_again() -> None:
    world = World()
    request = world.submit(shape(1, set()))
    world.lose_zygote(world.warming[0])
    [finished] = world.events[world.run_of(request)]
    assert isinstance(finished, events.RunFinished)
    assert finished.error is not None
    assert finished.error.code is ErrorCode.ENVIRONMENT
    world.submit(shape(1, set()))
    assert not world.warming
    world.wait(1.0)
    world.submit(shape(1, set()))
    assert world.warming


def test_sources_that_kill_the_compiler_are_found_by_looking_at_each_alone() -> None:
    world = World()
    request = world.submit(shape(1, set()).replace(GOOD, "deadly"), partial=True)
    world.warm()
    world.fork()
    [worker] = world.busy()
    world.exit(worker, 11)
    told = world.events[world.run_of(request)]
    assert [event.code for event in told if isinstance(event, events.Diagnostic)] == ["syntax_error"]


def test_a_drained_daemon_leaves_when_its_last_run_is_over() -> None:
    world = ready_world()
    world.submit(shape(1, set()))
    world.feed(stimuli.StopAsked(drain=True))
    assert not world.has_left
    world.settle()
    assert world.has_left


def test_an_idle_daemon_leaves_only_when_nobody_is_connected() -> None:
    world = World(leave_after_s=60.0)
    world.feed(stimuli.SessionsCounted(sessions=1))
    world.wait(100.0)
    assert not world.has_left
    world.feed(stimuli.SessionsCounted(sessions=0))
    world.wait(59.0)
    assert not world.has_left
    world.wait(1.0)
    assert world.has_left


def test_a_run_over_its_time_fails_even_if_its_plan_is_not_there_yet() -> None:
    world = World()
    request = world.submit(shape(1, set()), run_timeout_s=2.0)
    world.wait(2.0)
    [finished] = world.events[world.run_of(request)]
    assert isinstance(finished, events.RunFinished)
    assert finished.state is RunState.FAILED
    assert finished.error is not None
    assert finished.error.code is ErrorCode.TIME_LIMIT
    world.settle()
    assert kinds(world, request) == ["run_finished"]


def test_cancelling_a_run_that_waits_for_its_plan_ends_it() -> None:
    world = World()
    request = world.submit(shape(1, set()))
    world.requests += 1
    world.feed(stimuli.CancelAsked(session=b"s", request=world.requests, run=world.run_of(request)))  # type: ignore[arg-type]
    [finished] = world.events[world.run_of(request)]
    assert isinstance(finished, events.RunFinished)
    assert finished.state is RunState.CANCELLED


def test_an_illegal_move_is_refused_with_its_name() -> None:
    with pytest.raises(IllegalMoveError, match="node 1: done > running"):
        move(NODE_MOVES, "node", 1, NodeState.DONE, NodeState.RUNNING)


def test_values_are_given_back_when_the_environment_is_lost_in_the_middle() -> None:
    """Found by the state machine: a run that ended with its environment kept the values of its finished nodes."""
    world = ready_world(running=1, last_values_bytes=0)
    request = world.submit(shape(3, {(0, 1)}))
    world.answer(world.busy()[0])
    for _ in range(2):
        world.lose_zygote(world.controller.pool.zygotes[PYTHON].id)
    assert isinstance(world.events[world.run_of(request)][-1], events.RunFinished)
    assert [payload.closed for payload in world.payloads if payload.closed != 1] == []


OTHER = EnvironmentId("/opt/other/bin/python")


def used_environments(world: World, *environments: EnvironmentId) -> list[EnvironmentId]:
    """A run in each, one after the other, a second apart; which fork servers are left."""
    for environment in environments:
        world.submit(shape(1, set()), environment=environment)
        world.settle()
        world.wait(1.0)
    return list(world.controller.pool.zygotes)


def test_an_environment_that_nobody_uses_for_long_is_let_go_but_for_the_one_to_be_kept() -> None:
    world = World()
    world.feed(stimuli.EnvironmentWanted(environment=PYTHON))
    assert used_environments(world, PYTHON, OTHER) == [PYTHON, OTHER]
    world.wait(290.0)
    world.submit(shape(1, set()), environment=OTHER)
    world.settle()
    world.wait(250.0)
    assert list(world.controller.pool.zygotes) == [PYTHON, OTHER]
    world.wait(100.0)
    assert list(world.controller.pool.zygotes) == [PYTHON]
    assert used_environments(world, OTHER) == [PYTHON, OTHER]
    world.check_over()


def test_of_too_many_environments_the_longest_unused_is_let_go() -> None:
    world = World()
    others = [EnvironmentId(f"/opt/{number}/bin/python") for number in range(14)]
    assert used_environments(world, *others) == others[2:]
    world.check_over()


def test_a_run_whose_environment_is_lost_ends_once_its_nodes_have_that_still_run_in_the_former_fork_server() -> None:
    world = ready_world()
    run = world.run_of(world.submit(shape(2, set())))
    first, second = world.busy()
    for kind, where in ((stimuli.CoolAsked, {"python": PYTHON}), (stimuli.WarmAsked, {"environment": PYTHON})):
        world.requests += 1
        world.feed(kind(session=SESSION, request=world.requests, **where))
    [starting] = world.warming
    world.lose_zygote(starting)
    assert [world.processes[worker].signals for worker in (first, second)] == [["interrupt"], ["interrupt"]]
    world.feed(stimuli.WorkerWrote(worker=first, stream="stdout", data=b"still here\n"))
    world.answer(first)
    world.exit(second, 9)
    world.settle()
    world.check_over()
    finished = world.events[run][-1]
    assert isinstance(finished, events.RunFinished)
    assert finished.state is RunState.FAILED
    assert finished.error is not None
    assert finished.error.code is ErrorCode.ENVIRONMENT
