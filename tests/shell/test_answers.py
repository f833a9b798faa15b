"""What the daemon makes of a worker's answer."""

import json

import pytest

from pyflowd.core.ids import WorkerId
from pyflowd.core.stimuli import CodeInspected
from pyflowd.shell.answers import read_answer
from pyflowd.worker_side import frames


def no_hint(_: object) -> None:
    """Nothing was denied."""


PIN = {"name": "a", "type": "any", "required": True}
INTERFACE = {"inputs": [PIN], "outputs": [], "problem": None, "remarks": []}


def inspected(interfaces: bytes, *codes: frames.Segment) -> CodeInspected:
    header = {"kind": "inspected", "call": 7}
    stimulus = read_answer(WorkerId(1), (), header, [frames.Segment(interfaces), *codes], no_hint)
    assert isinstance(stimulus, CodeInspected)
    return stimulus


def test_the_descriptors_of_large_code_are_given_back() -> None:
    codes = [frames.spill(b"x" * 100_000), frames.Segment(b"y")]
    stimulus = inspected(json.dumps([INTERFACE, INTERFACE]).encode(), *codes)
    assert [len(code) for code in stimulus.codes] == [100_000, 1]
    assert [pin.name for pin in stimulus.interfaces[0].inputs] == ["a"]
    assert all(segment.descriptor is None for segment in codes)


@pytest.mark.parametrize(
    "interfaces",
    [b"", b"{}", b"[1]", b"[]", b'["a"', b"[" * 100_000, json.dumps([INTERFACE] * 2).encode(), b'[{"inputs": 1}]'],
)
def test_interfaces_that_are_none_break_the_rules(interfaces: bytes) -> None:
    with pytest.raises(frames.FrameError):
        inspected(interfaces, frames.Segment(b"y"))
