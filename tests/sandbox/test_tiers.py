"""Which tier attacks leave standing."""

import pytest

from pyflowd.core.profiles import Profile
from pyflowd.sandbox.tiers import NEEDED, OF_FILES, OF_NETWORK, Tier, in_the_way, tier_of
from pyflowd.worker_side.probes import ATTACKS

PLAIN = Profile(python="/usr/bin/python3")
EVERYTHING = Profile(python="/usr/bin/python3", everything=True)
ONLINE = Profile(python="/usr/bin/python3", net=True)


def test_every_attack_that_a_tier_withstands_is_tried_and_every_one_tried_counts() -> None:
    assert sorted(ATTACKS.values()) == sorted(attack for attacks in NEEDED.values() for attack in attacks)


@pytest.mark.parametrize(("tier", "attacks"), NEEDED.items(), ids=NEEDED.keys())
def test_one_attack_that_succeeds_is_enough_to_be_one_tier_lower(tier: str, attacks: tuple[str, ...]) -> None:
    for attack in attacks:
        assert tier_of([attack], PLAIN) == Tier[tier] - 1
        assert in_the_way([attack], PLAIN, Tier[tier]) == [attack]


def test_nothing_that_succeeds_is_the_highest_tier() -> None:
    assert tier_of([], PLAIN) is Tier.T3


def test_what_is_permitted_is_no_attack() -> None:
    assert tier_of(OF_NETWORK, ONLINE) is Tier.T3
    assert tier_of(OF_NETWORK | OF_FILES, EVERYTHING) is Tier.T3
    assert tier_of(OF_FILES, ONLINE) is Tier.T0
    assert tier_of(["signals another node"], EVERYTHING) is Tier.T0
