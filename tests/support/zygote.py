"""A real zygote on any interpreter, driven by hand: what the daemon does, without the daemon."""

from __future__ import annotations

import contextlib
import json
import os
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

import pyflowd.worker_side
from pyflowd.shell.process_facts import read_pid
from pyflowd.worker_side import brief, frames, orders
from pyflowd.worker_side.confinement import FLOOR

WORKER_SIDE = Path(pyflowd.worker_side.__file__).parent
DEADLINE_S = 20.0
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}


def find_interpreters() -> list[str]:
    """One interpreter per CPython version from 3.8 on: this one's own first, then PATH and pyenv."""
    found = {_version(sys._base_executable): sys._base_executable}  # type: ignore[attr-defined]
    candidates = [shutil.which(f"python3.{minor}") for minor in range(8, 15)]
    candidates += sorted(str(path) for path in Path.home().glob(".pyenv/versions/*/bin/python"))
    for path in filter(None, candidates):
        version = _version(path)
        if version >= (3, 8):
            found.setdefault(version, path)
    return list(found.values())


def _version(interpreter: str) -> tuple[int, ...]:
    code = "import sys; print(*sys.version_info[:2])"
    done = subprocess.run([interpreter, "-I", "-S", "-c", code], capture_output=True, text=True, check=False)
    return tuple(map(int, done.stdout.split())) if re.fullmatch(r"\d+ \d+\n", done.stdout) else (0, 0)


@dataclass
class Worker:
    """One forked process, the daemon's ends of its link and pipes, and what came out of them."""

    id: int
    link: socket.socket
    stdout_fd: int
    stderr_fd: int
    pid: int = 0
    pidfd: int = -1
    calls: int = 0
    stdout: bytearray = field(default_factory=bytearray)
    stderr: bytearray = field(default_factory=bytearray)
    progress: list[tuple[float, str]] = field(default_factory=list)

    def kill(self, number: int = signal.SIGKILL) -> None:
        signal.pidfd_send_signal(self.pidfd, number)

    def receive(self, deadline_s: float = DEADLINE_S) -> tuple[dict[str, Any], list[bytes]]:
        """The next answer, while its output is read; progress is kept aside. ClosedError when the worker is gone."""
        give_up_s = time.monotonic() + deadline_s
        while True:
            ready = self._wait(give_up_s, [self.link.fileno(), self.stdout_fd, self.stderr_fd])
            self._read_output(ready)
            if self.link.fileno() not in ready:
                continue
            try:
                header, segments = receive_answer(self.link)
            except ConnectionError:
                raise frames.ClosedError from None
            if header["kind"] != "progress":
                self._read_output(ready=[self.stdout_fd, self.stderr_fd])
                return header, [_take(segment) for segment in segments]
            self.progress.append((header["fraction"], header["message"]))

    def wait_progress(self) -> str:
        """The message of the next progress report: the node has come that far."""
        self._wait(time.monotonic() + DEADLINE_S, [self.link.fileno()])
        header, _, _ = frames.receive(self.link)
        assert header["kind"] == "progress", header
        message: str = header["message"]
        return message

    def interrupt(self) -> None:
        """End the call of a worker that stays, as the daemon does."""
        orders.send(self.link, (orders.INTERRUPT, 0, orders.MORE))
        self.kill(signal.SIGINT)

    def hang_up(self) -> None:
        """Nothing more is asked of it: it may leave when it has answered."""
        with contextlib.suppress(OSError):
            self.link.shutdown(socket.SHUT_WR)

    def read_to_end(self) -> tuple[str, str]:
        """(stdout, stderr), complete: hangs up, and reads until every process that holds the pipes is gone."""
        self.hang_up()
        open_fds = {self.stdout_fd, self.stderr_fd}
        give_up_s = time.monotonic() + DEADLINE_S
        while open_fds:
            open_fds -= self._read_output(self._wait(give_up_s, list(open_fds)))
        return self.stdout.decode(), self.stderr.decode()

    def close(self) -> None:
        self.link.close()
        for descriptor in (self.stdout_fd, self.stderr_fd, self.pidfd):
            if descriptor >= 0:
                os.close(descriptor)

    def _wait(self, give_up_s: float, descriptors: list[int]) -> list[int]:
        ready, _, _ = select.select(descriptors, [], [], max(0.0, give_up_s - time.monotonic()))
        if not ready:
            raise TimeoutError(f"worker {self.id} (pid {self.pid}) is silent; stderr: {bytes(self.stderr)!r}")
        return ready

    def _read_output(self, ready: list[int]) -> set[int]:
        """Read what is there; the descriptors that ended."""
        ended = set()
        for descriptor, kept in ((self.stdout_fd, self.stdout), (self.stderr_fd, self.stderr)):
            while descriptor in ready:
                try:
                    data = os.read(descriptor, 1 << 16)
                except BlockingIOError:
                    break
                if not data:
                    ended.add(descriptor)
                    break
                kept += data
        return ended


class Zygote:
    """A zygote process and its control socket. Use as a context manager: nothing survives it."""

    def __init__(
        self,
        interpreter: str,
        preload: Sequence[str] = (),
        *,
        user: int | None = None,
        prefix: Sequence[str] = (),
        terms: Mapping[str, Any] | None = None,
        awaits_warm: bool = True,
        flags: Sequence[str] = ("-I",),
        control_number: int | None = None,
    ) -> None:
        """`control_number`: which descriptor its control socket is, if it matters; nobody has that one yet."""
        self._folder = tempfile.TemporaryDirectory(prefix="pyflowd-test-")
        self.scratch = self._folder.name
        self.workers: dict[int, Worker] = {}
        self.exits: dict[int, dict[str, Any]] = {}
        self._next_id = 1
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        if control_number is not None:
            with theirs as usual:
                theirs = socket.socket(fileno=os.dup2(usual.fileno(), control_number))
        with theirs:
            command = [*prefix, interpreter, *flags, str(WORKER_SIDE), str(theirs.fileno())]
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                env=ENVIRONMENT,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
                user=user,
            )
        orders.send_start(self.control, self.scratch, {**FLOOR, **(terms or {})})
        self.told: list[str] = []
        try:
            self.pid = self._receive_confined()
            orders.send_preload(self.control, preload)
            self.warm = self._receive_warm() if awaits_warm else {}
        except BaseException:
            self.__exit__()
            raise

    def _receive_confined(self) -> int:
        header, [pidfd] = self.receive()
        assert header["kind"] == "confined"
        try:
            return read_pid(pidfd)
        finally:
            os.close(pidfd)

    def _receive_warm(self) -> dict[str, Any]:
        """The frame that says so, or that it is spoilt; the names of modules that it imports come before."""
        while True:
            header, _ = self.receive()
            if header["kind"] != "preloading":
                return header
            self.told.append(header["module"])

    def __enter__(self) -> Zygote:
        return self

    def __exit__(self, *_: object) -> None:
        self.control.close()
        try:
            self.process.wait(DEADLINE_S)
        finally:
            self.process.kill()
            self.process.communicate()
            for worker in self.workers.values():
                worker.close()
            self._folder.cleanup()

    def receive(self, deadline_s: float = DEADLINE_S) -> tuple[dict[str, Any], list[int]]:
        """The next frame of the zygote and the descriptors that came with it."""
        if not select.select([self.control], [], [], deadline_s)[0]:
            raise TimeoutError("the zygote is silent")
        try:
            header, _, descriptors = frames.receive(self.control)
        except frames.ClosedError:
            stderr = self.process.communicate(timeout=DEADLINE_S)[1]
            raise AssertionError(f"the zygote left: {stderr.decode()}") from None
        if header["kind"] == "exited":
            for worker, pid, status, cpu_s, max_rss_kb in header["workers"]:
                self.exits[worker] = {"pid": pid, "status": status, "cpu_s": cpu_s, "max_rss_kb": max_rss_kb}
        return header, descriptors

    def send_fork(self, ids: Sequence[int]) -> list[Worker]:
        """Ask for workers without waiting for the answer: their links can be used at once."""
        workers, theirs = [], []
        for number in ids:
            ours, link = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            stdout, stdout_end = os.pipe()
            stderr, stderr_end = os.pipe()
            os.set_blocking(stdout, False)
            os.set_blocking(stderr, False)
            workers.append(Worker(number, ours, stdout, stderr))
            theirs += [link.detach(), stdout_end, stderr_end]
        self.workers.update((worker.id, worker) for worker in workers)
        orders.send_fork(self.control, list(ids), True, theirs)
        for descriptor in theirs:
            os.close(descriptor)
        return workers

    def fork(self, count: int = 1) -> list[Worker]:
        """New workers, once the zygote has said that they run."""
        workers = self.send_fork(range(self._next_id, self._next_id + count))
        self._next_id += count
        header, pidfds = self.receive()
        while header["kind"] == "exited":
            header, pidfds = self.receive()
        assert header["kind"] == "forked", header
        for (number, pid), pidfd in zip(header["workers"], pidfds, strict=True):
            self.workers[number].pid, self.workers[number].pidfd = pid, pidfd
        return workers

    def wait_exit(self, worker: Worker) -> dict[str, Any]:
        """The exit of `worker`, once it is reported; hangs up, for which one waits that has answered its last call."""
        worker.hang_up()
        while worker.id not in self.exits:
            self.receive()
        return self.exits[worker.id]

    def dismiss_workers(self) -> None:
        """End every worker that still lives and give back what it held here."""
        for worker in self.workers.values():
            if worker.id not in self.exits:
                with contextlib.suppress(ProcessLookupError):
                    worker.kill()
                self.wait_exit(worker)
            worker.close()
        self.workers.clear()
        self.exits.clear()

    def descendants(self, worker: Worker) -> list[int]:
        """The processes below a worker."""
        return [child.pid for child in psutil.Process(worker.pid).children(recursive=True)]

    def wait_descendants(self, worker: Worker, count: int) -> None:
        """Wait until a worker has so many descendants."""
        poll_until(lambda: len(self.descendants(worker)) >= count)

    def wait_quiet(self) -> None:
        """Wait until the zygote has no children: no workers, and no one who cleans up after them."""
        poll_until(lambda: not psutil.Process(self.process.pid).children())

    def inspect(self, source: str) -> tuple[dict[str, Any], bytes]:
        """(interface, compiled node) of a source text, by a worker of its own."""
        (worker,) = self.fork()
        orders.send(worker.link, (orders.INSPECT, 1, orders.WAIT, [("Test node", source)]))
        _, (interfaces, compiled) = worker.receive()
        worker.hang_up()
        return json.loads(interfaces)[0], compiled

    def compile(self, source: str) -> Code:
        """A node ready to be called."""
        interface, compiled = self.inspect(source)
        assert interface["problem"] is None, interface["problem"]
        return Code(source, compiled, [pin["name"] for pin in interface["outputs"]])


@dataclass(frozen=True)
class Code:
    """A node's source, compiled, with the names of its outputs."""

    source: str
    compiled: bytes
    outputs: list[str]


def send_call(
    worker: Worker,
    code: Code,
    inputs: dict[str, bytes] | None = None,
    *,
    title: str = "Test node",
    last: int = orders.WAIT,
    seed: int | None = None,
    bounds: dict[int, int] | None = None,
    cpu_s: int | None = None,
    variables: dict[str, str] | None = None,
    is_loaded: bool = False,
    is_again: bool = False,
) -> None:
    """Send a call; large inputs go as the daemon sends what a worker gave it in a memfd. is_again: only these."""
    worker.calls += 1
    given: list[tuple[str, bytes | int]] = []
    spilled: list[frames.Segment] = []
    for pin, data in (inputs or {}).items():
        if len(data) > frames.INLINE_BYTES:
            spilled.append(frames.spill(data))
        given.append((pin, len(spilled) if len(data) > frames.INLINE_BYTES else data))
    call = (
        worker.calls,
        last,
        title,
        b"" if is_loaded else code.compiled,
        "" if is_loaded else code.source,
        code.outputs,
        seed,
        list((bounds or {}).items()),
        cpu_s,
        list((variables or {}).items()),
        given,
    )
    order = (orders.AGAIN, worker.calls, last, given) if is_again else (orders.CALL, *call)
    orders.send(worker.link, order, [one.descriptor for one in spilled if one.descriptor is not None])
    for one in spilled:
        one.close()


def receive_answer(link: socket.socket) -> tuple[dict[str, Any], list[frames.Segment]]:
    """The next frame of a worker, though it be in brief. ClosedError when the worker is gone."""
    packet, descriptors = frames.receive_packet(link, frames.MAX_PACKET_BYTES)
    if not packet:
        raise frames.ClosedError
    if not packet.startswith(brief.MARK):
        header, segments, _ = frames.take_apart(packet, descriptors)
        return header, segments
    call, (cpu_s, peak_bytes, scratch_bytes), outputs = brief.unpack(packet)
    header = {"kind": "done", "call": call, "types": [kind for kind, _ in outputs]}
    header |= {"cpu_s": cpu_s, "peak_memory_bytes": peak_bytes, "scratch_bytes": scratch_bytes}
    return header, [frames.Segment(text) for _, text in outputs]


def run_node(zygote: Zygote, source: str, inputs: dict[str, bytes] | None = None, **options: Any) -> Answer:
    """Compile, fork, call, and wait for the answer."""
    code = zygote.compile(source)
    (worker,) = zygote.fork()
    send_call(worker, code, inputs, **options)
    answer, values = worker.receive()
    if options.get("last", orders.WAIT):
        worker.hang_up()
    return Answer(worker, answer, values, code.outputs)


@dataclass(frozen=True)
class Answer:
    """What a call came to."""

    worker: Worker
    header: dict[str, Any]
    values: list[bytes]
    names: list[str]

    @property
    def error(self) -> dict[str, Any]:
        assert self.header["kind"] == "failed", self.header
        error: dict[str, Any] = self.header["error"]
        return error

    @property
    def outputs(self) -> dict[str, str]:
        """Output name -> JSON text."""
        assert self.header["kind"] == "done", self.header["error"]
        return dict(zip(self.names, map(bytes.decode, self.values), strict=True))


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] not in "ZX"


def wait_gone(pid: int, deadline_s: float = DEADLINE_S) -> bool:
    """Whether the process ended in time. The kernel tells: no polling."""
    try:
        pidfd = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([pidfd], [], [], deadline_s)[0])
    finally:
        os.close(pidfd)


def poll_until(condition: Callable[[], bool]) -> None:
    """For what the kernel sends no news of: a process that someone else starts, or a grandchild that ends."""
    give_up_s = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < give_up_s, "it did not come true in time"
        time.sleep(0.005)


def _take(segment: frames.Segment) -> bytes:
    try:
        return segment.read()
    finally:
        segment.close()
