"""What the daemon makes of a worker's word about the steps of a program."""

from typing import Any

import pytest

from pyflowd.core.effects import Ref, Step
from pyflowd.core.stimuli import StepDone, StepFailed, StepSkipped
from pyflowd.core.values import Kept, Value
from pyflowd.shell.programs import Program, program_steps
from pyflowd.worker_side.frames import FrameError, Segment
from pyflowd_client.protocol.errors import ErrorCode


def no_hint(_: object) -> None:
    """Nothing was denied."""


def step(node: str = "a", *outputs: str, **inputs: Any) -> Step:
    return Step(node=node, title="A", code=b"code", source="source", outputs=outputs, inputs=tuple(inputs.items()))


def frame(**fields: Any) -> dict[str, Any]:
    figures = {"duration_s": 0.5, "cpu_s": 0.1, "peak_memory_bytes": 1}
    return {"kind": "step", "call": 7, "step": 0, "wrote": False, **figures, **fields}


ERROR = {"code": "exception", "message": "no"}


def test_a_step_is_done_failed_or_skipped() -> None:
    program = Program([step("a", "x", "y"), step("b"), step("c")])
    texts = [Segment(b"[1]"), Segment(b"")]
    header = frame(types=["list", "set"], kept=[None, 200], previews=[None, "{1}"], warnings=["w"], wrote=True)
    call, done, wrote = program.read(header, texts, no_hint)
    assert (call, wrote) == (7, True)
    assert isinstance(done, StepDone)
    (_, x), (_, y) = done.outputs
    assert isinstance(x, Value)
    assert (x.payload.read(), y) == (b"[1]", Kept(type="set", size_bytes=200, preview="{1}"))
    assert (done.node, done.warnings, done.duration_s, done.usage.cpu_s) == ("a", ("w",), 0.5, 0.1)
    _, failed, _ = program.read(frame(step=1, error=ERROR), [], no_hint)
    assert isinstance(failed, StepFailed)
    assert (failed.node, failed.error.code) == ("b", ErrorCode.EXCEPTION)
    _, skipped, _ = program.read({"kind": "step", "call": 7, "step": 2, "skipped": True}, [], no_hint)
    assert skipped == StepSkipped(node="c")


def test_a_value_that_clients_could_not_read_is_kept_and_not_shown() -> None:
    program = Program([step("a", "x")])
    deep = b"[" * 2000 + b"]" * 2000
    _, done, _ = program.read(frame(types=["list"]), [Segment(deep)], no_hint)
    assert isinstance(done, StepDone)
    assert done.outputs == (("x", Kept(type="list", size_bytes=4000)),)


@pytest.mark.parametrize(
    "changes",
    [
        {"call": None},
        {"step": 1},
        {"step": -1},
        {"step": True},
        {"step": "0"},
        {"types": []},
        {"types": ["int", "int"]},
        {"types": [1]},
        {"types": None},
        {"kept": [None, None]},
        {"kept": "x"},
        {"kept": [1]},
        {"kept": [-1]},
        {"kept": ["1"]},
        {"previews": {"a": 1}},
        {"previews": [None, None]},
        {"warnings": 1},
        {"imports": [["a b", 1]]},
        {"cpu_s": "1"},
        {"duration_s": None},
        {"duration_s": float("nan")},
        {"error": ERROR},
        {"error": {"code": "environment", "message": "no"}},
        {"error": None},
        {"skipped": True},
    ],
)
def test_what_is_no_word_about_the_next_step_breaks_the_rules(changes: dict[str, Any]) -> None:
    with pytest.raises(FrameError):
        Program([step("a", "x"), step("b", "x")]).read(frame(**{"types": ["int"], **changes}), [Segment(b"1")], no_hint)


def test_a_step_is_told_of_once_and_none_after_the_last() -> None:
    program = Program([step("a")])
    program.read(frame(types=[]), [], no_hint)
    for number in (0, 1):
        with pytest.raises(FrameError):
            program.read(frame(step=number, types=[]), [], no_hint)


def test_code_is_left_out_where_the_worker_has_it_unless_it_is_to_be_sent_again() -> None:
    loaded = Step(node="a", title="A", code=b"c", source="s", outputs=(), inputs=(), is_loaded=True)
    assert program_steps([loaded], resend=False)[0] == [("a", "A", b"", "", (), [])]
    assert program_steps([loaded], resend=True)[0] == [("a", "A", b"c", "s", (), [])]


def test_inputs_are_texts_places_of_descriptors_or_outputs_of_others() -> None:
    given = step("b", x=b"1", y=Segment(descriptor=5, size=9), z=Ref(node="a", output=1), w=Segment(b"2"))
    [(*_, wires)], values, descriptors = program_steps([given], resend=False)
    assert wires == [("x", b"1"), ("y", 1), ("z", ("a", 1)), ("w", b"2")]
    assert (values, descriptors) == ([("", 1)], [5])
