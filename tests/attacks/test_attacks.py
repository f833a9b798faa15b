"""Hostile nodes, in every tier that this machine has. What counts is the victims, not what the attacker was told."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from attacks.attack import EXPOSED, HELD, NOT_APPLICABLE, TIERS, Attack
from attacks.catalogue import ATTACKS
from attacks.ground import Ground, Unconfined, ground, unconfined

CASES = [
    pytest.param(tier, attack, id=f"{tier}: {attack.title}")
    for tier in reversed(TIERS)
    for attack in ATTACKS
    if attack.expected(tier) != NOT_APPLICABLE
]
CONTROLS = [pytest.param(attack, id=attack.title) for attack in ATTACKS if attack.control]


@pytest.fixture(autouse=True)
def no_leaks() -> None:
    """Victims are replaced within tests: that none is left is seen when a ground is left."""


@pytest.fixture(scope="module")
def grounds() -> Iterator[Callable[[str], Ground]]:
    """The ground of a tier: one at a time."""
    with ExitStack() as stack:
        made: list[Ground] = []

        def of(tier: str) -> Ground:
            if not made or made[-1].tier != tier or made[-1].is_spoilt:
                stack.close()
                made.append(stack.enter_context(ground(tier)))
            return made[-1]

        yield of


@pytest.fixture(scope="module")
def open_field() -> Iterator[Unconfined]:
    with unconfined() as made:
        yield made


@pytest.mark.parametrize(("tier", "attack"), CASES)
def test_an_attack_ends_as_the_table_says(
    grounds: Callable[[str], Ground], tier: str, attack: Attack, record_property: Callable[[str, object], None]
) -> None:
    outcome = grounds(tier).try_out(attack)
    record_property("attack", [attack.title, tier, EXPOSED if outcome.has_harmed else HELD])
    is_exposed = attack.expected(tier) == EXPOSED
    assert outcome.has_harmed is is_exposed, outcome


@pytest.mark.parametrize("attack", CONTROLS)
def test_the_same_code_harms_where_nothing_confines_it(open_field: Unconfined, attack: Attack) -> None:
    """Else the test above would say nothing."""
    assert open_field.try_out(attack).has_harmed
