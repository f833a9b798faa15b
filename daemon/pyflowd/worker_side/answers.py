"""What a worker answers: one frame for each order. The daemon reads them with suspicion, in its `shell/answers.py`."""

from __future__ import annotations

import json
from os import write

from . import brief, frames, link
from .json_text import quote

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, List, Optional, Sequence, Tuple

    from .failures import Failure
    from .frames import Header

    Output = Tuple[bytes, str, Optional[str]]  # JSON text, name of the type, preview of what is too large to show
    Interfaces = List[Any]
    # An output of a step: its JSON text, name of the type, preview of what is not shown, size of what is no JSON
    Shown = Tuple[Optional[bytes], str, Optional[str], int]
    # Number of a step, "true" if it wrote something, wall seconds, what `Usage` has, imports
    Step = Tuple[int, str, float, float, int, int, Sequence[Any]]
    Usage = Tuple[float, int, int]  # CPU seconds, peak memory in bytes, bytes in the scratch folder (-1: not known)

_LINK = link.LINK
_STEP = (
    '{"kind":"step","call":%d,"step":%d,"wrote":%s,"duration_s":%.6f,"cpu_s":%.6f,"peak_memory_bytes":%d,'
    '"scratch_bytes":%d,"types":[%s],"segments":[%s]}'
)
_FEW_BYTES = frames.INLINE_BYTES


def send_done(
    call: int, usage: Usage, outputs: Sequence[Output], warnings: Sequence[str], imports: Sequence[Any] = ()
) -> None:
    """The node returned."""
    packet = None if warnings or imports else brief.pack(call, usage, outputs)
    if packet is None:
        _send_much(call, usage, outputs, warnings, imports)
    else:
        write(_LINK, packet)


def send_failed(call: int, usage: Usage, failure: Failure, imports: Sequence[Any] = ()) -> None:
    """The node did not return, or not what it should."""
    link.send(dict(_described(usage), kind="failed", call=call, error=failure, **_learnt(imports)))


def send_step_done(call: int, step: Step, outputs: Sequence[Shown], warnings: Sequence[str]) -> None:
    """A step of a program was done. Of an output that is no JSON the segment is empty; `kept` says how large it is."""
    if not (warnings or step[-1]):
        left, types, sizes, texts = _FEW_BYTES, [], [], []
        for text, kind, preview, _ in outputs:
            if text is None or preview is not None:
                break
            types.append(quote(kind))
            sizes.append("%d" % len(text))
            texts.append(text)
            left -= len(text)
        else:
            if left >= 0:
                header = _STEP % (call, *step[:-1], ",".join(types), ",".join(sizes))
                write(_LINK, frames.join(header.encode(), texts))
                return
    header_of_many = dict(
        _step(call, step),
        types=[kind for _, kind, _, _ in outputs],
        previews=[preview for _, _, preview, _ in outputs],
        kept=[None if text is not None else size for text, _, _, size in outputs],
        warnings=list(warnings),
    )
    link.send(header_of_many, [frames.Segment(text or b"") for text, _, _, _ in outputs])


def send_step_failed(call: int, step: Step, failure: Failure) -> None:
    """A step was not done, or gave not what it should."""
    link.send(dict(_step(call, step), error=failure))


def send_step_skipped(call: int, number: int) -> None:
    """A step had no input that it needs."""
    link.send({"kind": "step", "call": call, "step": number, "skipped": True})


def _step(call: int, step: Step) -> Header:
    number, wrote, duration_s, *usage, imports = step
    header = {"kind": "step", "call": call, "step": number, "wrote": wrote == "true", "duration_s": duration_s}
    return dict(header, **_described(tuple(usage)), **_learnt(imports))  # type: ignore[arg-type]


def send_inspected(call: int, interfaces: Interfaces, compiled: Sequence[bytes]) -> None:
    """What sources take and give, as JSON in the first segment, for it may be long; and their code."""
    segments = [frames.Segment(json.dumps(interfaces).encode()), *map(frames.Segment, compiled)]
    link.send({"kind": "inspected", "call": call}, segments)


def _described(usage: Usage) -> Header:
    return dict(zip(("cpu_s", "peak_memory_bytes", "scratch_bytes"), usage))


def _learnt(imports: Sequence[Any]) -> Header:
    return {"imports": list(imports)} if imports else {}


def _send_much(
    call: int, usage: Usage, outputs: Sequence[Output], warnings: Sequence[str], imports: Sequence[Any]
) -> None:
    header = {
        "kind": "done",
        "call": call,
        **_described(usage),
        "types": [kind for _, kind, _ in outputs],
        "previews": [preview for _, _, preview in outputs],
        "warnings": list(warnings),
        **_learnt(imports),
    }
    link.send(header, [frames.Segment(text) for text, _, _ in outputs])
