"""What reaches the user's terminal of what a debugger's writes: text, moves and colours, and nothing that answers."""

import pytest

from pyflowd_client.cli.screen import Screen


@pytest.mark.parametrize(
    "text",
    [
        "plain äöü 日本\r\n\t\b\a",
        "\x1b[31;1mred\x1b[m",
        "\x1b[2K\x1b[10D\x1b[C\x1b[H\x1b[J\x1b[3P\x1b[@",
        "\x1b[?2004h(Pdb) \x1b[?2004l",
    ],
)
def test_what_line_editing_needs_gets_through(text: str) -> None:
    assert Screen().show(text) == text.encode()


@pytest.mark.parametrize(
    "text",
    [
        "\x1b]0;title\x07",
        "\x1b]52;c;aGk=\x1b\\",
        "\x1b]52;c;never ended",
        "\x1bP$q\x1b\\",
        "\x1b_hidden\x1b\\",
        "\x1b^private\x1b\\",
        "\x1bXstring\x1b\\",
        "\x1b[6n",
        "\x1b[c",
        "\x1b[>c",
        "\x1b[21t",
        "\x1b[?1049h",
        "\x1b[?25l",
        "\x1b[5i",
        "\x1b[!p",
        "\x1b#8",
        "\x1bc",
        "\x1b7",
        "\x1bZ",
        "\x05",
        "\x0e",
        "\x9b6n",
        "\x90",
        "\x1b",
    ],
)
def test_what_answers_hides_or_stays_does_not(text: str) -> None:
    assert Screen().show(text) == b""
    whole = Screen()
    pieces = b"".join(whole.show(character) for character in text)
    assert not {0x1B, 0x05, 0x0E} & set(pieces)
    assert not {"\x90", "\x9b"} & set(pieces.decode())


def test_what_comes_in_pieces_is_taken_as_a_whole() -> None:
    screen = Screen()
    assert screen.show("a\x1b[3") == b"a"
    assert screen.show("1mb") == b"\x1b[31mb"


def test_a_sequence_that_never_ends_does_not_hold_back_for_ever() -> None:
    screen = Screen()
    shown = screen.show("\x1b[" + "1;" * 1000)
    assert b"\x1b" not in shown + screen.show("m")


def test_a_character_that_cannot_be_had_is_replaced() -> None:
    assert Screen().show("\ud800") == b"?"
