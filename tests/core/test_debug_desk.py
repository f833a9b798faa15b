"""Nodes that want debuggers, as the bare controller decides of them."""

import pytest

from pyflowd.core import effects, stimuli
from pyflowd.core.debug_desk import MOST_S, PARKED_MOST, TYPED_MOST
from pyflowd.core.ids import SessionId, WorkerId
from pyflowd_client.protocol import events, replies
from pyflowd_client.protocol.errors import ErrorCode
from pyflowd_client.protocol.options import Debugging, Permissions
from pyflowd_client.protocol.states import DebuggerKind, RunState
from support.world import SESSION, World, shape

PDB = Debugging(debugger=DebuggerKind.PDB)
DEBUGPY = Debugging(debugger=DebuggerKind.DEBUGPY, port=5700)
NET = Permissions(net=True)
STRANGER = SessionId(b"another")


class DebugWorld(World):
    """A world with a run that is debugged."""

    def __init__(self, nodes: int = 1, how: Debugging = PDB, running: int = 2) -> None:
        super().__init__(running=running)
        self.submit(shape(1, set()), permissions=NET)
        self.settle()
        self.run = self.run_of(self.submit(shape(nodes, set()), debugging=how, permissions=NET))
        self.warm()
        self.fork()

    def halt(self, worker: WorkerId) -> None:
        """A node asks for its debugger."""
        call = self.processes[worker].call
        assert call is not None
        self.feed(stimuli.CallHalted(worker=worker, call=call.call))

    def told(self, worker: WorkerId) -> list[str]:
        """What a worker was told, in words."""
        names = []
        for effect in self.processes[worker].told:
            names.append(type(effect).__name__)
            if isinstance(effect, effects.AnswerHalt):
                names[-1] = "granted" if effect.is_granted else "refused"
        return names

    def names(self) -> list[str]:
        """What was told of the run."""
        return [event.NAME for event in self.events[self.run]]

    def type(self, text: str, session: SessionId = SESSION, node: str = "n0") -> replies.Reply:
        """A client types; the reply."""
        self.requests += 1
        self.feed(stimuli.TerminalTyped(session=session, request=self.requests, run=self.run, node=node, text=text))
        [reply] = self.replies[self.requests]
        return reply

    def leave(self, session: SessionId = SESSION) -> None:
        """A client goes."""
        self.feed(stimuli.SessionEnded(session=session))


def refusal(reply: replies.Reply) -> ErrorCode:
    assert isinstance(reply, replies.Refused)
    return reply.error.code


def test_a_node_that_fails_has_a_terminal_and_then_fails_as_it_did() -> None:
    world = DebugWorld()
    [worker] = world.busy()
    world.halt(worker)
    assert world.told(worker) == ["granted"]
    world.feed(stimuli.TerminalWrote(worker=worker, data=b"(Pdb) \xc3"))
    world.feed(stimuli.TerminalWrote(worker=worker, data=b"\xa4"))
    assert isinstance(world.type("q\r"), replies.Done)
    assert world.told(worker) == ["granted", "WriteTerminal"]
    world.fail(worker)
    assert world.names()[2:] == [
        "debugger_opened",
        "terminal_output",
        "terminal_output",
        "debugger_closed",
        "node_finished",
        "run_finished",
    ]
    texts = [event.text for event in world.events[world.run] if isinstance(event, events.TerminalOutput)]
    assert texts == ["(Pdb) ", "ä"]
    world.settle()
    world.check_over()


def test_no_time_counts_while_it_is_open_and_none_is_lost() -> None:
    world = DebugWorld()
    [worker] = world.busy()
    world.wait(7.0)
    world.halt(worker)
    world.wait(1000.0)
    assert world.processes[worker].signals == []
    world.leave()
    assert world.told(worker) == ["granted", "CloseTerminal"]
    world.wait(2.9)
    assert world.processes[worker].signals == []
    world.wait(0.2)
    assert world.processes[worker].signals == ["interrupt"]


def test_nobody_is_waited_for_for_ever() -> None:
    world = DebugWorld()
    [worker] = world.busy()
    world.halt(worker)
    world.wait(MOST_S + 1.0)
    assert world.told(worker) == ["granted", "CloseTerminal"]


def test_nodes_have_their_debuggers_one_after_the_other() -> None:
    world = DebugWorld(nodes=2)
    first, second = world.busy()
    world.halt(second)
    world.halt(first)
    assert (world.told(first), world.told(second)) == ([], ["granted"])
    world.fail(second)
    assert world.told(first) == []  # what the other held is free once its process is gone
    world.exit(second)
    assert world.told(first) == ["granted"]
    world.fail(first)
    world.settle()
    world.check_over()


def test_others_run_while_nodes_wait_for_people_but_not_without_end() -> None:
    world = DebugWorld(nodes=30, running=2)
    halted: set[WorkerId] = set()
    while fresh := [worker for worker in world.busy() if worker not in halted]:
        world.halt(fresh[0])
        halted.add(fresh[0])
        world.fork()
        world.check()
    assert len(halted) == PARKED_MOST + 2
    for _ in range(100):
        waiting = [worker for worker in world.busy() if world.told(worker)]
        if not waiting:
            break
        world.fail(waiting[0])
        world.exit(waiting[0])
        world.check()
    world.settle()
    world.check_over()


def test_only_who_submitted_the_run_types_and_only_where_it_is_open() -> None:
    world = DebugWorld(nodes=2)
    first, _ = world.busy()
    assert refusal(world.type("x")) is ErrorCode.BAD_INPUT
    world.halt(first)
    assert refusal(world.type("x", session=STRANGER)) is ErrorCode.NOT_PERMITTED
    assert refusal(world.type("x", node="n1")) is ErrorCode.BAD_INPUT
    assert refusal(world.type("x" * (TYPED_MOST + 1))) is ErrorCode.BAD_INPUT
    world.leave(STRANGER)
    assert world.told(first) == ["granted"]
    world.fail(first)
    assert refusal(world.type("x")) is ErrorCode.BAD_INPUT


def test_a_node_whose_client_is_gone_gets_no_debugger() -> None:
    world = DebugWorld()
    [worker] = world.busy()
    world.leave()
    world.halt(worker)
    assert world.told(worker) == ["refused"]
    world.fail(worker)
    assert "debugger_opened" not in world.names()


def test_a_cancel_hangs_up_and_the_grace_stays_what_it_is() -> None:
    world = DebugWorld(nodes=2)
    first, second = world.busy()
    world.halt(first)
    world.halt(second)
    world.feed(stimuli.CancelAsked(session=SESSION, request=99, run=world.run))
    world.requests += 1
    assert world.told(first) == ["granted", "CloseTerminal"]
    assert world.told(second) == ["refused"]
    assert world.processes[first].signals == ["interrupt"]
    world.wait(1.0)
    assert world.processes[first].signals == ["interrupt", "kill"]
    world.exit(first, 9)
    world.fail(second)
    world.settle()
    ending = world.events[world.run][-1]
    assert isinstance(ending, events.RunFinished)
    assert ending.state is RunState.CANCELLED


def test_a_node_that_asks_after_it_was_told_to_end_is_still_killed_in_time() -> None:
    world = DebugWorld()
    [worker] = world.busy()
    world.feed(stimuli.CancelAsked(session=SESSION, request=99, run=world.run))
    world.halt(worker)
    assert world.told(worker) == ["refused"]
    world.wait(1.0)
    assert world.processes[worker].signals == ["interrupt", "kill"]


def test_a_fork_server_that_is_lost_takes_the_debugger_along() -> None:
    world = DebugWorld(nodes=2)
    first, second = world.busy()
    world.halt(first)
    world.halt(second)
    world.lose_zygote(world.processes[first].zygote)
    assert world.names().count("debugger_closed") == 1
    world.settle()
    world.check()


def test_debugpy_is_told_of_once_it_listens_and_goes_on_by_the_clock_when_nobody_is_there() -> None:
    world = DebugWorld(how=DEBUGPY)
    [worker] = world.busy()
    world.halt(worker)
    assert "debugger_opened" not in world.names()
    call = world.processes[worker].call
    assert call is not None
    world.feed(stimuli.DebuggerListens(worker=worker, call=call.call))
    opened = world.events[world.run][-1]
    assert isinstance(opened, events.DebuggerOpened)
    assert (opened.debugger, opened.port) == (DebuggerKind.DEBUGPY, 5700)
    assert refusal(world.type("x")) is ErrorCode.BAD_INPUT
    world.wait(500.0)
    assert world.processes[worker].signals == []
    world.leave()
    world.wait(10.1)
    assert world.processes[worker].signals == ["interrupt"]


@pytest.mark.parametrize("how", [Debugging(debugger=DebuggerKind.PDB, terminal="x\n"), Debugging(port=0), DEBUGPY])
def test_what_cannot_be_is_refused_and_nothing_is_started(how: Debugging) -> None:
    world = World()
    request = world.submit(shape(1, set()), debugging=how)
    [reply] = world.replies[request]
    assert refusal(reply) is (ErrorCode.NOT_PERMITTED if how is DEBUGPY else ErrorCode.BAD_INPUT)
    assert not world.controller.runs


@pytest.mark.parametrize("frame", [stimuli.CallHalted, stimuli.DebuggerListens])
def test_a_debugger_that_nobody_asked_for_is_an_abuse(frame: type[stimuli.CallHalted]) -> None:
    world = World()
    world.submit(shape(1, set()))
    world.warm()
    world.fork()
    world.settle()
    world.submit(shape(1, set()))
    [worker] = world.busy()
    call = world.processes[worker].call
    assert call is not None
    world.feed(frame(worker=worker, call=call.call))
    assert world.processes[worker].signals == ["kill"]
