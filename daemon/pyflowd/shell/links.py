"""The daemon's ends of one worker: its channel, its stdout and stderr, its pidfd.

A worker may stay for several calls, one at a time. What it writes between two of them is passed on as it comes.
Each worker has a channel of its own, so that one killed in the middle of a word harms nobody else. End of file
is no proof of death: the zygote's report is. Bytes written before an answer are passed on before the answer.
"""

import os
import select
import signal
import socket
from collections.abc import Callable, Sequence
from contextlib import suppress
from fcntl import ioctl
from functools import partial
from termios import FIONREAD

from pyflowd.core.effects import NodeTerms
from pyflowd.core.ids import CallId, WorkerId
from pyflowd.core.stimuli import (
    CallDone,
    CallFailed,
    StepOutcome,
    StepSkipped,
    StepsOver,
    Stimulus,
    TerminalWrote,
    WorkerMisbehaved,
    WorkerWrote,
)
from pyflowd.core.usage import Usage
from pyflowd.shell.answers import UNDER_WAY, Hint, read_answer, read_brief
from pyflowd.shell.poller import Poller
from pyflowd.shell.process_facts import GONE, is_dead, parent_of, read_pid
from pyflowd.shell.programs import Program
from pyflowd.shell.terminals import Terminal
from pyflowd.worker_side import frames, orders
from pyflowd.worker_side.brief import MARK

PIPE_READ_BYTES = 65_536
PIPE_DRAIN_READS = 32
FRAMES_A_TURN = 16
FRAMES_LEFT = 1000  # more than there is room for in the channel of a worker that is dead
NOTHING = bytes(4)
Ended = CallDone | CallFailed


class WorkerLink:
    """One worker, seen from the daemon. It reports to `feed`, and is closed once the worker is dead."""

    def __init__(self, worker: WorkerId, poller: Poller, feed: Callable[[Stimulus], None], hint: Hint) -> None:
        self.worker = worker
        self._hint = hint
        self._poller = poller
        self._feed = feed
        self._pidfd: int | None = None
        self._parent = GONE
        self._is_ours = False
        self._signal: signal.Signals | None = None
        self._last = orders.MORE
        self._stays = False
        self._told_cpu_s = 0.0
        self._program: Program | None = None
        self._program_call = CallId(0)
        self._steps: list[StepOutcome] = []
        self._confirmed = 0
        self.has_missed_call = False
        self.terms: NodeTerms | None = None  # of the last call, if the next may refer to them
        self.is_heard = False
        self._ears: select.poll | None = None  # for both pipes at once, of a worker that is not gone in a moment
        self._outputs: Sequence[str] = ()
        self.terminal: Terminal | None = None
        self._channel, child_channel = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._channel.setblocking(False)
        out_read, out_write = os.pipe2(os.O_CLOEXEC)
        err_read, err_write = os.pipe2(os.O_CLOEXEC)
        self._pipes = {"stdout": out_read, "stderr": err_read}
        self.child_ends = (child_channel.detach(), out_write, err_write)
        for descriptor in self._pipes.values():
            os.set_blocking(descriptor, False)
        poller.watch(self._channel.fileno(), self._read_channel)

    def close_child_ends(self) -> None:
        """The zygote has them now."""
        for descriptor in self.child_ends:
            os.close(descriptor)
        self.child_ends = (-1, -1, -1)

    def born(self, pidfd: int, parent: int) -> bool:
        """The process exists, as a child of `parent`; a signal that was asked for too early is sent now.

        False: it was born before, and this is somebody else.
        """
        if self._pidfd is not None:
            return False
        self._pidfd, self._parent = pidfd, parent
        if self._signal is not None:
            self.signal(self._signal)
        return True

    @property
    def pid(self) -> int | None:
        """The process id where we are, whatever it is where the process lives; None before it exists."""
        pid = GONE if self._pidfd is None else read_pid(self._pidfd)
        if pid == GONE:
            return None
        self._is_ours = (
            self._is_ours or parent_of(pid) == self._parent
        )  # once is enough: a pidfd stays with its process
        return pid if self._is_ours else None

    @property
    def is_alive(self) -> bool:
        """Whether the process is known to exist as what it should be, and has not ended."""
        return self.pid is not None and self._pidfd is not None and not is_dead(self._pidfd)

    def listen(self) -> None:
        """Hear what the worker writes as it writes it. Until then it is heard when it answers, or dies."""
        if self.is_heard:
            return
        self.is_heard = True
        self._ears = select.poll()
        for stream, descriptor in self._pipes.items():
            self._poller.watch(descriptor, partial(self._hear, stream))
            self._ears.register(descriptor, select.POLLIN)

    def send(self, order: "orders.Order", descriptors: list[int]) -> bool:
        """Send an order; OSError when it cannot be. False when the worker is gone; its exit will be told as well."""
        self._last = order[2]
        if order[0] != orders.AGAIN:
            self._outputs = orders.outputs_of(order)
        self._stays = self._stays or order[2] == orders.MORE or order[0] == orders.PROGRAM
        try:
            orders.send(self._channel, order, descriptors)
        except (BrokenPipeError, ConnectionResetError):
            return False
        except (OSError, ValueError):
            self.has_missed_call = True
            raise
        return True

    def expect(self, program: Program) -> None:
        """The next order is a program."""
        self._program = program

    def answer_halt(self, call: int, *, is_granted: bool, has_terminal: bool) -> None:
        """Let a worker have its debugger, or not; OSError when it cannot have a terminal."""
        things: list[tuple[str, int]] = []
        descriptors: list[int] = []
        if has_terminal:
            self.terminal = Terminal(self._poller, self._pass_on)
            things, descriptors = [("terminal", 1)], [self.terminal.child_end]
        try:
            orders.send(self._channel, (orders.TURN, call, orders.MORE, is_granted, things), descriptors)
        except (BrokenPipeError, ConnectionResetError):
            return
        finally:
            if has_terminal and self.terminal is not None:
                self.terminal.close_child_end()

    def _pass_on(self, data: bytes) -> None:
        self._feed(TerminalWrote(worker=self.worker, data=data))

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process, and to no other that has its number later.

        Nor to one that is no worker: its fork server says which it is, and may be in the hands of a hostile package.
        """
        if self._pidfd is None:
            if self._signal is not signal.SIGKILL:
                self._signal = number
        elif self.pid is not None:
            if self._stays and number is signal.SIGINT:
                self._announce_interrupt()
            with suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    def _announce_interrupt(self) -> None:
        """So that it ends no other call than this one."""
        with suppress(OSError):  # the worker reads nothing any more
            orders.send(self._channel, (orders.INTERRUPT, 0, orders.MORE))

    def dismiss(self) -> None:
        """Hang up, but hear what the worker still writes."""
        with suppress(OSError):  # it is gone
            self._channel.shutdown(socket.SHUT_WR)

    def untold(self, usage: Usage) -> Usage:
        """What a worker used in all, without what it used for calls that it has answered."""
        return usage._replace(cpu_s=max(0.0, usage.cpu_s - self._told_cpu_s))

    def drain(self) -> None:
        """Pass on everything the dead worker left behind."""
        if self._pipes:
            self._read_channel(FRAMES_LEFT)
            self._drain_pipes()

    def close(self) -> None:
        """Give all descriptors back."""
        self._hang_up(self._poller.close)
        if self._pidfd is not None:
            os.close(self._pidfd)
            self._pidfd = None

    def _hang_up(self, close: Callable[[int], None]) -> None:
        """Listen no more: all was said, or the worker is dead."""
        if self.terminal is not None:
            self.terminal.close()
        if self._pipes:
            for descriptor in (*self._pipes.values(), self._channel.detach()):
                close(descriptor)
            self._pipes, self._ears = {}, None

    def _read_channel(self, most: int = FRAMES_A_TURN) -> None:
        for _ in range(most):
            try:
                packet, descriptors = frames.receive_packet(self._channel, frames.MAX_PACKET_BYTES, self._poller.room)
            except BlockingIOError:
                break
            except ConnectionResetError:
                packet = b""
            except frames.FrameError as error:
                self._misbehaved(str(error))
                return
            if not packet:
                self._poller.forget(self._channel.fileno())
                break
            if self._take_packet(packet, descriptors):
                break  # nothing follows an answer before there is another order
        self._tell_steps()

    def _take_packet(self, packet: bytes, descriptors: list[int]) -> bool:
        """Pass a frame on; whether it is the last for now."""
        is_brief = packet.startswith(MARK) and not descriptors
        try:
            if not is_brief:
                frame = frames.take_apart(packet, descriptors)
            else:
                stimulus = read_brief(self.worker, self._outputs, packet)
        except frames.FrameError as error:
            self._misbehaved(str(error))
            return True
        if not is_brief:
            return self._take(*frame)
        self._tell_steps()
        self._answered(stimulus)
        return True

    def _tell_steps(self) -> None:
        """Several at once, if several came."""
        if self._steps:
            call, outcomes, self._steps = self._program_call, tuple(self._steps), []
            self._feed(StepsOver(worker=self.worker, call=call, outcomes=outcomes))

    def _take_step(self, header: "frames.Header", segments: list[frames.Segment]) -> None:
        if self._program is None:
            raise frames.FrameError("a step of no program")
        call, outcome, wrote = self._program.read(header, segments, self._hint)
        if wrote:
            self._tell_steps()
            self._drain_pipes()
            self._confirmed += 1
            with suppress(OSError):  # it is gone, or does not wait for that
                orders.send(self._channel, (orders.READ, 0, orders.MORE))
        self._program_call = call
        self._steps.append(outcome)
        if not isinstance(outcome, StepSkipped):
            self._told_cpu_s += max(0.0, outcome.usage.cpu_s)

    def _take(self, header: "frames.Header", segments: list[frames.Segment], left_over: list[int]) -> bool:
        """Pass a frame on; whether it is the last for now."""
        for descriptor in left_over:
            os.close(descriptor)
        try:
            if header.get("kind") == "step":
                self._take_step(header, segments)
                return False
            stimulus = read_answer(self.worker, self._outputs, header, segments, self._hint)
        except frames.FrameError as error:
            for segment in segments:
                segment.close()
            self._misbehaved(str(error))
            return True
        self._tell_steps()
        if header["kind"] not in UNDER_WAY:
            self._answered(stimulus)
            return True
        if header["kind"] != "progress":
            self._drain_pipes()
        self._feed(stimulus)
        return False

    def _answered(self, stimulus: Stimulus) -> None:
        """Pass on what answers the order."""
        self._drain_pipes()
        self._program = None
        self._signal = None  # it was for this call
        if self._stays and isinstance(stimulus, Ended):
            self._told_cpu_s += max(0.0, stimulus.usage.cpu_s)
        if self._last:
            self._hang_up(self._poller.close_later if self._last == orders.WAIT else self._poller.close)
        self._feed(stimulus)

    def _misbehaved(self, reason: str) -> None:
        self._tell_steps()
        self._poller.forget(self._channel.fileno())
        self._feed(WorkerMisbehaved(worker=self.worker, reason=reason))

    def _drain_pipes(self) -> None:
        if self.terminal is not None:
            self.terminal.drain()
        if self._ears is not None and not self._ears.poll(0):
            return
        for stream, descriptor in tuple(self._pipes.items()):
            for _ in range(PIPE_DRAIN_READS):
                if ioctl(descriptor, FIONREAD, NOTHING) == NOTHING or not self._read_pipe(stream):
                    break

    def _has_written(self, stream: str) -> bool:
        """Cheaper than an exception, which is what reading from an empty pipe costs."""
        descriptor = self._pipes.get(stream)
        return descriptor is not None and ioctl(descriptor, FIONREAD, NOTHING) != NOTHING

    def _hear(self, stream: str) -> None:
        if self._program is not None and not self._is_of_present_step(stream):
            return
        self._read_pipe(stream)

    def _is_of_present_step(self, stream: str) -> bool:
        """Whether something was written by the first step that is not over as far as we have told.

        What is in a pipe now is of a step that waits for us with its end, so those before it are in the channel. If
        that one is there, too, its output was read with it, and what came since may be of any later one.
        """
        if not self._has_written(stream):
            self._forget_if_ended(stream)
            return False
        confirmed = self._confirmed
        self._read_channel(FRAMES_LEFT)
        return self._confirmed == confirmed

    def _forget_if_ended(self, stream: str) -> None:
        """Without a look into it, for by now something may be there again."""
        descriptor = self._pipes.get(stream)
        if descriptor is None:
            return
        poll = select.poll()
        poll.register(descriptor, 0)
        if poll.poll(0) and not self._has_written(stream):
            self._poller.forget(descriptor)

    def _read_pipe(self, stream: str) -> bool:
        """Pass on what was written; False when nothing was."""
        descriptor = self._pipes.get(stream)
        if descriptor is None:
            return False
        try:
            data = os.read(descriptor, PIPE_READ_BYTES)
        except BlockingIOError:
            return False
        if not data:
            self._poller.forget(descriptor)
            return False
        self._feed(WorkerWrote(worker=self.worker, stream=stream, data=data))
        return True
