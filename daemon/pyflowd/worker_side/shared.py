"""A worker that is shared by the nodes of a graph: it carries out programs.

A program is a row of steps, one node each, carried out one after the other. A step is a tuple:

    (node, title, compiled, source, [output], [(input, value)])

`compiled` is empty when the node's code is the one that came last. A value is JSON text, the place of one that came in
a memfd, or (node, number of its output): the very object that this node gave, in this program or an earlier one. What
survives between programs is what survives in `resident`, for all nodes together: each has a module of its own, and all
are there at once.

Each step is told as soon as it is over, so that the daemon knows which one is under way: the first that it was not told
of. That is how it knows, too, whose output is whose. A step that has written something waits until the daemon has read
it, which the daemon does when it is told of the step; then whatever comes through the pipes is of a later one.

A step is skipped when a node whose output it needs has failed or gave none. An interrupt ends the step, and with it the
program.
"""

from __future__ import annotations

import os
from fcntl import ioctl
from resource import RUSAGE_SELF, getrusage
from time import perf_counter, process_time, sleep

from . import failures
from .answers import send_done, send_failed, send_step_done, send_step_failed, send_step_skipped
from .failures import CallError
from .learning import ONLOOKER
from .limits import limit_cpu, lower, unlimit_cpu
from .node_call import PROGRESS, children_s, finish_process, flush_output, learn
from .orders import read_value
from .scratch import OWN_FILES
from .steps import Attempt, Node

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Optional, Sequence, Tuple

    from .answers import Step as Told
    from .failures import Failure
    from .orders import Order
    from .resident import Interrupts
    from .steps import Input

    Wires = Sequence[Tuple[str, Any]]
    Step = Tuple[str, str, bytes, str, Sequence[str], Wires]

FIONREAD = 0x541B
_NOTHING = bytes(4)
# How long to wait for the daemon to read what was written: longer and longer, in all a tenth of a second. It is sooner,
# unless a thread of the node's goes on writing.
_PAUSES_S = (0.00002, 0.00005, 0.0001, 0.0002, 0.0005) + (0.001,) * 100


class Graph:
    """The nodes of a graph with what they gave, by reference."""

    def __init__(self, interrupts: Interrupts) -> None:
        self._interrupts = interrupts
        self._nodes: Dict[str, Node] = {}
        self._objects: Dict[str, Tuple[Any, ...]] = {}
        self._is_cpu_limited = False
        self._told_s = 0.0

    def perform(self, order: Order) -> None:
        """Carry out a program, tell of each step, and answer when it is over: with what no step was told to use."""
        _, call, last, steps, forgotten, seed, bounds, cpu_s, variables, values = order
        began_s, self._told_s = process_time(), 0.0
        PROGRESS.pid = os.getpid()
        self._learn_code(steps, forgotten)
        failure = None
        try:
            for which, most in bounds:
                lower(which, most)
            if variables:
                os.environ.update(variables)
            given = [read_value(value) for _, value in values]
        except (OSError, ValueError, MemoryError) as error:
            failure = failures.describe(error)
        else:
            for number, step in enumerate(steps):
                self._limit_cpu(cpu_s)
                self._perform_step(call, number, step, given, seed)
                if self._interrupts.is_asked():
                    break
            if last:
                failure = self._finish()
        flush_output()
        cpu_used_s = process_time() - began_s + children_s() - self._told_s
        usage = max(0.0, cpu_used_s), getrusage(RUSAGE_SELF)[2] * 1024, OWN_FILES.used_bytes()
        if failure is None:
            send_done(call, usage, (), ())
        else:
            send_failed(call, usage, failure)

    def _learn_code(self, steps: Sequence[Step], forgotten: Sequence[str]) -> None:
        """Of all steps, whether they are carried out or not: the daemon does not send it again."""
        for node in forgotten:
            self._objects.pop(node, None)
            self._forget(node)
        for node, _, compiled, source, *_ in steps:
            if compiled:
                self._forget(node)
                self._nodes[node] = Node(compiled, source)

    def _forget(self, node: str) -> None:
        former = self._nodes.pop(node, None)
        if former is not None:
            former.forget()

    def _perform_step(self, call: int, number: int, step: Step, given: Sequence[bytes], seed: int | None) -> None:
        """Carry out a step and tell of it."""
        node, title, _, _, names, wires = step
        self._objects.pop(node, None)
        inputs = self._gather(wires, given)
        if inputs is None:
            send_step_skipped(call, number)
            return
        began_s, began_cpu_s = perf_counter(), process_time()
        attempt = Attempt(title, names, inputs, seed)
        failure = self._attempt(call, attempt, node)
        used_s = process_time() - began_cpu_s + children_s()
        self._told_s += used_s
        wrote = _has_unread()
        imports = learn() if ONLOOKER.seen or failure is not None else ()
        usage = used_s, getrusage(RUSAGE_SELF)[2] * 1024, OWN_FILES.used_bytes()
        told = (number, "true" if wrote else "false", perf_counter() - began_s, *usage, imports)
        failure = failure or _send_done(call, told, attempt)
        if failure is None:
            self._objects[node] = attempt.objects
        else:
            send_step_failed(call, told, failure)
        if wrote:
            _wait_until_read()

    def _gather(self, wires: Wires, given: Sequence[bytes]) -> Optional[Sequence[Input]]:
        """(input, value, whether that is JSON text); None when one is not there."""
        inputs: list[Input] = []
        for pin, value in wires:
            if type(value) is tuple:
                node, number = value
                objects = self._objects.get(node)
                if objects is None or number >= len(objects):
                    return None
                inputs.append((pin, objects[number], False))
            else:
                inputs.append((pin, given[value - 1] if type(value) is int else value, True))
        return inputs

    def _attempt(self, call: int, attempt: Attempt, node: str) -> Optional[Failure]:
        code = self._nodes.get(node)
        if code is None:
            return failures.describe(CallError("environment", "the node's code was not kept"))
        PROGRESS.call = call
        try:
            failure = self._interrupts.during(attempt.run, code)
        except BaseException as error:
            failure = failures.describe(error)
        flush_output()
        if PROGRESS.waiting is not None:
            PROGRESS.flush()
        PROGRESS.call = None
        return failure

    def _finish(self) -> Optional[Failure]:
        try:
            self._interrupts.during(finish_process)
        except BaseException as error:
            return failures.describe(error)
        return None

    def _limit_cpu(self, cpu_s: int | None) -> None:
        """What each step may use."""
        if cpu_s is not None:
            limit_cpu(cpu_s, 0)
        elif self._is_cpu_limited:
            unlimit_cpu()
        self._is_cpu_limited = cpu_s is not None


def _send_done(call: int, told: Told, attempt: Attempt) -> Optional[Failure]:
    """Why the outputs cannot be told."""
    try:
        send_step_done(call, told, attempt.shown, attempt.warnings)
    except (OSError, MemoryError, BufferError) as error:
        message = "the outputs cannot be handed over: %s" % (error or type(error).__name__)
        return failures.describe(CallError("bad_output", message))
    return None


def _has_unread() -> bool:
    return ioctl(1, FIONREAD, _NOTHING) != _NOTHING or ioctl(2, FIONREAD, _NOTHING) != _NOTHING


def _wait_until_read() -> None:
    for pause_s in _PAUSES_S:
        sleep(pause_s)
        if not _has_unread():
            return
