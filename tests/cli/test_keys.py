"""Keys, as a terminal sends them."""

import pytest

from pyflowd_client.cli.keys import KeyReader


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        (b"tq", ["t", "q"]),
        (b"\x1b[A\x1bOB12\r", ["up", "down", "1", "2", "enter"]),
        (b"\x1b[5~\x1b[6~\n\x7f", ["page up", "page down", "enter", "back"]),
        (b"\x1b[200~t", ["t"]),
        (b"\x1bt\xc3\xa9 ~", ["t"]),
        (b"\x1b\x1b[A", ["up"]),
        (b"", []),
    ],
)
def test_keys_have_names_and_the_rest_is_left_out(data: bytes, keys: list[str]) -> None:
    assert list(KeyReader().keys(data)) == keys


def test_a_key_may_come_in_pieces() -> None:
    reader = KeyReader()
    assert [list(reader.keys(piece)) for piece in (b"\x1b[", b"5", b"~t", b"\x1bO", b"A")] == [
        [],
        [],
        ["page up", "t"],
        [],
        ["up"],
    ]
