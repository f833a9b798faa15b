"""Answers in brief: what is packed comes out again, and nothing else is believed."""

from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyflowd.core.ids import WorkerId
from pyflowd.core.stimuli import CallDone, CallFailed
from pyflowd.core.usage import Usage
from pyflowd.shell.answers import read_brief
from pyflowd.worker_side import brief, frames
from pyflowd_client.protocol.errors import ErrorCode

USAGE = (0.25, 4096, -1)
WHOLE = st.integers(0, 2**64 - 1)
OUTPUTS = st.lists(st.tuples(st.binary(max_size=200), st.text(max_size=50), st.none()), max_size=5)


def packed(*outputs: tuple[bytes, str, None], usage: tuple[float, int, int] = USAGE, call: int = 7) -> bytes:
    packet = brief.pack(call, usage, outputs)
    assert packet is not None
    return packet


@given(call=WHOLE, cpu_s=st.floats(allow_nan=False), peak=WHOLE, outputs=OUTPUTS)
def test_what_is_packed_comes_out_again(
    call: int, cpu_s: float, peak: int, outputs: list[tuple[bytes, str, None]]
) -> None:
    packet = packed(*outputs, usage=(cpu_s, peak, -1), call=call)
    assert brief.unpack(packet) == (call, (cpu_s, peak, -1), [(kind, text) for text, kind, _ in outputs])


@given(outputs=OUTPUTS, cut=st.integers(0, 10_000), rest=st.binary(min_size=1, max_size=20))
def test_what_is_cut_short_or_goes_on_is_refused(outputs: list[tuple[bytes, str, None]], cut: int, rest: bytes) -> None:
    packet = packed(*outputs)
    for wrong in (packet[: cut % len(packet)], packet + rest):
        with pytest.raises(frames.FrameError):
            brief.unpack(wrong)


@given(packet=st.binary(max_size=300))
def test_noise_is_refused_or_read_and_does_no_harm(packet: bytes) -> None:
    try:
        read_brief(WorkerId(1), ("a",), brief.MARK + packet)
    except frames.FrameError:
        return


def test_what_is_too_long_is_left_to_other_frames() -> None:
    text = b'"' + b"x" * (frames.INLINE_BYTES - 20) + b'"'
    assert len(packed((text, "str", None))) < frames.MAX_PACKET_BYTES
    assert brief.pack(7, USAGE, [(text, "str", None), (text, "str", None)]) is None
    assert brief.pack(7, USAGE, [(b"1", "x" * 70_000, None)]) is None
    assert brief.pack(7, USAGE, [(b"1", "int", None)] * 20_000) is None


def test_a_name_that_is_no_unicode_is_told_all_the_same() -> None:
    assert brief.unpack(packed((b"1", "x\ud800", None)))[2] == [("x\\ud800", b"1")]


def test_the_daemon_takes_values_with_the_names_of_the_outputs_that_it_asked_for() -> None:
    done = read_brief(WorkerId(1), ("a", "b"), packed((b"1", "int", None), (b'"x"', "str", None)))
    assert isinstance(done, CallDone)
    told = [(name, value.type, value.payload.read(), value.preview) for name, value in done.outputs]
    assert told == [("a", "int", b"1", None), ("b", "str", b'"x"', None)]
    assert (done.call, done.usage) == (7, Usage(cpu_s=0.25, peak_memory_bytes=4096))
    counted = read_brief(WorkerId(1), (), packed(usage=(0.0, 0, 3)))
    assert cast(CallDone, counted).usage.scratch_bytes == 3


@pytest.mark.parametrize("text", [b"", b"1,2", b"[1", b"1\n", "ü".encode(), b"\xff", b"1}"])
def test_what_is_no_value_fails_the_call(text: bytes) -> None:
    failed = read_brief(WorkerId(1), ("a",), packed((text, "int", None)))
    assert isinstance(failed, CallFailed)
    assert failed.error.code is ErrorCode.NOT_JSON


@pytest.mark.parametrize(
    ("names", "usage"),
    [
        (("a", "b"), USAGE),
        ((), USAGE),
        (("a",), (float("nan"), 1, -1)),
        (("a",), (float("inf"), 1, -1)),
        (("a",), (1e300, 1, -1)),
        (("a",), (0.0, 2**60, -1)),
    ],
)
def test_what_cannot_be_breaks_the_rules(names: tuple[str, ...], usage: tuple[float, int, int]) -> None:
    with pytest.raises(frames.FrameError):
        read_brief(WorkerId(1), names, packed((b"1", "int", None), usage=usage))
