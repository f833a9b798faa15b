"""Programs, which are what a worker carries out that is shared by the nodes of a graph: their orders and answers.

Of an answer nothing is believed but that it is about the next step, and its shape.
"""

from collections.abc import Sequence
from typing import Any, cast

from pyflowd.core.effects import Ref, Step
from pyflowd.core.ids import CallId
from pyflowd.core.stimuli import StepDone, StepFailed, StepOutcome, StepSkipped
from pyflowd.core.values import Kept, Value
from pyflowd.shell.answers import Hint, read_error, read_usage
from pyflowd.shell.shapes import Header, imports_in, number_in, optional_text, texts_in, whole, whole_in
from pyflowd.shell.value_text import is_value
from pyflowd.worker_side.frames import INLINE_BYTES, MAX_DESCRIPTORS, FrameError, Segment

DESCRIPTORS_MOST = MAX_DESCRIPTORS - 1  # the first is the order's own
NONE = [None]
OrderedStep = tuple[str, str, bytes, str, tuple[str, ...], list[tuple[str, Any]]]


def program_steps(steps: Sequence[Step], *, resend: bool) -> tuple[list[OrderedStep], list[tuple[str, int]], list[int]]:
    """The steps of an order, the places of values in memfds, and the descriptors of these.

    resend: send code that the worker should have, too.
    """
    descriptors: list[int] = []
    ordered: list[OrderedStep] = []
    for step in steps:
        wires: list[tuple[str, Any]] = []
        for pin, given in step.inputs:
            if isinstance(given, Ref):
                wires.append((pin, (given.node, given.output)))
                continue
            value = given if isinstance(given, bytes) else cast(Segment, given)
            if isinstance(value, bytes):
                wires.append((pin, value))
            elif value.descriptor is None or len(descriptors) == DESCRIPTORS_MOST:
                wires.append((pin, value.read()))
            else:
                descriptors.append(value.descriptor)
                wires.append((pin, len(descriptors)))
        code, source = (b"", "") if step.is_loaded and not resend else (step.code, step.source)
        ordered.append((step.node, step.title, code, source, step.outputs, wires))
    return ordered, [("", place) for place in range(1, len(descriptors) + 1)], descriptors


class Program:
    """One that was sent, and how far it is told of."""

    def __init__(self, steps: Sequence[Step]) -> None:
        self._steps = steps
        self._told = 0

    def read(self, header: Header, segments: list[Segment], hint: Hint) -> tuple[CallId, StepOutcome, bool]:
        """(the call, what became of the next step, whether it has written something that is not read yet)."""
        call = CallId(whole_in(header, "call"))
        if self._told >= len(self._steps) or whole_in(header, "step") != self._told:
            raise FrameError("not the step that comes next")
        step = self._steps[self._told]
        if header.get("skipped") is True:
            if segments:
                raise FrameError("a step that was skipped has outputs")
            outcome: StepOutcome = StepSkipped(node=step.node)
        elif "error" in header:
            if segments:
                raise FrameError("a step that failed has outputs")
            outcome = StepFailed(
                node=step.node,
                error=read_error(header, hint),
                usage=read_usage(header),
                duration_s=number_in(header, "duration_s"),
                imports=imports_in(header),
            )
        else:
            outcome = _done(step, header, segments)
        self._told += 1
        return call, outcome, header.get("wrote") is True


def _done(step: Step, header: Header, segments: list[Segment]) -> StepDone:
    types = texts_in(header, "types")
    count = len(step.outputs)
    previews, kept = header.get("previews", NONE * count), header.get("kept", NONE * count)
    if type(previews) is not list or type(kept) is not list:
        raise FrameError("`previews` or `kept` is no list")
    if not count == len(types) == len(previews) == len(kept) == len(segments):
        raise FrameError("other outputs than the node has")
    outputs = tuple(
        [
            (name, _output(segment, kind, optional_text(preview), size))
            for name, segment, kind, preview, size in zip(step.outputs, segments, types, previews, kept, strict=True)
        ]
    )
    return StepDone(
        node=step.node,
        outputs=outputs,
        warnings=tuple(texts_in(header, "warnings")) if "warnings" in header else (),
        usage=read_usage(header),
        duration_s=number_in(header, "duration_s"),
        imports=imports_in(header),
    )


def _output(segment: Segment, kind: str, preview: str | None, size: Any) -> Value | Kept:
    if size is not None:
        size_bytes = whole(size, "kept")
        if segment.size:
            raise FrameError("a value that is no JSON has a text")
        return Kept(type=kind, size_bytes=size_bytes, preview=preview)
    if segment.size <= INLINE_BYTES and not is_value(segment.read()):
        size_bytes = segment.size  # nested deeper than clients can read: it is passed on, but not shown
        segment.close()
        return Kept(type=kind, size_bytes=size_bytes, preview=preview)
    return Value(payload=segment, type=kind, preview=preview)
