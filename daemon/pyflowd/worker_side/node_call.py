"""One call of a node: its order in, its answer out.

Only the node's own part - decoding, module body, entry, encoding, its threads and exit functions - can be interrupted
by SIGINT, and it is one part: were the signal blocked for a moment while threads run, the kernel would hand it to one
of them, and the main thread would not wake. Around it the signal is blocked, so that a cancel never tears our own
bookkeeping. Whatever the node raises becomes a `failed` answer. Refuses to answer from a process that the node forked.

A fresh process copies each memory page that it writes to, and counts references to all that it touches: a function
called, a name looked up in a module, costs it more by its pages than by its instructions. So what every call needs is
done in few functions, and their names are bound once, above.
"""

from __future__ import annotations

import atexit
import os
import sys
from _signal import SIG_BLOCK, SIG_UNBLOCK, SIGINT, pthread_sigmask  # type: ignore[import-not-found]
from os import getpid
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from time import process_time

from . import failures, linux
from .answers import send_done, send_failed
from .failures import CallError
from .learning import ONLOOKER
from .limits import limit_cpu, lower
from .node_module import load, recall, take_positional
from .orders import read_value
from .progress import Progress
from .scratch import OWN_FILES
from .values import LARGE_BYTES, decode_input, encode_output, preview

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, List, Optional, Sequence

    from .answers import Output
    from .failures import Failure
    from .learning import Imports
    from .orders import Order

    NodesPart = Callable[[Order, List[Output], List[str]], Optional[Failure]]
    Evaluate = Callable[[Order, List[Output], List[str]], None]

INTERRUPT = {SIGINT}
# A signal that comes just before a wait for a lock does not end it: Python sees to it only when the wait returns.
JOIN_S = 0.2
_modules = sys.modules
PROGRESS = _progress = Progress()
_report = _progress.report
_flush_stdio = linux.fflush
_used_bytes = OWN_FILES.used_bytes
_waited_for_s = [0.0]
_run_exit_functions = atexit._run_exitfuncs


def interruptible(
    order: Order,
    outputs: list[Output],
    warnings: list[str],
    how: int = SIG_UNBLOCK,
    evaluate: Optional[Evaluate] = None,
) -> Failure | None:
    """As `run`; an interrupt comes out, unless `how` blocks it."""
    try:
        pthread_sigmask(how, INTERRUPT)
        return run(order, outputs, warnings, evaluate)
    finally:
        pthread_sigmask(SIG_BLOCK, INTERRUPT)


def perform(order: Order, nodes_part: NodesPart = interruptible) -> None:
    """Run the node and answer, exactly once. nodes_part: what lets an interrupt through while it calls `run`."""
    call = order[1]
    began_s = process_time()
    outputs: list[Output] = []
    warnings: list[str] = []
    _progress.call, _progress.pid = call, getpid()
    try:
        failure = nodes_part(order, outputs, warnings)
    except BaseException as error:
        failure = failures.describe(error)
    flush_output()
    if _progress.waiting is not None:
        _progress.flush()
    _progress.call = None
    cpu_s = process_time() - began_s + children_s()
    imports = learn() if ONLOOKER.seen or failure is not None else []
    usage = cpu_s, getrusage(RUSAGE_SELF)[2] * 1024, _used_bytes()
    if failure is None:
        try:
            send_done(call, usage, outputs, warnings, imports)
        except (OSError, MemoryError, BufferError) as error:
            message = "the outputs cannot be handed over: %s" % (error or type(error).__name__)
            failure = failures.describe(CallError("bad_output", message))
    if failure is not None:
        send_failed(call, usage, failure, imports)


def run(
    order: Order, outputs: list[Output], warnings: list[str], evaluate: Optional[Evaluate] = None
) -> Failure | None:
    """Everything of the node's own, to the end of its threads. An interrupt, or what they raise, comes out.

    evaluate: what runs it, if not `evaluate_node`.
    """
    failure: Failure | None = None
    try:
        (evaluate or evaluate_node)(order, outputs, warnings)
    except BaseException as error:
        if getpid() != _progress.pid:
            leave_forked_process(error)
        if failures.is_interrupt(error):
            raise  # whoever cancels does not wait for threads
        failure = failures.describe(error)
    if getpid() != _progress.pid:
        leave_forked_process(None)
    if order[2]:
        finish_process()
    return failure


def evaluate_node(order: Order, outputs: list[Output], warnings: list[str]) -> None:
    """Load a node and call it; fills `outputs` and `warnings`, raises whatever it raises."""
    _, _, last, title, compiled, source, names, seed, bounds, cpu_s, variables, given = order
    if cpu_s is not None:
        limit_cpu(cpu_s, last)
    for which, most in bounds:
        lower(which, most)
    if seed is not None:
        plant(seed)
    if variables:
        os.environ.update(variables)
    inputs = {}
    for pin, value in given:
        inputs[pin] = decode_input(pin, read_value(value) if type(value) is int else value)
    entry, positional_names, _ = load(title, compiled, source, _report) if compiled else recall(title)
    if ONLOOKER.seen:
        ONLOOKER.pause()
    if positional_names:
        result = entry(*take_positional(entry, positional_names, inputs), **inputs)
    else:
        result = entry(**inputs)
    results = [result] if len(names) == 1 else spread(result, len(names), warnings)
    for name, value in zip(names, results):
        text = encode_output(name, value)
        outputs.append((text, type(value).__name__, preview(value) if len(text) > LARGE_BYTES else None))


def spread(result: Any, declared: int, warnings: list[str]) -> Sequence[Any]:
    """The result as one value for each of several outputs; none for none."""
    if not declared:
        return []
    if not isinstance(result, (list, tuple)):
        kind = type(result).__name__
        raise CallError("bad_output", "%d outputs are declared, but the node returned a %s" % (declared, kind))
    if len(result) < declared:
        message = "%d outputs are declared, but the node returned %d values" % (declared, len(result))
        raise CallError("bad_output", message)
    if len(result) > declared:
        warnings.append("the node returned %d values for %d outputs: the rest is ignored" % (len(result), declared))
    return result


def finish_process() -> None:
    """What an interpreter does before it ends: wait for threads, run exit functions. KeyboardInterrupt gets through."""
    threading = _modules.get("threading")
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
        _run_exit_functions()
    except (Exception, SystemExit):  # printed already; too late to change how the call ended
        return


def flush_output() -> None:
    """Hand everything written so far to the pipes."""
    stdout, stderr = sys.stdout, sys.stderr
    are_ours = stdout is sys.__stdout__ and stderr is sys.__stderr__
    streams: tuple[Any, ...] = (stdout, stderr) if are_ours else (stdout, stderr, sys.__stdout__, sys.__stderr__)
    for stream in streams:
        try:
            stream.flush()
        except Exception:  # noqa: PERF203 - the node may have closed or replaced it
            continue
    _flush_stdio(None)


def plant(seed: int) -> None:
    """Let random numbers begin as the seed says."""
    import random

    random.seed(seed)
    if "numpy" in _modules:
        _modules["numpy"].random.seed(seed % 2**32)
    if "torch" in _modules:
        _modules["torch"].manual_seed(seed)


def learn() -> Imports:
    """What the node has imported, if there is still memory to say it in."""
    try:
        return ONLOOKER.take()
    except Exception:
        return []


def children_s() -> float:
    """CPU seconds of those children of this process that it has waited for since the last call."""
    children = getrusage(RUSAGE_CHILDREN)
    before_s, _waited_for_s[0] = _waited_for_s[0], children[0] + children[1]
    return _waited_for_s[0] - before_s


def forget_children() -> None:
    """A fork server has waited for some, which are no worker's: what each of them has waited for begins at nothing."""
    _waited_for_s[0] = 0.0


def leave_forked_process(error: BaseException | None) -> None:
    """End a process that the node forked and let run out of its entry function, as Python would."""
    status = 0 if error is None else 1
    if isinstance(error, SystemExit) and (error.code is None or isinstance(error.code, int)):
        status = (error.code or 0) & 0xFF
    elif error is not None:
        failures.print_exception(error)
    flush_output()
    os._exit(status)
