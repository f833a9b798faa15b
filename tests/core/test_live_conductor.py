"""Live sessions as the controller conducts them: processes that stay, changes that overtake, who is told what."""

import json

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from core.test_controller_machine import ControllerMachine
from pyflowd.core import effects, stimuli
from pyflowd.core.machines import WorkerState
from pyflowd.core.usage import Usage
from pyflowd.core.values import Kept
from pyflowd_client.protocol import events, replies
from pyflowd_client.protocol.errors import ErrorCode, ErrorInfo
from pyflowd_client.protocol.ids import NodeId, RunId
from pyflowd_client.protocol.options import Selection
from pyflowd_client.protocol.states import ChangeKind, LiveAction, NodeState, RunState
from support.world import BROKEN, PYTHON, SESSION, World, shape

CHAIN = shape(3, {(0, 1), (1, 2)})


@pytest.fixture
def world() -> World:
    return World()


def told(world: World, run: RunId, kind: type[events.Event]) -> list[events.Event]:
    return [event for event in world.events[run] if isinstance(event, kind)]


def started(world: World, run: RunId) -> list[tuple[str, str | None]]:
    """Which nodes began, and for which change."""
    return [(event.node, event.change) for event in world.events[run] if isinstance(event, events.NodeStarted)]


def opened(world: World, document: str = CHAIN, **live: object) -> RunId:
    """A session in which everything was executed once."""
    run = world.open_live(document, **live)
    world.settle()
    world.check()
    return run


def set_input(world: World, run: RunId, value: str, node: str = "n0", **what: object) -> replies.Reply | None:
    return world.update_live(run, LiveAction.SET_INPUT, node=node, pin="x", value=value, **what)


def test_a_session_executes_everything_then_what_is_below_a_change(world: World) -> None:
    run = opened(world)
    assert started(world, run) == [("n0", "1"), ("n1", "1"), ("n2", "1")]
    [settled] = told(world, run, events.LiveSettled)
    assert isinstance(settled, events.LiveSettled)
    assert (settled.change, settled.executed, settled.failed) == ("1", 3, 0)
    reply = set_input(world, run, "5", node="n1")
    assert reply == replies.LiveUpdated(run=run, change="2")
    world.settle()
    assert started(world, run)[3:] == [("n1", "2"), ("n2", "2")]
    assert told(world, run, events.LiveChanged)[-1].value == "5"  # type: ignore[union-attr]
    assert world.close_live(run) == replies.Done()
    world.settle()
    world.check_over()
    assert world.controller.runs[run].state is RunState.SUCCEEDED


def test_each_node_keeps_its_process_and_its_code(world: World) -> None:
    run = opened(world)
    first = {effect.terms.title: effect.worker for effect in world.sent}
    assert len(set(first.values())) == 3
    assert all(effect.stays and not effect.is_loaded for effect in world.sent)
    world.sent.clear()
    set_input(world, run, "5")
    world.settle()
    assert {effect.terms.title: effect.worker for effect in world.sent} == first
    assert all(effect.is_loaded for effect in world.sent)
    held = [worker for worker in world.controller.pool.workers.values() if worker.state is WorkerState.HELD]
    assert {worker.id for worker in held} == set(first.values())
    world.close_live(run)
    world.settle()
    assert not world.controller.pool.held


def test_other_code_needs_another_process_and_the_rest_runs_with_theirs(world: World) -> None:
    run = opened(world)
    first = {effect.terms.title: effect.worker for effect in world.sent}
    world.sent.clear()
    edited = CHAIN.replace('"good"', '"good "', 2).replace('"good "', '"good"', 1)
    world.update_live(run, LiveAction.UPDATE_GRAPH, document=edited, change="edit")
    world.settle()
    assert started(world, run)[3:] == [("n1", "edit"), ("n2", "edit")]
    again = {effect.terms.title: (effect.worker, effect.is_loaded) for effect in world.sent}
    assert again["Node 1"][0] != first["Node 1"]
    assert not again["Node 1"][1]
    assert again["Node 2"] == (first["Node 2"], True)
    assert first["Node 1"] not in world.processes


def test_what_calls_have_in_common_is_the_same_until_the_graph_is_another(world: World) -> None:
    run = opened(world)
    for value in "12":
        set_input(world, run, value)
        world.settle()
    first, again = world.sent[-6:-3], world.sent[-3:]
    assert [one.terms for one in again] == [one.terms for one in first]
    assert all(one.terms is two.terms for one, two in zip(first, again, strict=True))
    slower = json.dumps(json.loads(CHAIN) | {"limits": {"timeout_s": 7}})
    world.update_live(run, LiveAction.UPDATE_GRAPH, document=slower)
    world.update_live(run, LiveAction.RUN_ALL)
    world.settle()
    assert [one.terms.limits.timeout_s for one in world.sent[-3:]] == [7.0] * 3


def test_fresh_sessions_hold_no_process(world: World) -> None:
    run = opened(world, isolation="fresh")
    set_input(world, run, "2")
    world.settle()
    assert not world.controller.pool.held
    assert not any(effect.stays for effect in world.sent)
    assert len({effect.worker for effect in world.sent}) == 6


def test_the_last_value_is_sent_before_anything_else_is_decided(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    run = opened(world, shape(4, {(0, 1), (0, 2)}))
    emitted: list[object] = []
    perform = world.perform

    def note(effect: effects.Effect) -> None:
        emitted.append(
            (effect.kind.NAME, effect.content.get("node")) if isinstance(effect, effects.Publish) else effect
        )
        perform(effect)

    monkeypatch.setattr(world, "perform", note)
    set_input(world, run, "5")
    world.settle()
    assert len([one for one in emitted if isinstance(one, effects.Flush)]) == 1  # of three nodes, two with nobody below
    at = emitted.index(effects.Flush())
    assert emitted[at - 1] in (("node_finished", "n1"), ("node_finished", "n2"))
    assert emitted[at + 1] == ("live_settled", None)


def test_of_a_thousand_changes_the_last_counts_and_few_are_executed(world: World) -> None:
    run = opened(world, shape(1, set()))
    for value in range(1000):
        set_input(world, run, str(value))
    assert len(started(world, run)) == 2
    world.settle()
    assert len(started(world, run)) == 3
    assert world.sent[-1].inputs == [("x", b"999")]
    finished = told(world, run, events.NodeFinished)
    assert [event.state for event in finished] == ["done", "cancelled", "done"]  # type: ignore[union-attr]
    assert finished[1].error.code is ErrorCode.SUPERSEDED  # type: ignore[union-attr]
    assert finished[2].change == "1001"  # type: ignore[union-attr]


def test_what_is_overtaken_is_interrupted_unless_it_ends_soon(world: World) -> None:
    run = opened(world, shape(1, set()))
    set_input(world, run, "1")
    [worker] = world.busy()
    set_input(world, run, "2")
    assert world.processes[worker].signals == []
    world.wait(0.1)
    assert world.processes[worker].signals == ["interrupt"]
    world.wait(2.0)
    assert world.processes[worker].signals == ["interrupt", "kill"]
    world.exit(worker, 9)
    world.settle()
    assert world.sent[-1].worker != worker
    assert not world.sent[-1].is_loaded
    assert told(world, run, events.NodeFinished)[-1].state is NodeState.DONE  # type: ignore[union-attr]


def test_what_runs_other_code_than_the_graph_has_is_interrupted_at_once(world: World) -> None:
    run = opened(world, shape(1, set()))
    set_input(world, run, "1")
    [worker] = world.busy()
    world.update_live(run, LiveAction.UPDATE_GRAPH, document=shape(1, set()).replace('"good"', '"better"'))
    inspector = next(one for one in world.busy() if one != worker)
    world.answer(inspector)
    assert world.processes[worker].signals == ["interrupt"]


def test_a_graph_that_is_refused_changes_nothing(world: World) -> None:
    run = opened(world)
    seen = len(started(world, run))
    for bad in (shape(2, {(0, 1), (1, 0)}), "]garbage["):
        request = world.requests + 1
        world.update_live(run, LiveAction.UPDATE_GRAPH, document=bad)
        world.settle()
        [reply] = world.replies[request]
        assert isinstance(reply, replies.Refused)
        assert reply.error.code is ErrorCode.BAD_GRAPH
    set_input(world, run, "3")
    world.settle()
    assert len(started(world, run)) == seen + 3


@pytest.mark.parametrize(
    ("action", "what", "words"),
    [
        (LiveAction.SET_INPUT, {"node": "n9", "pin": "x", "value": "1"}, 'no node "n9"'),
        (LiveAction.SET_INPUT, {"node": "n0", "pin": "q", "value": "1"}, "does not have"),
        (LiveAction.SET_INPUT, {"node": "n0", "value": "1"}, "needs a `pin`"),
        (LiveAction.TRIGGER, {}, "needs a `node`"),
        (LiveAction.EVERY, {"node": "n0", "every_s": 0.0}, "0.01 at least"),
        (LiveAction.EVERY, {"node": "n0", "every_s": float("nan")}, "0.01 at least"),
        (LiveAction.UPDATE_GRAPH, {}, "needs a `document`"),
    ],
)
def test_a_change_that_makes_no_sense_is_refused_and_the_session_goes_on(
    world: World, action: LiveAction, what: dict[str, object], words: str
) -> None:
    run = opened(world)
    before = len(world.events[run])
    reply = world.update_live(run, action, **what)
    assert isinstance(reply, replies.Refused)
    assert words in reply.error.message
    assert reply.error.code is ErrorCode.BAD_INPUT
    assert len(world.events[run]) == before
    set_input(world, run, "3")
    world.settle()
    assert told(world, run, events.LiveSettled)[-1].executed == 3  # type: ignore[union-attr]


def test_a_session_that_is_closed_or_was_never_open_takes_no_changes(world: World) -> None:
    run = opened(world)
    world.close_live(run)
    for one in (run, RunId("nowhere")):
        reply = set_input(world, one, "1")
        assert isinstance(reply, replies.Refused)
        assert reply.error.code is ErrorCode.UNKNOWN_RUN
        closed = world.close_live(one)
        assert isinstance(closed, replies.Refused)


def test_pause_lets_what_runs_end_and_resume_executes_what_has_changed_meanwhile(world: World) -> None:
    run = opened(world)
    set_input(world, run, "1")
    world.update_live(run, LiveAction.PAUSE)
    world.settle()
    assert started(world, run)[3:] == [("n0", "2")]
    set_input(world, run, "2")
    world.settle()
    assert len(started(world, run)) == 4
    world.update_live(run, LiveAction.RESUME)
    world.settle()
    assert started(world, run)[4:] == [("n0", "4"), ("n1", "4"), ("n2", "4")]


def test_a_session_that_is_opened_paused_executes_nothing(world: World) -> None:
    run = opened(world, is_paused=True)
    assert started(world, run) == []
    world.update_live(run, LiveAction.RESUME)
    world.settle()
    assert len(started(world, run)) == 3


def test_a_trigger_keeps_the_values_above(world: World) -> None:
    run = opened(world)
    world.update_live(run, LiveAction.TRIGGER, node="Node 1", kind=ChangeKind.BUTTON_CLICK)
    world.settle()
    assert started(world, run)[3:] == [("n1", "2"), ("n2", "2")]
    changed = told(world, run, events.LiveChanged)[-1]
    assert (changed.kind, changed.node, changed.author) == ("button_click", "n1", "test")  # type: ignore[union-attr]


def test_reset_takes_back_what_was_given_and_starts_with_new_processes(world: World) -> None:
    run = opened(world)
    set_input(world, run, "5")
    world.settle()
    first = {effect.worker for effect in world.sent}
    world.sent.clear()
    world.update_live(run, LiveAction.RESET)
    world.settle()
    assert len(world.sent) == 3
    assert not {effect.worker for effect in world.sent} & first
    assert world.sent[0].inputs == []


def test_timers_trigger_and_never_queue(world: World) -> None:
    run = opened(world, shape(1, set()))
    world.update_live(run, LiveAction.EVERY, node="n0", every_s=1.0)
    world.settle()
    seen = len(started(world, run))
    world.wait(1.0)
    assert len(started(world, run)) == seen + 1
    world.wait(5.0)  # the node is still at work: these ticks are dropped
    assert len(started(world, run)) == seen + 1
    world.settle()
    world.wait(1.0)
    assert len(started(world, run)) == seen + 2
    assert told(world, run, events.LiveChanged)[-1].kind is ChangeKind.TIMER_TICK  # type: ignore[union-attr]
    world.update_live(run, LiveAction.EVERY, node="n0")
    world.settle()
    seen = len(started(world, run))
    world.wait(10.0)
    assert len(started(world, run)) == seen


def test_a_failure_is_its_nodes_and_the_next_change_mends_it(world: World) -> None:
    run = opened(world, shape(4, {(0, 1), (1, 2)}))
    set_input(world, run, "1", node="n1")
    [worker] = world.busy()
    world.fail(worker)
    world.settle()
    states = {event.node: event.state for event in told(world, run, events.NodeFinished)[4:]}  # type: ignore[union-attr]
    assert states == {"n1": "failed", "n2": "skipped"}
    set_input(world, run, "2", node="n1")
    world.settle()
    assert world.sent[-2].worker == worker, "a node that raises keeps its process"
    states = {event.node: event.state for event in told(world, run, events.NodeFinished)[6:]}  # type: ignore[union-attr]
    assert states == {"n1": "done", "n2": "done"}


def test_a_process_that_dies_between_calls_is_replaced(world: World) -> None:
    run = opened(world)
    worker = next(effect.worker for effect in world.sent if effect.terms.title == "Node 1")
    world.exit(worker, 9)
    world.sent.clear()
    set_input(world, run, "1", node="n1")
    world.settle()
    assert world.sent[0].worker != worker
    assert not world.sent[0].is_loaded


@pytest.mark.parametrize(("isolation", "is_told"), [("resident", True), ("shared", False)])
def test_what_a_held_worker_writes_is_told_where_it_is_known_whose_it_is(
    world: World, isolation: str, is_told: bool
) -> None:
    run = opened(world, shape(1, set()), isolation=isolation)
    [worker] = world.controller.pool.held
    world.feed(stimuli.WorkerWrote(worker=worker, stream="stdout", data=b"later\n"))
    texts = [(event.text, event.change) for event in told(world, run, events.NodeOutput)]  # type: ignore[union-attr]
    assert texts == [("later\n", "1")] * is_told
    world.close_live(run)
    world.feed(stimuli.WorkerWrote(worker=worker, stream="stdout", data=b"too late\n"))
    world.settle()
    assert len(told(world, run, events.NodeOutput)) == is_told
    world.check_over()


def test_who_joins_gets_what_there_is(world: World) -> None:
    run = opened(world)
    set_input(world, run, "7", node="n1")
    world.update_live(run, LiveAction.EVERY, node="n2", every_s=60.0)
    world.settle()
    world.requests += 1
    world.feed(stimuli.LiveFollowAsked(session=SESSION, request=world.requests, run=run))
    [reply] = world.replies[world.requests]
    assert isinstance(reply, replies.LiveFollowing)
    assert (reply.last_seq, reply.isolation, reply.is_paused) == (len(world.events[run]), "resident", False)
    assert [(node.node, node.state, node.change) for node in reply.nodes] == [
        ("n0", "done", "1"),
        ("n1", "done", "2"),
        ("n2", "done", "2"),
    ]
    assert reply.nodes[1].inputs == {"x": b"7"}
    assert [node.every_s for node in reply.nodes] == [None, None, 60.0]
    assert reply.nodes[2].outputs["output_1"].payload.read() == b"1"


def test_a_session_that_nobody_follows_stays_for_a_while(world: World) -> None:
    run = opened(world, linger_s=5.0)
    world.feed(stimuli.RunUnfollowed(run=run))
    world.wait(4.0)
    world.feed(stimuli.RunUnfollowed(run=run, is_followed=True))
    world.wait(60.0)
    assert world.controller.runs[run].state is RunState.RUNNING
    world.feed(stimuli.RunUnfollowed(run=run))
    world.wait(6.0)
    assert world.controller.runs[run].state is RunState.CANCELLED
    world.settle()
    world.check_over()


def test_live_work_goes_before_batch_work_and_beside_it() -> None:
    world = World(running=2)
    world.controller.pool.limits = world.controller.pool.limits.__class__(running=2, urgent=1, spares=0)
    batch = world.run_of(world.submit(shape(6, set())))
    world.warm()
    world.fork()
    for worker in world.busy():
        world.answer(worker)
    world.fork()
    assert len(world.busy()) == 2
    run = world.open_live(shape(2, set()).replace("good", "good!"))
    assert len(world.busy()) == 3, "its code is looked at before that of others"
    world.settle()
    set_input(world, run, "1")
    world.submit(shape(6, set()))
    set_input(world, run, "2", node="n1")
    world.fork()
    busy = [world.processes[worker].call for worker in world.busy()]
    live = [call for call in busy if isinstance(call, effects.SendCall) and call.stays]
    assert len(live) == 1
    assert len(busy) == 3
    world.settle()
    assert world.controller.runs[batch].state is RunState.SUCCEEDED
    world.close_live(run)
    world.settle()
    world.check_over()


def test_too_many_processes_are_not_held(world: World) -> None:
    world.controller.pool.limits = world.controller.pool.limits.__class__(running=2, held=2)
    run = opened(world)
    assert list(world.controller.pool.held) == [effect.worker for effect in world.sent[1:]]
    set_input(world, run, "3")
    world.settle()
    assert told(world, run, events.LiveSettled)[-1].failed == 0  # type: ignore[union-attr]


def test_processes_go_when_memory_is_short_the_longest_unused_first(world: World) -> None:
    opened(world)
    oldest, middle, youngest = world.controller.pool.held
    sizes = {oldest: 10, middle: 10, youngest: 10}
    world.feed(stimuli.MemoryMeasured(memory_bytes={}, held_bytes=sizes, short_bytes=15))
    world.settle()
    assert list(world.controller.pool.held) == [youngest]


def test_a_change_of_packages_ends_processes_that_have_the_old_ones(world: World) -> None:
    run = opened(world)
    first = {effect.worker for effect in world.sent}
    world.fingerprint = "2"
    world.feed(stimuli.EnvironmentLookedAt(python=PYTHON, fingerprint="2"))
    assert not world.controller.pool.held
    world.settle()
    world.sent.clear()
    set_input(world, run, "1")
    world.settle()
    assert len(world.sent) == 3
    assert not {effect.worker for effect in world.sent} & first


def test_a_session_whose_first_graph_is_refused_ends(world: World) -> None:
    run = world.open_live(shape(2, {(0, 1), (1, 0)}))
    world.settle()
    assert world.controller.runs[run].state is RunState.FAILED
    world.check_over()


def test_broken_nodes_wait_for_an_edit(world: World) -> None:
    run = opened(world, shape(2, {(0, 1)}).replace('"good"', f'"{BROKEN}"', 1))
    assert [event.state for event in told(world, run, events.NodeFinished)] == ["skipped", "skipped"]  # type: ignore[union-attr]
    world.update_live(run, LiveAction.UPDATE_GRAPH, document=shape(2, {(0, 1)}))
    world.settle()
    assert [event.state for event in told(world, run, events.NodeFinished)[2:]] == ["done", "done"]  # type: ignore[union-attr]


def programs(world: World) -> list[effects.SendProgram]:
    """Those under way."""
    calls = [process.call for process in world.processes.values()]
    return [call for call in calls if isinstance(call, effects.SendProgram)]


def test_a_shared_session_has_one_process_and_passes_objects_on(world: World) -> None:
    run = opened(world, isolation="shared", is_paused=True)
    world.update_live(run, LiveAction.RESUME)
    world.fork()
    [program] = programs(world)
    assert [step.node for step in program.steps] == ["n0", "n1", "n2"]
    assert [step.is_loaded for step in program.steps] == [False] * 3
    assert program.steps[1].inputs == [("x", effects.Ref(node="n0", output=0))]
    assert started(world, run) == [("n0", "1")], "the rest waits for it"
    world.settle()
    set_input(world, run, "4", node="n1")
    [again] = programs(world)
    assert again.worker == program.worker
    assert [step.is_loaded for step in again.steps] == [True, True]
    assert again.steps[0].inputs == [("x", b"4")]
    assert again.steps[1].inputs == [("x", effects.Ref(node="n1", output=0))]
    world.settle()
    assert list(world.controller.pool.held) == [program.worker]
    world.close_live(run)
    world.settle()
    world.check_over()


def test_a_node_is_not_told_to_run_when_it_is_known_to_be_over(world: World) -> None:
    run = opened(world, shape(4, {(0, 1), (1, 2), (2, 3)}), isolation="shared", is_paused=True)
    world.update_live(run, LiveAction.RESUME)
    world.settle()  # the ends of two nodes are told at a time
    assert started(world, run) == [("n0", "1"), ("n2", "1")], "n1 was over when n0 was known to be, and n3 with n2"
    ends = [event.node for event in told(world, run, events.NodeFinished)]  # type: ignore[union-attr]
    assert ends == ["n0", "n1", "n2", "n3"]
    world.check()


def test_a_change_ends_the_program_that_it_makes_pointless(world: World) -> None:
    run = opened(world, isolation="shared")
    set_input(world, run, "1")
    [program] = programs(world)
    set_input(world, run, "2")
    world.wait(0.1)
    assert world.processes[program.worker].signals == ["interrupt"]
    world.processes[program.worker].call = None
    world.feed(
        stimuli.CallFailed(
            worker=program.worker,
            call=program.call,
            error=ErrorInfo(code=ErrorCode.CANCELLED, message="interrupted"),
            usage=Usage(),
        )
    )
    [again] = programs(world)
    assert again.steps[0].inputs == [("x", b"2")]
    world.settle()
    assert told(world, run, events.LiveSettled)[-1].failed == 0  # type: ignore[union-attr]


def test_the_death_of_the_shared_process_fails_the_node_that_ran_and_the_rest_goes_on(world: World) -> None:
    run = opened(world, shape(4, {(0, 1), (2, 3)}), isolation="shared", is_paused=True)
    world.update_live(run, LiveAction.RESUME)
    world.fork()
    [program] = programs(world)
    world.exit(program.worker, 11)
    world.settle()
    ends = {event.node: event.state for event in told(world, run, events.NodeFinished)}  # type: ignore[union-attr]
    assert ends == {"n0": "failed", "n1": "skipped", "n2": "done", "n3": "done"}
    set_input(world, run, "1")
    world.settle()
    ends = {event.node: event.state for event in told(world, run, events.NodeFinished)}  # type: ignore[union-attr]
    assert set(ends.values()) == {"done"}


def test_objects_that_are_lost_are_made_again_and_what_fails_is_not_tried_for_them(world: World) -> None:
    run = opened(world, shape(4, {(0, 1), (0, 2), (1, 3)}), isolation="shared", is_paused=True)
    world.update_live(run, LiveAction.RESUME)
    world.fork()
    [program] = programs(world)
    kept = stimuli.StepDone(
        node="n0",
        outputs=(("output_1", Kept(type="Gadget", size_bytes=9)),),
        warnings=(),
        usage=Usage(),
        duration_s=0.1,
    )
    world.feed(stimuli.StepsOver(worker=program.worker, call=program.call, outcomes=(kept,)))
    world.exit(program.worker, 11)  # n1 was under way
    world.settle()
    assert [node for node, _ in started(world, run)] == ["n0", "n1", "n0"], "n2 is over with n0"
    ends = {event.node: event.state for event in told(world, run, events.NodeFinished)}  # type: ignore[union-attr]
    assert ends == {"n0": "done", "n1": "failed", "n2": "done", "n3": "skipped"}
    assert told(world, run, events.LiveSettled)


def test_a_run_in_one_process_is_a_run_like_any_other(world: World) -> None:
    run = world.run_of(world.submit(shape(3, {(0, 1)}), isolation="shared"))
    world.warm()
    world.fork()
    world.answer(world.busy()[0])  # which has looked at the code
    world.fork()
    [program] = programs(world)
    world.fail(program.worker)
    world.settle()
    names = [event.NAME for event in world.events[run]]
    assert names == ["run_started", *["node_started", "node_finished"] * 2, "node_finished", "run_finished"]
    ends = {event.node: event.state for event in told(world, run, events.NodeFinished)}  # type: ignore[union-attr]
    assert ends == {"n0": "failed", "n1": "skipped", "n2": "done"}
    assert all(event.change is None for event in told(world, run, events.NodeStarted))  # type: ignore[union-attr]
    assert world.controller.runs[run].state is RunState.FAILED
    world.check_over()
    selected = {"isolation": "shared", "selection": Selection(only=("n0",))}
    for asked in ({"isolation": "own"}, selected, {"isolation": "shared", "cache": True}):
        [refused] = world.replies[world.submit(shape(1, set()), **asked)]  # type: ignore[arg-type]
        assert isinstance(refused, replies.Refused)
    reply = set_input(world, run, "1")
    assert isinstance(reply, replies.Refused)


def test_the_daemon_that_drains_does_not_wait_for_live_sessions(world: World) -> None:
    run = opened(world)
    world.feed(stimuli.StopAsked(drain=True))
    world.settle()
    assert world.controller.runs[run].state is RunState.CANCELLED
    assert world.has_left


class LiveControllerMachine(ControllerMachine):
    """The same with live sessions beside runs."""

    @rule(count=st.integers(1, 4), isolation=st.sampled_from(["resident", "fresh", "shared"]), is_paused=st.booleans())
    def open_live(self, count: int, isolation: str, is_paused: bool) -> None:
        edges = {(index, index + 1) for index in range(count - 1)}
        self.world.open_live(shape(count, edges), isolation=isolation, is_paused=is_paused)

    @rule(count=st.integers(1, 5), partial=st.booleans())
    def submit_shared(self, count: int, partial: bool) -> None:
        edges = {(index, index + 1) for index in range(count - 2)}
        self.world.submit(shape(count, edges), partial=partial, isolation="shared")

    @precondition(lambda self: self.live())
    @rule(
        data=st.data(),
        action=st.sampled_from([action for action in LiveAction if action is not LiveAction.UPDATE_GRAPH]),
        node=st.sampled_from(["n0", "n1", "Node 2", "nobody"]),
        value=st.sampled_from(["1", "2", None]),
        every_s=st.sampled_from([None, 0.0, 3.0]),
    )
    def change(
        self, data: st.DataObject, action: LiveAction, node: str, value: str | None, every_s: float | None
    ) -> None:
        run = data.draw(st.sampled_from(self.live()))
        self.world.update_live(run, action, node=node, pin="x", value=value, every_s=every_s)

    @precondition(lambda self: self.live())
    @rule(data=st.data(), count=st.integers(1, 4), code=st.sampled_from(["good", "better", BROKEN]))
    def change_the_graph(self, data: st.DataObject, count: int, code: str) -> None:
        run = data.draw(st.sampled_from(self.live()))
        edges = {(index, index + 1) for index in range(count - 1)}
        document = shape(count, edges).replace('"good"', f'"{code}"', 1)
        self.world.update_live(run, LiveAction.UPDATE_GRAPH, document=document)

    @precondition(lambda self: self.live())
    @rule(data=st.data(), is_followed=st.booleans())
    def come_and_go(self, data: st.DataObject, is_followed: bool) -> None:
        run = data.draw(st.sampled_from(self.live()))
        self.world.feed(stimuli.RunUnfollowed(run=run, is_followed=is_followed))

    @precondition(lambda self: self.live())
    @rule(data=st.data())
    def close(self, data: st.DataObject) -> None:
        self.world.close_live(data.draw(st.sampled_from(self.live())))

    def live(self) -> list[RunId]:
        """The sessions that are open."""
        runs = self.world.controller.runs.values()
        return sorted(run.id for run in runs if run.live and not run.live.is_once and not run.is_over)

    def teardown(self) -> None:
        self.world.settle()
        for run in self.live():
            for timer in NodeId("n0"), NodeId("n1"), NodeId("n2"):
                self.world.update_live(run, LiveAction.EVERY, node=timer)
            self.world.update_live(run, LiveAction.RESUME)
        self.world.settle()
        for run in self.live():
            session = self.world.controller.runs[run].live
            assert session is None or session.session is None or session.session.is_settled
            self.world.close_live(run)
        super().teardown()


TestLive = LiveControllerMachine.TestCase
TestLive.settings = settings(
    max_examples=100,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.reuse, Phase.generate, Phase.shrink],
)
