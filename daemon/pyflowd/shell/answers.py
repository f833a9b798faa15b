"""Frames from workers and zygotes, checked for shape, as stimuli. Whatever does not fit raises FrameError.

Every byte comes from where hostile code runs. Nothing here believes more than types and counts, see `shapes`.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pyflowd.core.ids import CallId, WorkerId
from pyflowd.core.stimuli import (
    CallDone,
    CallFailed,
    CallHalted,
    CallProgressed,
    CodeInspected,
    DebuggerListens,
    Stimulus,
)
from pyflowd.core.usage import Usage
from pyflowd.core.values import Value
from pyflowd.graph.diagnostics import DiagnosticCode
from pyflowd.graph.interface import CodeInterface, CodeProblem, CodeRemark, InputPin, OutputPin
from pyflowd.shell.error_frames import frames_in
from pyflowd.shell.shapes import (
    WHOLE_MOST,
    Header,
    imports_in,
    number_in,
    objects_in,
    optional_text,
    text_in,
    texts_in,
    whole_in,
)
from pyflowd.shell.value_text import is_value
from pyflowd.worker_side import brief
from pyflowd.worker_side.frames import INLINE_BYTES, FrameError, Segment
from pyflowd_client.protocol.errors import ErrorCode, ErrorInfo

UNDER_WAY = frozenset({"progress", "halted", "listening"})  # kinds of frames that answer nothing
Hint = Callable[[Any], str | None]
NODE_ERRORS = frozenset(
    {
        ErrorCode.EXCEPTION,
        ErrorCode.EXITED,
        ErrorCode.NOT_JSON,
        ErrorCode.BAD_OUTPUT,
        ErrorCode.MEMORY_LIMIT,
        ErrorCode.OPEN_FILES_LIMIT,
        ErrorCode.FILE_SIZE_LIMIT,
        ErrorCode.PROCESSES_LIMIT,
        ErrorCode.SCRATCH_LIMIT,
        ErrorCode.SCRATCH_FILES_LIMIT,
        ErrorCode.BAD_INPUT,
        ErrorCode.CANCELLED,
    }
)


def read_brief(worker: WorkerId, outputs: Sequence[str], packet: bytes) -> Stimulus:
    """As `read_answer`, of an answer in brief."""
    call, (cpu_s, peak_bytes, scratch_bytes), texts = brief.unpack(packet)
    if len(texts) != len(outputs):
        raise FrameError("other outputs than the node has")
    if not -WHOLE_MOST < cpu_s < WHOLE_MOST or peak_bytes >= WHOLE_MOST:
        raise FrameError("used what cannot be")
    usage = Usage(cpu_s, peak_bytes, None, None if scratch_bytes < 0 else scratch_bytes)
    values: list[tuple[str, Value]] = []
    for name, (kind, text) in zip(outputs, texts, strict=True):
        if not is_value(text):
            return _no_value(worker, CallId(call), name, usage)
        values.append((name, Value(payload=Segment(text), type=kind)))
    return CallDone(worker=worker, call=CallId(call), outputs=tuple(values), warnings=(), usage=usage, imports=())


def read_answer(
    worker: WorkerId, outputs: Sequence[str], header: Header, segments: list[Segment], hint: Hint
) -> Stimulus:
    """The stimulus that a frame means, of a worker that was asked for `outputs`. hint: of what may have been denied."""
    kind = header.get("kind")
    if kind == "done":
        return _done(worker, outputs, header, segments)
    if kind == "failed":
        return _failed(worker, header, hint)
    read = _READERS.get(kind) if isinstance(kind, str) else None
    if read is None:
        raise FrameError("unknown kind of frame")
    return read(worker, CallId(whole_in(header, "call")), header, segments)


def _done(worker: WorkerId, outputs: Sequence[str], header: Header, segments: list[Segment]) -> Stimulus:
    call = CallId(whole_in(header, "call"))
    types = texts_in(header, "types")
    previews = header.get("previews") or [None] * len(types)  # none came: no value was too large to show
    if not isinstance(previews, list) or not len(outputs) == len(types) == len(previews) == len(segments):
        raise FrameError("other outputs than the node has")
    values: list[tuple[str, Value]] = []
    for name, segment, kind, preview in zip(outputs, segments, types, previews, strict=True):
        if segment.size <= INLINE_BYTES and not is_value(segment.read()):
            for one in segments:
                one.close()
            return _no_value(worker, call, name, read_usage(header), imports_in(header))
        values.append((name, Value(payload=segment, type=kind, preview=optional_text(preview))))
    return CallDone(
        worker=worker,
        call=call,
        outputs=tuple(values),
        warnings=tuple(texts_in(header, "warnings")) if "warnings" in header else (),
        usage=read_usage(header),
        imports=imports_in(header),
    )


def _no_value(
    worker: WorkerId, call: CallId, name: str, usage: Usage, imports: tuple[tuple[str, float], ...] = ()
) -> Stimulus:
    """Our workers send such an output only when it is nested deeper than they can check."""
    message = f"output '{name}' cannot be passed on: it is not one JSON value, or is nested too deeply"
    return CallFailed(
        worker=worker,
        call=call,
        error=ErrorInfo(code=ErrorCode.NOT_JSON, message=message),
        usage=usage,
        imports=imports,
    )


def read_error(header: Header, hint: Hint) -> ErrorInfo:
    """Why a node failed."""
    error = header.get("error")
    if not isinstance(error, dict) or error.get("code") not in NODE_ERRORS:
        raise FrameError("not an error a node may have")
    return ErrorInfo(
        code=ErrorCode(error["code"]),
        message=text_in(error, "message"),
        type=optional_text(error.get("type")),
        traceback=optional_text(error.get("traceback")),
        hint=hint(error["denied"]) if "denied" in error else None,
        frames=frames_in(error),
    )


def _failed(worker: WorkerId, header: Header, hint: Hint) -> Stimulus:
    return CallFailed(
        worker=worker,
        call=CallId(whole_in(header, "call")),
        error=read_error(header, hint),
        usage=read_usage(header),
        imports=imports_in(header),
    )


def read_usage(header: Header) -> Usage:
    """What a node used."""
    scratch_bytes = header.get("scratch_bytes")
    return Usage(
        cpu_s=number_in(header, "cpu_s"),
        peak_memory_bytes=whole_in(header, "peak_memory_bytes"),
        scratch_bytes=scratch_bytes if type(scratch_bytes) is int and scratch_bytes >= 0 else None,
    )


def _progress(worker: WorkerId, call: CallId, header: Header, segments: list[Segment]) -> Stimulus:
    fraction = min(max(number_in(header, "fraction"), 0.0), 1.0)
    return CallProgressed(worker=worker, call=call, fraction=fraction, message=text_in(header, "message"))


def _halted(worker: WorkerId, call: CallId, header: Header, segments: list[Segment]) -> Stimulus:
    return CallHalted(worker=worker, call=call)


def _listening(worker: WorkerId, call: CallId, header: Header, segments: list[Segment]) -> Stimulus:
    return DebuggerListens(worker=worker, call=call)


def _inspected(worker: WorkerId, call: CallId, header: Header, segments: list[Segment]) -> Stimulus:
    texts = [segment.read() for segment in segments]
    try:
        interfaces = json.loads(texts[0])
    except (LookupError, ValueError, RecursionError):
        raise FrameError("interfaces are not JSON") from None
    if not isinstance(interfaces, list) or len(interfaces) != len(segments) - 1:
        raise FrameError("interfaces do not add up")
    stimulus = CodeInspected(
        worker=worker, call=call, interfaces=tuple(_interface(item) for item in interfaces), codes=tuple(texts[1:])
    )
    for segment in segments:
        segment.close()
    return stimulus


_READERS: Mapping[str, Callable[[WorkerId, CallId, Header, list[Segment]], Stimulus]] = {
    "progress": _progress,
    "halted": _halted,
    "listening": _listening,
    "inspected": _inspected,
}


def _interface(item: Any) -> CodeInterface:
    if not isinstance(item, dict):
        raise FrameError("an interface is not an object")
    problem = item.get("problem")
    return CodeInterface(
        inputs=tuple(
            InputPin(name=text_in(pin, "name"), type=text_in(pin, "type"), required=pin.get("required") is True)
            for pin in objects_in(item, "inputs")
        ),
        outputs=tuple(
            OutputPin(name=text_in(pin, "name"), type=text_in(pin, "type")) for pin in objects_in(item, "outputs")
        ),
        problem=_problem(problem) if isinstance(problem, dict) else None,
        remarks=tuple(
            CodeRemark(kind=text_in(remark, "kind"), name=text_in(remark, "name"), line=whole_in(remark, "line"))
            for remark in objects_in(item, "remarks")
        ),
    )


def _problem(item: Header) -> CodeProblem:
    code = text_in(item, "code")
    line = item.get("line")
    known = code in DiagnosticCode.__members__.values()
    return CodeProblem(
        code=code if known else DiagnosticCode.BAD_CODE,
        message=text_in(item, "message"),
        line=line if type(line) is int else None,
    )
