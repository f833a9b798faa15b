"""One call of a node: its frame in, its answer out.

Only the node's own part - decoding, module body, entry, encoding, its threads and exit functions - can be interrupted
by SIGINT, and it is one part: were the signal blocked for a moment while threads run, the kernel would hand it to one
of them, and the main thread would not wake. Around it the signal is blocked, so that a cancel never tears our own
bookkeeping. Whatever the node raises becomes a `failed` answer. Refuses to answer from a process that the node forked.
"""

from __future__ import annotations

import atexit
import os
import resource
import sys
from _signal import SIG_BLOCK, SIG_UNBLOCK, SIGINT, pthread_sigmask  # type: ignore[import-not-found]

from . import failures, frames, limits, linux, values
from .failures import CallError
from .node_module import NodeModule
from .progress import Progress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from _socket import socket
    from typing import Any, List, Sequence

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
        cpu_before_s, _ = _usage()
        outputs: Outputs = []
        try:
            try:
                pthread_sigmask(SIG_UNBLOCK, INTERRUPT)
                outputs, failure = self._run()
            finally:
                pthread_sigmask(SIG_BLOCK, INTERRUPT)
        except BaseException as error:
            failure = failures.describe(error)
        flush_output()
        self._answer(outputs, failure, cpu_before_s)
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
            if failures.is_interrupt(error):
                raise  # whoever cancels does not wait for threads
            failure = failures.describe(error)
        if os.getpid() != self._pid:
            _leave_forked_process(None)
        if self._header["last"]:
            finish_process()
        return outputs, failure

    def _evaluate(self) -> Outputs:
        """[(name, type name, preview, segment)] of the node's outputs."""
        header, segments = self._header, self._segments
        if header["cpu_s"] is not None:
            limits.limit_cpu(header["cpu_s"], header["last"])
        if header["memory_bytes"] is not None:
            limits.limit_memory(header["memory_bytes"])
        if header["seed"] is not None:
            _seed(header["seed"])
        inputs = {}
        for pin, segment in zip(header["inputs"], segments[2:]):
            inputs[pin] = values.decode_input(pin, segment.read())
        self._module = NodeModule(header["title"], segments[1].read())
        result = self._module.run(segments[0].read(), inputs, self._progress)
        names = header["outputs"]
        results = [result] if len(names) == 1 else self._spread(result, names)
        return [_encoded(name, value) for name, value in zip(names, results)]

    def _spread(self, result: Any, names: list[str]) -> Sequence[Any]:
        """The result as one value for each of several outputs; none for none."""
        declared = len(names)
        if not declared:
            return []
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

    def _answer(self, outputs: Outputs, failure: Failure | None, cpu_before_s: float) -> None:
        cpu_s, peak_memory_bytes = _usage()
        self._progress.end()
        header: Header = {
            "kind": "done",
            "call": self._header["call"],
            "cpu_s": round(cpu_s - cpu_before_s, 6),
            "peak_memory_bytes": peak_memory_bytes,
        }
        if failure is None:
            try:
                self._send_done(dict(header), outputs)
                return
            except (OSError, MemoryError, BufferError) as error:
                message = "the outputs cannot be handed over: %s" % (error or type(error).__name__)
                failure = failures.describe(CallError("bad_output", message))
        frames.send(self._link, dict(header, kind="failed", error=failure))

    def _send_done(self, header: Header, outputs: Outputs) -> None:
        names, types, previews, segments = zip(*outputs) if outputs else ((), (), (), ())
        header["outputs"] = names
        header["types"] = types
        header["previews"] = previews
        header["imports"] = []
        header["warnings"] = self._warnings
        frames.send(self._link, header, segments)


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
    try:
        atexit._run_exitfuncs()
    except (Exception, SystemExit):  # printed already; too late to change how the call ended
        return


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


def _encoded(name: str, value: Any) -> tuple[str, str, str | None, Segment]:
    text = values.encode_output(name, value)
    preview = values.preview(value) if len(text) > values.LARGE_BYTES else None
    return name, type(value).__name__, preview, frames.Segment(text)


def _seed(seed: int) -> None:
    import random

    random.seed(seed)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(seed % 2**32)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)


def _usage() -> tuple[float, int]:
    """CPU seconds of this process and of those children that it waited for; the most memory it had, in bytes."""
    own, children = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
    return cpu_s, own.ru_maxrss * 1024


def _leave_forked_process(error: BaseException | None) -> None:
    """End a process that the node forked and let run out of its entry function, as Python would."""
    status = 0 if error is None else 1
    if isinstance(error, SystemExit) and (error.code is None or isinstance(error.code, int)):
        status = (error.code or 0) & 0xFF
    elif error is not None:
        failures.print_exception(error)
    flush_output()
    os._exit(status)
