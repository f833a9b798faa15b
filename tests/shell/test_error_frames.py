"""The frames of an error are opaque texts, of the right shape and not too many."""

from typing import Any

import pytest

from pyflowd.shell.error_frames import FRAMES_MOST, LOCALS_MOST, LONGEST_TEXT, frames_in
from pyflowd.worker_side.frames import FrameError
from pyflowd_client.protocol.errors import ErrorFrame

FRAME: dict[str, Any] = {"title": "A", "line": 3, "function": "f", "source": "1 / 0", "locals": {"x": "1"}}


def test_frames_come_as_they_are() -> None:
    assert frames_in({"frames": [FRAME]}) == (ErrorFrame(**FRAME),)


def test_an_error_without_frames_has_none() -> None:
    assert frames_in({}) is None


def test_long_texts_are_cut() -> None:
    long = "a" * (LONGEST_TEXT + 1)
    [frame] = frames_in({"frames": [{**FRAME, "source": long, "locals": {long: long}}]}) or ()
    assert frame.source == long[:-1]
    assert frame.locals == {long[:-1]: long[:-1]}


@pytest.mark.parametrize(
    "frames",
    [
        None,
        "f",
        [1],
        [FRAME] * (FRAMES_MOST + 1),
        [{**FRAME, "line": -1}],
        [{**FRAME, "line": "3"}],
        [{**FRAME, "title": None}],
        [{**FRAME, "locals": None}],
        [{**FRAME, "locals": {"x": 1}}],
        [{**FRAME, "locals": {str(number): "" for number in range(LOCALS_MOST + 1)}}],
        [{name: FRAME[name] for name in ("title", "line")}],
    ],
)
def test_what_is_no_frame_breaks_the_rules(frames: Any) -> None:
    with pytest.raises(FrameError):
        frames_in({"frames": frames})
