"""All fork servers and workers: performs the effects that are about processes."""

import asyncio
import logging
import os
import resource
import signal
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from pyflowd.core import effects
from pyflowd.core.ids import CallId, WorkerId, ZygoteId
from pyflowd.core.limits import Limits
from pyflowd.core.stimuli import CallFailed, Stimulus, ZygoteLost
from pyflowd.core.usage import Usage
from pyflowd.core.values import Payload
from pyflowd.environments.fingerprint import Fingerprints
from pyflowd.sandbox.sandboxes import Sandbox, Sandboxes, SandboxRefused
from pyflowd.shell.bytecode import Bytecode
from pyflowd.shell.links import WorkerLink
from pyflowd.shell.poller import Poller
from pyflowd.shell.preload import Preload
from pyflowd.shell.programs import Program, program_steps
from pyflowd.shell.terminals import Terminal
from pyflowd.shell.zygote_process import Start, Superior, ZygoteProcess
from pyflowd.worker_side import orders
from pyflowd_client.protocol.errors import ErrorCode, ErrorInfo
from pyflowd_client.protocol.states import DebuggerKind

LEAVE_PATIENCE_S = 3.0
LISTEN_AFTER_S = 0.005

log = logging.getLogger(__name__)


class Zygotes:
    """All of them; each knows its own workers.

    `has_run_out_of_memory` tells it of a worker that the kernel has ended, once there is somebody who knows.
    """

    def __init__(
        self,
        sandboxes: Sandboxes,
        fingerprints: Fingerprints,
        poller: Poller,
        loop: asyncio.AbstractEventLoop,
        feed: Callable[[Stimulus], None],
    ) -> None:
        self._fingerprints = fingerprints
        self._loop = loop
        self._young: list[WorkerLink] = []
        self._sandboxes = sandboxes
        self._bytecode = Bytecode()
        self.has_run_out_of_memory: Callable[[WorkerId], bool] = lambda _: False
        self._poller = poller
        self._feed = feed
        self._processes: dict[ZygoteId, ZygoteProcess] = {}
        self._preloads: dict[ZygoteId, Preload] = {}

    def start(self, effect: effects.StartZygote) -> None:
        """Start a fork server."""
        self._preloads[effect.zygote] = Preload.of(effect.preload)
        self._start(effect, partial(self._sandboxes.first, effect.environment))

    def end(self, effect: effects.EndZygote) -> None:
        """End a fork server whose workers have nothing to do."""
        process = self._processes.pop(effect.zygote)
        process.discard()
        del self._preloads[effect.zygote]
        log.info("a zygote was let go: %s", process.environment)

    def _start(self, effect: effects.StartZygote, choose: Callable[[], Sandbox]) -> None:
        """Start it in the sandbox that is chosen, or in the next lower one when it turns out to be unfit."""
        try:
            sandbox = choose()
        except SandboxRefused as refusal:
            self._lose(effect.zygote, str(refusal))
            return
        fingerprint = self._fingerprints.of(sandbox.python)
        superior = self._superior(effect, sandbox)
        try:
            start = Start(effect.zygote, fingerprint, self._preloads[effect.zygote])
            process = ZygoteProcess(start, sandbox, self._poller, self._feed, superior)
        except OSError as error:
            reason = f"{sandbox.python} cannot be started as a Python interpreter: {error.strerror}"
            self._lose(effect.zygote, reason)
            return
        self._processes[effect.zygote] = process
        log.info("a zygote starts, %s: %s", sandbox.tier.name, effect.environment)

    def _superior(self, effect: effects.StartZygote, sandbox: Sandbox) -> Superior:
        return Superior(
            judge=partial(self._sandboxes.judge, sandbox),
            unfit=partial(self._retreat, effect, sandbox),
            uncompiled=self._bytecode.compile_for,
            spoilt=partial(self._restart, effect),
            lost=partial(self._lose, effect.zygote),
            call_later=self._loop.call_later,
            has_run_out_of_memory=lambda worker: self.has_run_out_of_memory(worker),
        )

    def _retreat(self, effect: effects.StartZygote, sandbox: Sandbox, reason: str, is_weak: bool) -> None:
        del self._processes[effect.zygote]
        log.info("%s is not to be had for %s: %s", sandbox.tier.name, sandbox.environment, reason)
        self._start(effect, partial(self._sandboxes.lower, sandbox, reason, is_weak=is_weak))

    def _restart(self, effect: effects.StartZygote, module: str, reason: str) -> None:
        """A module keeps the fork server from coming up, or must not be in it: start it without."""
        del self._processes[effect.zygote]
        self._preloads[effect.zygote] = self._preloads[effect.zygote].without(module, reason)
        log.warning("%s cannot be preloaded for %s: %s", module or "what was asked for", effect.environment, reason)
        self._start(effect, partial(self._sandboxes.first, effect.environment))

    def _lose(self, zygote: ZygoteId, reason: str) -> None:
        """A fork server is gone, or could not be started; nothing is kept of it."""
        self._processes.pop(zygote, None)
        del self._preloads[zygote]
        self._feed(ZygoteLost(zygote=zygote, reason=reason))

    def fork(self, effect: effects.ForkWorkers) -> None:
        """Fork workers."""
        self._processes[effect.zygote].fork(effect.workers, rehearse=effect.rehearse)
        self._poller.close_waiting()  # forks disturb who works just now; so do workers that leave: better both at once

    def send_call(self, effect: effects.SendCall) -> None:
        """Give a worker a node to execute."""
        link = self._link(effect.zygote, effect.worker)
        if link is None:
            return
        inputs, descriptors = _inputs(effect.inputs)
        terms = effect.terms
        if effect.is_loaded and terms is link.terms and not link.has_missed_call:
            self._send(link, (orders.AGAIN, effect.call, orders.MORE, inputs), descriptors)
            os.sched_yield()  # the worker may wait for this processor, and what is to be told can wait for it
            return  # it is heard since its first call
        link.terms = terms if effect.stays else None
        code, source = terms.code, terms.source
        last = orders.WAIT if effect.lingers else orders.LEAVE
        if effect.stays:
            last = orders.MORE
            if effect.is_loaded and not link.has_missed_call:  # else it may not have what it should have by now
                code, source = b"", ""
        order = (
            orders.CALL,
            effect.call,
            last,
            terms.title,
            code,
            source,
            terms.outputs,
            terms.seed,
            _bounds(terms.limits),
            terms.limits.cpu_s,
            terms.variables,
            inputs,
        )
        how = effect.debugging
        if how.debugger is not None:
            detail = how.terminal if how.debugger is DebuggerKind.PDB else how.port
            order = orders.debugged(order, (how.debugger.value, detail))
        self._send(link, order, descriptors)
        if not link.is_heard:
            self._listen_soon(link)

    def send_program(self, effect: effects.SendProgram) -> None:
        """Give a worker nodes to execute."""
        link = self._link(effect.zygote, effect.worker)
        if link is None:
            return
        steps, values, descriptors = program_steps(effect.steps, resend=link.has_missed_call)
        order = (
            orders.PROGRAM,
            effect.call,
            orders.MORE if effect.stays else orders.LEAVE,
            steps,
            effect.forgotten,
            effect.seed,
            _bounds(effect.limits),
            effect.limits.cpu_s,
            effect.variables,
            values,
        )
        link.expect(Program(effect.steps))
        self._send(link, order, descriptors)
        if not link.is_heard:
            self._listen_soon(link)

    def dismiss(self, effect: effects.DismissWorker) -> None:
        """Let a worker that stays leave."""
        link = self._link(effect.zygote, effect.worker)
        if link is not None:
            link.dismiss()

    def send_inspection(self, effect: effects.SendInspection) -> None:
        """Give a worker sources to read and compile."""
        link = self._link(effect.zygote, effect.worker)
        if link is not None:
            sources = list(zip(effect.titles, effect.sources, strict=True))
            self._send(link, (orders.INSPECT, effect.call, orders.WAIT, sources), [])

    def interrupt(self, effect: effects.InterruptWorker) -> None:
        """Raise KeyboardInterrupt in a node."""
        link = self._link(effect.zygote, effect.worker)
        if link is not None:
            link.signal(signal.SIGINT)

    def kill(self, effect: effects.KillWorker) -> None:
        """End a worker, whatever it does."""
        process = self._processes.get(effect.zygote)
        if process is not None:
            process.kill(effect.worker)

    def answer_halt(self, effect: effects.AnswerHalt) -> None:
        """Tell a worker whether it has a debugger now."""
        link = self._link(effect.zygote, effect.worker)
        if link is None:
            return
        try:
            link.answer_halt(effect.call, is_granted=effect.is_granted, has_terminal=effect.has_terminal)
        except OSError as error:
            log.warning("a node goes without its debugger: %s", error)
            link.answer_halt(effect.call, is_granted=False, has_terminal=False)

    def write_terminal(self, effect: effects.WriteTerminal) -> None:
        """Type into a worker's terminal."""
        terminal = self._terminal(effect.zygote, effect.worker)
        if terminal is not None:
            terminal.write(effect.text)

    def resize_terminal(self, effect: effects.ResizeTerminal) -> None:
        """Let a worker's terminal have another size."""
        terminal = self._terminal(effect.zygote, effect.worker)
        if terminal is not None:
            terminal.resize(effect.columns, effect.rows)

    def close_terminal(self, effect: effects.CloseTerminal) -> None:
        """Hang up a worker's terminal."""
        terminal = self._terminal(effect.zygote, effect.worker)
        if terminal is not None:
            terminal.close()

    def _terminal(self, zygote: ZygoteId, worker: WorkerId) -> Terminal | None:
        link = self._link(zygote, worker)
        return link.terminal if link else None

    def pid_of(self, zygote: ZygoteId, worker: WorkerId) -> int | None:
        """The process id of a worker; None before it is known, and when it is gone."""
        link = self._link(zygote, worker)
        return link.pid if link else None

    def close(self) -> None:
        """End all zygotes and with them all workers."""
        for process in self._processes.values():
            process.dismiss()
        for process in self._processes.values():
            process.leave(LEAVE_PATIENCE_S)
        self._processes = {}
        self._sandboxes.close()

    def _send(self, link: WorkerLink, order: "orders.Order", descriptors: list[int]) -> None:
        worker = link.worker
        try:
            if not link.send(order, descriptors) and order[2] == orders.MORE:
                message = "The process that was kept for the node was gone before the call reached it."
                self._fail_unsent(worker, order, ErrorInfo(code=ErrorCode.WORKER_LOST, message=message))
        except (OSError, ValueError) as error:
            message = f"The daemon could not send the node its inputs: {error}"
            self._fail_unsent(worker, order, ErrorInfo(code=ErrorCode.INTERNAL, message=message))

    def _fail_unsent(self, worker: WorkerId, order: "orders.Order", error: ErrorInfo) -> None:
        self._feed(CallFailed(worker=worker, call=CallId(order[1]), error=error, usage=Usage()))

    def _link(self, zygote: ZygoteId, worker: WorkerId) -> WorkerLink | None:
        process = self._processes.get(zygote)
        return process.links.get(worker) if process else None

    def _listen_soon(self, link: WorkerLink) -> None:
        """Most calls are over before anybody could have read their output as it came: those are spared the watching."""
        self._young.append(link)
        if len(self._young) == 1:
            self._loop.call_later(LISTEN_AFTER_S, self._listen)

    def _listen(self) -> None:
        young, self._young = self._young, []
        for link in young:
            link.listen()


def _bounds(limits: Limits) -> list[tuple[int, int]]:
    """The limits that the kernel keeps, as the numbers of its resources and the most of each."""
    bounds = [(resource.RLIMIT_DATA, limits.memory_bytes)]
    if limits.open_files is not None:
        bounds.append((resource.RLIMIT_NOFILE, limits.open_files))
    if limits.file_bytes is not None:
        bounds.append((resource.RLIMIT_FSIZE, limits.file_bytes))
    return bounds


def _inputs(given: Sequence[tuple[str, Payload | bytes]]) -> tuple[list[tuple[str, bytes | int]], list[int]]:
    """The inputs of an order, and the descriptors of those that are in memfds."""
    inputs: list[tuple[str, bytes | int]] = []
    descriptors: list[int] = []
    for pin, item in given:
        value: Any = item  # if it is a payload, a segment of a frame
        if type(value) is bytes:
            inputs.append((pin, value))
        elif value.data is not None:
            inputs.append((pin, value.data))
        elif value.descriptor is None:
            inputs.append((pin, b""))
        else:
            descriptors.append(value.descriptor)
            inputs.append((pin, len(descriptors)))  # the first is the order's own
    return inputs, descriptors
