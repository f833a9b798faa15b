"""Which versions of Python a text means."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyflowd.environments.python_versions import parse_wish, unsuitable


@pytest.mark.parametrize(
    ("text", "fits", "does_not_fit"),
    [
        ("", ["3.8.0", "3.14.2"], ["3.7.16", "2.7.18"]),
        ("3", ["3.8.0", "3.14.2"], ["3.7.16"]),
        ("3.11", ["3.11.0", "3.11.7"], ["3.1.1", "3.12.0", "3.110.0"]),
        ("3.11.7", ["3.11.7"], ["3.11.8"]),
        ("cpython3.12", ["3.12.1"], ["3.11.7"]),
        ("CPython 3.12", ["3.12.1"], ["3.11.7"]),
        ("python>=3.12", ["3.12.1"], ["3.11.7"]),
        (">=3.10,<3.13", ["3.10.0", "3.12.9"], ["3.9.18", "3.13.0"]),
        ("~=3.10", ["3.10.0", "3.14.0"], ["3.9.18"]),
        ("==3.11.*", ["3.11.7"], ["3.12.0"]),
        (">=3.6", ["3.8.0"], ["3.7.16"]),
        ("3.14", ["3.14.0rc1"], ["3.13.0"]),
    ],
)
def test_a_wish_is_met_by(text: str, fits: list[str], does_not_fit: list[str]) -> None:
    wish = parse_wish(text)
    assert [version for version in fits + does_not_fit if wish.fits(version)] == fits


def test_a_free_threaded_build_is_wished_for_by_a_letter() -> None:
    assert parse_wish("3.13t").free_threaded
    assert not parse_wish("3.13").free_threaded


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("three", "'three' is not CPython"),
        ("pypy3.10", "'pypy3.10' is not CPython"),
        ("3.7", "nodes need CPython 3.8 or newer, and '3.7' is not"),
        ("2", "nodes need CPython 3.8 or newer, and '2' is not"),
        ("312", "nodes need CPython 3.8 or newer, and '312' is not"),
        ("^3.11", "'^3.11' is no range of versions of Python"),
        (">=3.11 3.12", "is no range of versions of Python"),
        ("3.11.7.2", "'3.11.7.2' is no range of versions of Python"),
        ("/usr/bin/python3", "'/usr/bin/python3' is no range of versions of Python"),
        (">=3.11\n-r x", "is no "),
    ],
)
def test_what_means_nothing_is_refused_with_what_would(text: str, said: str) -> None:
    with pytest.raises(ValueError) as refused:
        parse_wish(text)
    assert said in str(refused.value)
    assert str(refused.value).endswith("write a version (3.12), a range (>=3.10,<3.13), or nothing")


@given(st.text(max_size=20))
def test_any_text_is_understood_or_refused(text: str) -> None:
    with contextlib.suppress(ValueError):
        assert not parse_wish(text).fits("3.7.16")


@pytest.mark.parametrize(
    ("implementation", "version", "said"),
    [
        ("CPython", "3.8.0", None),
        ("CPython", "3.14", None),
        ("CPython", "3.7.16", "nodes need CPython 3.8 or newer, this is CPython 3.7.16"),
        ("PyPy", "3.10", "nodes need CPython 3.8 or newer, this is PyPy 3.10"),
        ("PyPy", "", "nodes need CPython 3.8 or newer, this is PyPy"),
    ],
)
def test_nodes_cannot_run_in(implementation: str, version: str, said: str | None) -> None:
    assert unsuitable(implementation, version) == said
