"""What a call writes, as its followers get it."""

from pyflowd.core.call_output import TAIL_BYTES, CallOutput


def test_lines_are_told_whole_and_the_rest_at_the_end() -> None:
    output = CallOutput(1000)
    assert output.feed("stdout", b"one\ntw") == "one\n"
    assert output.feed("stdout", b"o\nthree") == "two\n"
    assert output.finish() == [("stdout", "three")]


def test_a_character_cut_in_two_is_put_together() -> None:
    output = CallOutput(1000)
    data = "grün\n".encode()
    assert output.feed("stdout", data[:3]) + output.feed("stdout", data[3:]) == "grün\n"


def test_a_prompt_without_a_line_end_is_told_when_asked_for() -> None:
    output = CallOutput(1000)
    assert output.feed("stderr", b"password: ") == ""
    assert output.flush() == [("stderr", "password: ")]
    assert output.finish() == []


def test_a_progress_bar_that_returns_to_its_start_is_told() -> None:
    assert CallOutput(1000).feed("stdout", b"10 %\r20 %\r") == "10 %\r20 %\r"


def test_beyond_the_limit_only_the_tail_is_kept_and_the_rest_counted() -> None:
    output = CallOutput(10)
    assert output.feed("stdout", b"head\n") == "head\n"
    assert output.feed("stdout", b"x" * 5) == ""
    for _ in range(100):
        assert output.feed("stdout", b"y" * 10_000) == ""
    output.feed("stdout", b"end\n")
    [(stream, text)] = output.finish()
    skipped = 100 * 10_000 + 4 - TAIL_BYTES
    assert stream == "stdout"
    assert text.startswith(f"xxxxx\n[{skipped} bytes left out]\nyyy")
    assert text.endswith("yend\n")
