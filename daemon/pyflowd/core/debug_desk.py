"""DebugDesk: the nodes that want a debugger, and the people who have asked for it.

    the worker asks > waits for its turn in its run > has its debugger > ends as any call

A node in here does nothing but wait for a person: its wall time does not count, and it takes nobody's place among
those that run. That lasts as long as the client that has submitted the run is connected, and MOST_S at most. What is
typed, and what comes back, is passed on unread.
"""

import codecs
import re
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pyflowd.core import effects, stimuli, verdicts
from pyflowd.core.call_desk import CallDesk
from pyflowd.core.calls import Call, NodeWork
from pyflowd.core.deadlines import Deadlines
from pyflowd.core.herald import Herald, Subject, node_of
from pyflowd.core.ids import CallId, SessionId, WorkerId
from pyflowd.core.machines import HALT_MOVES, HaltState, mover
from pyflowd.core.runs import Run
from pyflowd.core.worker_pool import Worker, WorkerPool
from pyflowd_client.protocol import events, replies
from pyflowd_client.protocol.errors import ErrorCode, ErrorInfo
from pyflowd_client.protocol.ids import RunId
from pyflowd_client.protocol.options import NO_DEBUGGING
from pyflowd_client.protocol.states import DebuggerKind

MOST_S = 8 * 3600.0
PARKED_MOST = 8  # more that wait take the places of those that run: so there are never many
LEFT_LEAST_S = 1.0  # to end in, for a node whose time was nearly over
TYPED_MOST = 4096
SIDE_MOST = 1000
NAME = re.compile(r"[\w.+-]{1,64}", re.ASCII)
PORTS = range(1, 65536)


@dataclass(slots=True, eq=False)
class Halt:
    """A node that has asked for a debugger. `left_s`: its wall time when it did. `is_told`: that it is open."""

    run: Run
    node: Subject
    worker: Worker
    call: CallId
    left_s: float
    state: HaltState = HaltState.WAITING
    is_told: bool = False
    text: codecs.IncrementalDecoder = field(default_factory=lambda: codecs.getincrementaldecoder("utf-8")("replace"))

    to = mover(HALT_MOVES, "halt", lambda halt: halt.call)


class DebugDesk:
    """All runs with debuggers, by who may type."""

    def __init__(
        self,
        pool: WorkerPool,
        desk: CallDesk,
        deadlines: Deadlines,
        herald: Herald,
        emit: Callable[[effects.Effect], None],
    ) -> None:
        self._pool = pool
        self._desk = desk
        self._deadlines = deadlines
        self._herald = herald
        self._emit = emit
        self._owners: dict[RunId, SessionId] = {}
        self._runs: dict[RunId, Run] = {}
        self._halts: dict[WorkerId, Halt] = {}
        self._turns: dict[RunId, deque[Halt]] = {}  # the first has its turn until its worker is dead
        self.handlers: Mapping[type[Any], Callable[[Any], None]] = {
            stimuli.CallHalted: self._halted,
            stimuli.DebuggerListens: self._listens,
            stimuli.TerminalWrote: self._wrote,
            stimuli.TerminalTyped: self._typed,
            stimuli.TerminalResized: self._resized,
            stimuli.SessionEnded: self._left,
        }

    # -- runs

    def refusal(self, asked: stimuli.RunSubmitted) -> ErrorInfo | None:
        """Why a run cannot be debugged as its client wishes."""
        wish, permissions = asked.debugging, asked.submission.permissions
        if wish is NO_DEBUGGING:
            return None
        if wish.port not in PORTS or not NAME.fullmatch(wish.terminal):
            return _bad_input("`debugging` needs a port from 1 to 65535, and the name of a terminal.")
        if wish.debugger is DebuggerKind.DEBUGPY and not (permissions.net or permissions.all):
            message = "debugpy waits on a port, which nodes may only if the network is permitted (--allow-net)."
            return ErrorInfo(code=ErrorCode.NOT_PERMITTED, message=message, hint="run it with --allow-net")
        return None

    def expect(self, run: Run, asked: stimuli.RunSubmitted) -> None:
        """A run whose nodes may want debuggers."""
        if asked.debugging.debugger is None:
            return
        for run_id in [run_id for run_id, one in self._runs.items() if one.is_over]:
            del self._runs[run_id]
            self._owners.pop(run_id, None)
        run.debugging = asked.debugging
        self._runs[run.id], self._owners[run.id] = run, asked.session

    def _left(self, ended: stimuli.SessionEnded) -> None:
        """A client is gone, and with it who would type."""
        for run_id in [run_id for run_id, owner in self._owners.items() if owner == ended.session]:
            del self._owners[run_id]
            for halt in list(self._turns.get(run_id, ())):
                self._close(halt)

    # -- nodes

    def _halted(self, halted: stimuli.CallHalted) -> None:
        worker = self._pool.workers.get(halted.worker)
        run, call = self._debugged(worker, halted.call)
        if worker is None or run is None or call is None or worker.id in self._halts:
            self._desk.condemn(halted.worker, "a debugger nobody asked for")
            return
        left_s = max(LEFT_LEAST_S, call.started_at + call.limits.timeout_s - self._deadlines.now)
        halt = self._halts[worker.id] = Halt(run, node_of(run, call), worker, call.id, left_s)
        self._desk.suspend(worker.id, self)
        if len(self._pool.parked) < PARKED_MOST:
            self._pool.park(worker)
        self._deadlines.set(halt, self._deadlines.now + MOST_S)
        self._turns.setdefault(run.id, deque()).append(halt)
        if call.verdict is not None or run.id not in self._owners:
            self._close(halt)
        self._next(run.id)

    def _debugged(self, worker: Worker | None, call_id: CallId) -> tuple[Run | None, Call | None]:
        call = worker.call if worker is not None else None
        if call is None or call.id != call_id or not isinstance(call.work, NodeWork):
            return None, None
        return self._runs.get(call.work.run), call

    def _next(self, run_id: RunId) -> None:
        """The first in the queue has its turn."""
        queue = self._turns.get(run_id)
        if not queue:
            self._turns.pop(run_id, None)
        elif queue[0].state is HaltState.WAITING and queue[0].worker.zygote.id in self._pool.book.living:
            halt = queue[0]
            halt.to(HaltState.OPEN)
            has_terminal = halt.run.debugging.debugger is DebuggerKind.PDB
            self._answer(halt, is_granted=True, has_terminal=has_terminal)
            if has_terminal:
                self._tell_open(halt, None)

    def _answer(self, halt: Halt, *, is_granted: bool, has_terminal: bool = False) -> None:
        self._emit(
            effects.AnswerHalt(
                zygote=halt.worker.zygote.id,
                worker=halt.worker.id,
                call=halt.call,
                is_granted=is_granted,
                has_terminal=has_terminal,
            )
        )

    def _listens(self, listens: stimuli.DebuggerListens) -> None:
        halt = self._halts.get(listens.worker)
        if halt is None or halt.call != listens.call or halt.run.debugging.debugger is not DebuggerKind.DEBUGPY:
            self._desk.condemn(listens.worker, "a debugger nobody asked for")
        elif halt.state is HaltState.OPEN and not halt.is_told:
            self._tell_open(halt, halt.run.debugging.port)

    def _tell_open(self, halt: Halt, port: int | None) -> None:
        halt.is_told = True
        debugger = halt.run.debugging.debugger
        node = halt.node
        self._herald.publish(
            halt.run, events.DebuggerOpened, node=node.id, title=node.title, debugger=debugger, port=port
        )

    def _close(self, halt: Halt) -> None:
        """The debugger shall end; the node then ends as it would without."""
        if halt.state is HaltState.CLOSING:
            return
        was_open = halt.state is HaltState.OPEN
        halt.to(HaltState.CLOSING)
        self._deadlines.clear(halt)
        if not was_open:
            self._answer(halt, is_granted=False)
        elif halt.run.debugging.debugger is DebuggerKind.PDB:
            self._emit(effects.CloseTerminal(zygote=halt.worker.zygote.id, worker=halt.worker.id))
        self._desk.resume(halt.worker.id, halt.left_s)

    def overdue(self, halt: Halt) -> None:
        """Nobody can be waited for any longer."""
        self._close(halt)

    # -- what becomes of their calls

    def interrupted(self, worker: WorkerId) -> None:
        """The call is told to end: whoever reads from the terminal comes to its end."""
        self._close(self._halts[worker])

    def over(self, worker: WorkerId) -> None:
        """The call has ended."""
        halt = self._halts.pop(worker, None)
        if halt is None:
            return
        if halt.state is not HaltState.CLOSING:
            halt.to(HaltState.CLOSING)
        self._deadlines.clear(halt)
        if halt.is_told and not halt.run.is_over:
            self._herald.publish(halt.run, events.DebuggerClosed, node=halt.node.id)

    def gone(self, worker: WorkerId) -> None:
        """Its worker is dead: whatever it held, a port for one, is free for the next."""
        for run_id, queue in list(self._turns.items()):
            self._turns[run_id] = deque(halt for halt in queue if halt.worker.id != worker)
            self._next(run_id)

    # -- terminals

    def _wrote(self, wrote: stimuli.TerminalWrote) -> None:
        halt = self._halts.get(wrote.worker)
        text = halt.text.decode(wrote.data) if halt is not None and halt.is_told else ""
        if halt is not None and text and not halt.run.is_over:
            self._herald.publish(halt.run, events.TerminalOutput, node=halt.node.id, text=text)

    def _typed(self, typed: stimuli.TerminalTyped) -> None:
        halt = self._typable(typed)
        if halt is not None and len(typed.text) > TYPED_MOST:
            error = _bad_input(f"{TYPED_MOST} characters can be typed in one request.")
            self._herald.refuse(typed.session, typed.request, error)
        elif halt is not None:
            self._herald.answer(typed.session, typed.request, replies.Done())
            worker = halt.worker
            self._emit(effects.WriteTerminal(zygote=worker.zygote.id, worker=worker.id, text=typed.text))

    def _resized(self, resized: stimuli.TerminalResized) -> None:
        halt = self._typable(resized)
        if halt is None:
            return
        self._herald.answer(resized.session, resized.request, replies.Done())
        columns, rows = (min(max(1, side), SIDE_MOST) for side in (resized.columns, resized.rows))
        worker = halt.worker
        self._emit(effects.ResizeTerminal(zygote=worker.zygote.id, worker=worker.id, columns=columns, rows=rows))

    def _typable(self, asked: stimuli.TerminalTyped | stimuli.TerminalResized) -> Halt | None:
        """The halt whose terminal is meant; None, and the request refused, when it is not there or not the client's."""
        queue = self._turns.get(asked.run)
        halt = queue[0] if queue else None
        if asked.run not in self._runs:
            error = verdicts.unknown_run(asked.run)
        elif self._owners.get(asked.run) != asked.session:
            message = "Only the client that has submitted a run types into its debuggers."
            error = ErrorInfo(code=ErrorCode.NOT_PERMITTED, message=message)
        elif (
            halt is None
            or halt.state is not HaltState.OPEN
            or halt.node.id != asked.node
            or halt.run.debugging.debugger is not DebuggerKind.PDB
        ):
            error = _bad_input(f"No terminal is open in the node '{asked.node}'.")
        else:
            return halt
        self._herald.refuse(asked.session, asked.request, error)
        return None


def _bad_input(message: str) -> ErrorInfo:
    return ErrorInfo(code=ErrorCode.BAD_INPUT, message=message)
