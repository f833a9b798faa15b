"""What of a worker's bytes may stand in an event as a value."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyflowd.shell.value_text import is_value
from pyflowd.worker_side.values import encode_output

LONG = 100_000

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text()
values = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=20)


@given(values)
def test_what_a_worker_makes_of_a_value_is_one(value: object) -> None:
    assert is_value(encode_output("x", value))


@pytest.mark.parametrize("filler", ["", "1" * LONG], ids=["short", "long"])
@pytest.mark.parametrize(
    "text",
    ["", "1],[1", '1},"state":"failed"', '1,"other":2', "[1", "]", "[1,\n2]", "1\r", '"é"', '"\x01"', "nan", "'1'"],
)
def test_what_is_not_one_value_on_one_line_is_none(text: str, filler: str) -> None:
    assert not is_value(f"[{filler}],{text}".encode())
    assert not is_value(f"{text},[{filler}]".encode())
    assert not is_value(text.encode())


@pytest.mark.parametrize(
    "text", ["NaN", "[Infinity,-Infinity]", r'"\ud800"', "1" * 5000, '{"a":[]}', f"[{'1' * LONG}]"]
)
def test_pythons_dialect_is_json_enough(text: str) -> None:
    assert is_value(text.encode())


@pytest.mark.parametrize("dialect", ["1", "NaN"])
def test_what_is_nested_deeper_than_a_client_reads_in_an_event_is_none(dialect: str) -> None:
    for depth, fits in ((700, True), (2000, False)):
        text = "[" * depth + dialect + "]" * depth
        assert is_value(text.encode()) is fits
    json.loads('{"events":[{"outputs":{"a":' + "[" * 700 + dialect + "]" * 700 + "}}]}")
