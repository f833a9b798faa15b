"""What people type, and what they are told when it makes no sense."""

from argparse import ArgumentTypeError
from collections.abc import Callable

import pytest

from pyflowd_client.cli.__main__ import build_parser
from pyflowd_client.cli.arguments import node_input, pin_input, seconds, size_bytes, size_or_all, whole_number


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("1", 1),
        ("4096", 4096),
        ("500M", 500 * 1024**2),
        ("2g", 2 * 1024**3),
        ("1.5GiB", 3 * 1024**3 // 2),
        ("2GB", 2_000_000_000),
        ("64 kB", 64_000),
        ("10b", 10),
    ],
)
def test_sizes_have_units(text: str, size: int) -> None:
    assert size_bytes(text) == size


def test_all_is_no_limit() -> None:
    assert size_or_all("all") is None
    assert size_or_all("1M") == 1024**2


@pytest.mark.parametrize("text", ["", "M", "5X", "-1", "0", "nan", "inf", "1e999", "five", "1.2.3M"])
def test_what_is_no_size_is_told_what_one_looks_like(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match=r"500M|byte or more"):
        size_bytes(text)


@pytest.mark.parametrize("text", ["0", "-1", "nan", "inf", "soon", ""])
def test_times_are_finite_and_above_nothing(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="seconds"):
        seconds(text)


@pytest.mark.parametrize("text", ["1.5", "x", str(2**63)])
def test_a_seed_is_an_integer_that_the_protocol_carries(text: str) -> None:
    with pytest.raises(ArgumentTypeError):
        whole_number(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('Load.path="a.csv"', ("Load.path", "a.csv")),
        ("v1.2 Loader.n=[1, 2]", ("v1.2 Loader.n", [1, 2])),
        ('a.b="x=y"', ("a.b", "x=y")),
        ("a.b=123456789012345678901234567890", ("a.b", 123456789012345678901234567890)),
    ],
)
def test_an_input_is_a_pin_and_a_value(text: str, value: tuple[str, object]) -> None:
    assert node_input(text) == value


@pytest.mark.parametrize("text", ["Load", "Load.path", "path=1", ".path=1", "Load.=1"])
def test_an_input_without_its_parts_is_shown_its_form(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match=r"NODE\.PIN=JSON"):
        node_input(text)


@pytest.mark.parametrize("text", ["parts=4", "Split.parts=4", "v1.2 Split.parts=4"])
def test_an_input_of_a_single_node_may_leave_its_name_out(text: str) -> None:
    assert pin_input(text) == (text.partition("=")[0], 4)


@pytest.mark.parametrize("text", ["", "parts", "=4", ".parts=4", "Split.=4"])
def test_such_an_input_without_its_parts_is_shown_its_form(text: str) -> None:
    with pytest.raises(ArgumentTypeError, match="PIN=JSON"):
        pin_input(text)


def test_a_bare_text_is_answered_with_the_line_that_would_have_worked() -> None:
    with pytest.raises(ArgumentTypeError) as caught:
        node_input('Load.path=a "b".csv')
    assert str(caught.value).endswith(r"""--input 'Load.path="a \"b\".csv"'""")


def usage_error(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as caught:
        build_parser().parse_args(arguments)
    assert caught.value.code == 2
    return capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "COMMAND"),
        (["run"], "GRAPH"),
        (["dance"], "invalid choice: 'dance'"),
        (["run", "g.md", "--input", "a.b=1", "--input", "a.b=2"], "--input a.b is given twice"),
        (["run", "g.md", "--json", "--quiet"], "not allowed with"),
        (["run", "g.md", "--target"], "expected one argument"),
        (["node", "g.md"], "NODE"),
        (["node", "g.md", "N", "--input", "a=1", "--input", "a=2"], "--input a is given twice"),
        (["convert", "g.md", "--to", "xml"], "invalid choice: 'xml'"),
    ],
)
def test_a_line_that_makes_no_sense_is_a_usage_error(
    capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert words in usage_error(capsys, *arguments)


def test_the_socket_may_be_named_before_or_after_the_command() -> None:
    parse: Callable[[list[str]], object] = build_parser().parse_args
    assert parse(["--socket", "a", "status"]).socket == parse(["status", "--socket", "a"]).socket == "a"  # type: ignore[attr-defined]


@pytest.mark.parametrize("command", ["run", "node", "check", "convert"])
def test_help_begins_with_examples(capsys: pytest.CaptureFixture[str], command: str) -> None:
    with pytest.raises(SystemExit):
        build_parser().parse_args([command, "--help"])
    shown = capsys.readouterr().out
    assert -1 < shown.index(f"  pyflowctl {command} ") < shown.index("options:")
