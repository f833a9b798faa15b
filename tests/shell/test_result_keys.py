"""Whatever a result depends on changes its key, and is named as what has changed."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyflowd.core.kept_results import ResultKey, ResultQuestion
from pyflowd.core.result_reasons import missing
from pyflowd.shell import result_keys
from pyflowd.shell.result_keys import key_of
from pyflowd.worker_side.frames import Segment, spill

QUESTION = ResultQuestion(
    place="g.md\0n",
    source="def f(): ...",
    outputs=("a", "b"),
    python="/usr/bin/python3",
    permissions="",
    variables=(("TOKEN", "1"),),
    seed=None,
    paths=("/data",),
    identities=("1:2",),
    explains=False,
)
WHOLE: dict[str, Any] = {
    "inputs": (("x", b"1"), ("y", b"[2]")),
    "fingerprint": "f",
    "variables": {"LANG": "C"},
    "stamp": "s",
}


def key(question: ResultQuestion = QUESTION, **changed: Any) -> ResultKey:
    arguments = WHOLE | changed
    return key_of(question, arguments["inputs"], arguments["fingerprint"], arguments["variables"], arguments["stamp"])


@pytest.mark.parametrize(
    ("changed", "part"),
    [
        ({"source": "def f(): pass"}, "code"),
        ({"source": "def f(): ... "}, "code"),
        ({"outputs": ("a", "c")}, "code"),
        ({"python": "/usr/bin/python4"}, "environment"),
        ({"permissions": "{}"}, "permissions"),
        ({"variables": (("TOKEN", "2"),)}, "permissions"),
        ({"variables": (("TOKEN1", ""),)}, "permissions"),
        ({"variables": ()}, "permissions"),
        ({"seed": 0}, "seed"),
        ({"paths": ("/data", "/out")}, "files"),
        ({"identities": ("1:3",)}, "files"),
    ],
)
def test_everything_asked_is_in_the_key(changed: dict[str, Any], part: str) -> None:
    other = key(replace(QUESTION, **changed))
    assert other.digest != key().digest
    assert [name for name, digest in other.parts if dict(key().parts)[name] != digest] == [part]


@pytest.mark.parametrize(
    ("changed", "part"),
    [
        ({"fingerprint": "g"}, "environment"),
        ({"variables": {"LANG": "C", "TZ": "UTC"}}, "environment"),
        ({"stamp": "t"}, "files"),
        ({"inputs": (("x", b"1"), ("y", b"[3]"))}, 'input "y"'),
        ({"inputs": (("x", b"1"),)}, 'input "y"'),
        ({"inputs": (("x", b"1"), ("y", b"[2]"), ("z", b"1"))}, 'input "z"'),
    ],
)
def test_everything_found_is_in_the_key(changed: dict[str, Any], part: str) -> None:
    other = key(**changed)
    assert other.digest != key().digest
    assert missing(other.parts, key().parts).endswith(f": {part}")


def test_a_change_of_pyflowd_or_of_the_systems_libraries_is_one_of_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any
) -> None:
    before = key()
    monkeypatch.setattr(result_keys, "__version__", "999")
    assert missing(key().parts, before.parts).endswith(": environment")
    before = key()
    (tmp_path / "ld.so.cache").touch()
    monkeypatch.setattr(result_keys, "SYSTEM", (str(tmp_path / "ld.so.cache"),))
    assert missing(key().parts, before.parts).endswith(": environment")


def test_who_asks_why_and_what_a_node_is_called_change_nothing() -> None:
    assert key(replace(QUESTION, place="h.md\0m", explains=True)) == key()
    assert key(inputs=tuple(reversed(WHOLE["inputs"]))).digest == key().digest


def test_a_value_is_the_same_wherever_it_lies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(result_keys, "PIECE_BYTES", 7)
    text = b'"' + b"x" * 1000 + b'"'
    large = spill(text)
    try:
        digests = {key(inputs=(("x", value),)).digest for value in (text, Segment(data=text), large)}
    finally:
        large.close()
    assert len(digests) == 1


names = st.text(max_size=4)
pins = st.dictionaries(names, st.binary(max_size=4), max_size=3)


@given(one=pins, other=pins)
def test_different_inputs_have_different_keys(one: dict[str, bytes], other: dict[str, bytes]) -> None:
    digests = [key(inputs=tuple(inputs.items())).digest for inputs in (one, other)]
    assert (digests[0] == digests[1]) == (one == other)


pairs = st.lists(st.tuples(names, names), max_size=2).map(tuple)
questions = st.builds(
    replace,
    st.just(QUESTION),
    source=names,
    outputs=st.lists(names, max_size=2).map(tuple),
    python=names,
    permissions=names,
    variables=pairs,
    seed=st.none() | st.integers(),
    paths=st.lists(names, max_size=2).map(tuple),
    identities=st.lists(names, max_size=2).map(tuple),
)


@given(one=questions, other=questions)
def test_different_questions_have_different_keys(one: ResultQuestion, other: ResultQuestion) -> None:
    """No two can be mistaken for each other, however their texts are cut."""
    assert (key(one).digest == key(other).digest) == (one == other)
