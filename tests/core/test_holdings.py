"""Who holds a payload: it is given back once, when nobody does any more."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyflowd.core.holdings import Holdings
from support.world import Payload

STEPS = st.lists(st.tuples(st.sampled_from(["hold", "let_go", "collect"]), st.integers(0, 3)), max_size=40)


@given(steps=STEPS)
def test_a_payload_is_collected_exactly_when_its_last_holder_is_gone(steps: list[tuple[str, int]]) -> None:
    holdings, payloads, holders = Holdings(), [Payload(b"1") for _ in range(4)], Counter[int]()
    is_fresh = [False] * 4
    for step, number in steps:
        if step == "hold":
            holdings.hold([payloads[number]])
            holders[number] += 1
            is_fresh[number] = False
        elif step == "let_go" and holders[number]:
            holdings.let_go([payloads[number]])
            holders[number] -= 1
            is_fresh[number] = not holders[number]
        elif step == "collect":
            due = {payloads[index] for index in range(4) if is_fresh[index]}
            collected = holdings.collect()
            assert (set(collected), len(collected)) == (due, len(due))
            is_fresh = [False] * 4
    assert len(holdings) == len(+holders)


def test_nobody_lets_go_of_what_he_does_not_hold() -> None:
    with pytest.raises(KeyError):
        Holdings().let_go([Payload(b"1")])
