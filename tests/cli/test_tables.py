"""Columns of text."""

from pyflowd_client.cli.tables import cut, packed, table

HEADINGS = ("NAME", "SIZE", "PATH")
ROWS = [("a", "1 B", "/x"), ("long", "100 B", "/usr/bin/python")]


def test_columns_are_as_wide_as_their_widest_and_figures_stand_to_the_right() -> None:
    assert table(HEADINGS, ROWS, None) == [
        "NAME   SIZE  PATH",
        "a       1 B  /x",
        "long  100 B  /usr/bin/python",
    ]
    assert table(HEADINGS, ROWS, 28) == table(HEADINGS, ROWS, None)


def test_a_last_column_that_does_not_fit_moves_below_or_is_cut() -> None:
    assert table(HEADINGS, ROWS, 27) == ["NAME   SIZE", "a       1 B", "  /x", "long  100 B", "  /usr/bin/python"]
    assert table(HEADINGS, ROWS, 27, cuts=True) == [
        "NAME   SIZE  PATH",
        "a       1 B  /x",
        "long  100 B  /usr/bin/py...",
    ]


def test_nothing_but_headings_is_a_table() -> None:
    assert table(HEADINGS, [], 80) == ["NAME  SIZE  PATH"]


def test_a_text_is_cut_with_a_note_and_a_terminal_of_no_width_does_no_harm() -> None:
    assert cut("abcdef", 6) == "abcdef"
    assert cut("abcdefg", 6) == "abc..."
    assert cut("abcdefg", 0) == "..."


def test_texts_are_packed_downwards_into_as_many_columns_as_fit() -> None:
    assert packed(["a 1", "b 2", "c 3", "d 4", "e 5"], 8) == ["a 1  d 4", "b 2  e 5", "c 3"]
    assert packed(["a 1", "b 2"], 2) == ["a 1", "b 2"]
    assert packed(["a", "b"], None) == ["a", "b"]
    assert packed([], 80) == []
