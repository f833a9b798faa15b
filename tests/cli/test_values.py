"""Values, sizes and times as people read them."""

import pytest

from pyflowd_client.cli.values import (
    LONGEST_VALUE,
    counted,
    one_line,
    several_lines,
    shown_age,
    shown_size,
    shown_time,
    shown_value,
)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"a": [1, None, True]}, '{"a": [1, null, true]}'),
        ("\u00fc\n", '"\u00fc\\n"'),
        (float("nan"), "NaN"),
        (10**30, "1" + "0" * 30),
        (
            {"$value": {"type": "DataFrame", "size_bytes": 12_345_678, "preview": "3 x 4"}},
            "(DataFrame, 12.3 MB: 3 x 4)",
        ),
        ({"$value": {"type": "str", "size_bytes": 2_000_000}}, "(str, 2 MB; --max-value all gives it)"),
        ({"$value": 1}, '{"$value": 1}'),
    ],
)
def test_a_value_is_shown_as_json_on_one_line(value: object, shown: str) -> None:
    assert shown_value(value) == shown


def test_an_integer_that_python_does_not_write_is_told_about() -> None:
    assert shown_value([10**5000]) == "(an integer too long to show; --json gives it)"


def test_a_long_value_is_cut_with_a_note() -> None:
    shown = shown_value("x" * 10_000)
    assert len(shown) < LONGEST_VALUE + 100
    assert shown.endswith("(10,002 characters; --json gives them all)")


@pytest.mark.parametrize(
    ("size", "shown"), [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (12_800_000, "12.8 MB"), (5 * 10**15, "5000 TB")]
)
def test_sizes_have_three_digits(size: int, shown: str) -> None:
    assert shown_size(size) == shown


@pytest.mark.parametrize(
    ("time_s", "shown"), [(0.0064, "0.0064 s"), (3.21, "3.2 s"), (60, "1 min"), (125, "2 min 5 s"), (93_784, "1 d 2 h")]
)
def test_times_have_their_two_largest_units(time_s: float, shown: str) -> None:
    assert shown_time(time_s) == shown


def test_counts_know_their_plural() -> None:
    assert [counted(n, "node") for n in (0, 1, 2000)] == ["0 nodes", "1 node", "2,000 nodes"]


def test_a_title_cannot_move_the_cursor() -> None:
    assert one_line("a\x1b[2J\nb\u00fc") == "a?[2J?b\u00fc"


def test_a_text_of_others_keeps_its_lines() -> None:
    assert several_lines("a\x1b[2J\n  b\r\n") == "a?[2J\n  b?\n"


@pytest.mark.parametrize(
    ("age_s", "shown"),
    [
        (-5, "just now"),
        (59, "just now"),
        (60, "1 minute ago"),
        (3 * 3600 + 1, "3 hours ago"),
        (86400, "1 day ago"),
        (40 * 86400, "1 month ago"),
        (800 * 86400, "2 years ago"),
    ],
)
def test_ages_have_their_largest_unit(age_s: float, shown: str) -> None:
    assert shown_age(age_s) == shown
