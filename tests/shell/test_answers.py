"""What the daemon makes of a worker's answer."""

import json

import pytest

from pyflowd.core.ids import WorkerId
from pyflowd.core.stimuli import CallDone, CallFailed, CodeInspected
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


def done(**fields: object) -> CallDone:
    header = {"kind": "done", "call": 7, "types": [], "cpu_s": 0.1, "peak_memory_bytes": 1, **fields}
    stimulus = read_answer(WorkerId(1), (), header, [], no_hint)
    assert isinstance(stimulus, CallDone)
    return stimulus


def failed(**fields: object) -> CallFailed:
    error = {"code": "exception", "message": "no"}
    header = {"kind": "failed", "call": 7, "error": error, "cpu_s": 0.1, "peak_memory_bytes": 1, **fields}
    stimulus = read_answer(WorkerId(1), (), header, [], no_hint)
    assert isinstance(stimulus, CallFailed)
    return stimulus


def test_what_a_node_imported_comes_with_its_answer() -> None:
    told = [["numpy", 0.05], ["naïve.part", 0]]
    assert done(imports=told).imports == failed(imports=told).imports == (("numpy", 0.05), ("naïve.part", 0.0))
    assert done().imports == failed().imports == ()


@pytest.mark.parametrize(
    "imports",
    [
        None,
        "numpy",
        {"numpy": 1},
        [["numpy"]],
        ["numpy"],
        [["numpy", 1, 2]],
        [["numpy", "1"]],
        [["numpy", True]],
        [["numpy", -1]],
        [["numpy", float("nan")]],
        [["numpy", float("inf")]],
        [["numpy", 10**400]],
        [[1, 1]],
        [["", 1]],
        [["a..b", 1]],
        [["a b", 1]],
        [["a/b", 1]],
        [["-c", 1]],
        [["\ud800", 1]],
        [["x" * 201, 1]],
        [["numpy", 1]] * 201,
    ],
)
def test_imports_that_are_none_break_the_rules(imports: object) -> None:
    with pytest.raises(frames.FrameError):
        done(imports=imports)
    with pytest.raises(frames.FrameError):
        failed(imports=imports)


@pytest.mark.parametrize("figure", [10**400, 2**64, "1", None, float("inf"), float("nan")])
@pytest.mark.parametrize("name", ["cpu_s", "peak_memory_bytes"])
def test_figures_that_nobody_can_use_break_the_rules(name: str, figure: object) -> None:
    with pytest.raises(frames.FrameError):
        done(**{name: figure})
