"""One call of a node: its frame in, its answer out.

Only the node's own part - decoding, module body, entry, encoding, its threads and exit functions - can be interrupted
by SIGINT, and it is one part: were the signal blocked for a moment while threads run, the kernel would hand it to one
of them, and the main thread would not wake. Around it the signal is blocked, so that a cancel never tears our own
bookkeeping. Whatever the node raises becomes a `failed` answer. Refuses to answer from a process that the node forked.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import resource
import sys
import time
from _signal import SIG_BLOCK, SIG_UNBLOCK, SIGINT, pthread_sigmask  # type: ignore[import-not-found]

from . import failures, frames, limits, linux, values
from .failures import CallError
from .node_module import NodeModule
from .progress import Progress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from socket import socket
    from typing import Any, Callable, List, Sequence

    from .failures import Failure
    from .frames import Header, Segment

    Outputs = List[Any]

INTERRUPT = {SIGINT}
# A signal that comes just before a wait for a lock does not end it: Python sees to it only when the wait returns.
JOIN_S = 0.2


class NodeCall:
    """One call frame and what becomes of it."""

    def __init__(self, link: socket, header: Header, segments: Sequence[Segment]) -> None:
        self._link = link
        self._header = header
        self._segments = segments
        self._pid = os.getpid()
        self._progress = Progress(link, header["call"])
        self._warnings: list[str] = []
        self._module: NodeModule | None = None

    def perform(self) -> None:
        """Run the node and answer, exactly once."""
        started_s = _cpu_s()
        outputs: Outputs = []
        try:
            outputs, failure = _interruptibly(self._run)
        except BaseException as error:
            failure = failures.describe(error)
        flush_output()
        self._answer(outputs, failure, started_s)
        if self._module is not None and not self._header["last"]:
            self._module.forget()

    def _run(self) -> tuple[Outputs, Failure | None]:
        """Everything of the node's own, to the end of its threads. An interrupt, or what they raise, comes out."""
        outputs: Outputs = []
        failure: Failure | None = None
        try:
            outputs = self._evaluate()
        except BaseException as error:
            if os.getpid() != self._pid:
                _leave_forked_process(error)
            if isinstance(error, KeyboardInterrupt):
                raise  # whoever cancels does not wait for threads
            failure = failures.describe(error)
        if os.getpid() != self._pid:
            _leave_forked_process(None)
        if self._header["last"]:
            finish_process()
        return outputs, failure

    def _evaluate(self) -> Outputs:
        """[(name, type name, preview, segment)] of the node's outputs."""
        header = self._header
        self._limit()
        _seed(header["seed"])
        compiled, source = (segment.read() for segment in self._segments[:2])
        texts = zip(header["inputs"], self._segments[2:])
        inputs = {pin: values.decode_input(pin, segment.read()) for pin, segment in texts}
        self._module = NodeModule(header["title"], source)
        result = self._module.run(compiled, inputs, self._progress)
        pairs = zip(header["outputs"], self._spread(result))
        return [_encoded(name, value) for name, value in pairs]

    def _limit(self) -> None:
        header = self._header
        if header["cpu_s"] is not None:
            limits.limit_cpu(header["cpu_s"], header["last"])
        if header["memory_bytes"] is not None:
            limits.limit_memory(header["memory_bytes"])

    def _spread(self, result: Any) -> Sequence[Any]:
        """The result as one value per declared output."""
        declared = len(self._header["outputs"])
        if declared < 2:
            return [result] * declared
        if not isinstance(result, (list, tuple)):
            kind = type(result).__name__
            raise CallError("bad_output", "%d outputs are declared, but the node returned a %s" % (declared, kind))
        if len(result) < declared:
            message = "%d outputs are declared, but the node returned %d values" % (declared, len(result))
            raise CallError("bad_output", message)
        if len(result) > declared:
            message = "the node returned %d values for %d outputs: the rest is ignored" % (len(result), declared)
            self._warnings.append(message)
        return result

    def _answer(self, outputs: Outputs, failure: Failure | None, started_s: float) -> None:
        header: Header = {"call": self._header["call"]}
        header["cpu_s"] = round(_cpu_s() - started_s, 6)
        header["peak_memory_bytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        self._progress.end()
        if failure is None:
            try:
                self._send_done(dict(header), outputs)
                return
            except (OSError, MemoryError, BufferError) as error:
                message = "the outputs cannot be handed over: %s" % (error or type(error).__name__)
                failure = failures.describe(CallError("bad_output", message))
        frames.send(self._link, dict(header, kind="failed", error=failure))

    def _send_done(self, header: Header, outputs: Outputs) -> None:
        header["kind"] = "done"
        header["outputs"] = [name for name, _, _, _ in outputs]
        header["types"] = [kind for _, kind, _, _ in outputs]
        header["previews"] = [preview for _, _, preview, _ in outputs]
        header["imports"] = []
        header["warnings"] = self._warnings
        frames.send(self._link, header, [segment for _, _, _, segment in outputs])


def finish_process() -> None:
    """What an interpreter does before it ends: wait for threads, run exit functions. KeyboardInterrupt gets through."""
    threading = sys.modules.get("threading")
    if threading is not None:
        for function in reversed(getattr(threading, "_threading_atexits", ())):  # thread pools wake their idle threads
            function()
        while True:
            others = [thread for thread in threading.enumerate() if thread is not threading.current_thread()]
            waited_for = [thread for thread in others if not thread.daemon]
            if not waited_for:
                break
            waited_for[0].join(JOIN_S)
    with contextlib.suppress(Exception, SystemExit):  # printed already; too late to change how the call ended
        atexit._run_exitfuncs()


def flush_output() -> None:
    """Hand everything written so far to the pipes."""
    _flush(sys.stdout)
    _flush(sys.stderr)
    if sys.stdout is not sys.__stdout__ or sys.stderr is not sys.__stderr__:
        _flush(sys.__stdout__)
        _flush(sys.__stderr__)
    linux.flush_stdio()


def _flush(stream: Any) -> None:
    try:
        stream.flush()
    except Exception:  # the node may have closed or replaced it
        return


def _interruptibly(function: Callable[[], Any]) -> Any:
    try:
        pthread_sigmask(SIG_UNBLOCK, INTERRUPT)
        return function()
    finally:
        pthread_sigmask(SIG_BLOCK, INTERRUPT)


def _encoded(name: str, value: Any) -> tuple[str, str, str | None, Segment]:
    text = values.encode_output(name, value)
    preview = values.preview(value) if len(text) > values.LARGE_BYTES else None
    return name, type(value).__name__, preview, frames.Segment(text)


def _seed(seed: int | None) -> None:
    if seed is None:
        return
    import random

    random.seed(seed)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(seed % 2**32)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)


def _cpu_s() -> float:
    """CPU time of this process and of those children that it waited for."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def _leave_forked_process(error: BaseException | None) -> None:
    """End a process that the node forked and let run out of its entry function, as Python would."""
    status = 0 if error is None else 1
    if isinstance(error, SystemExit) and (error.code is None or isinstance(error.code, int)):
        status = (error.code or 0) & 0xFF
    elif error is not None:
        failures.print_exception(error)
    flush_output()
    os._exit(status)
