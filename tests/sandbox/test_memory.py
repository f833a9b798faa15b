"""What was proven is remembered as long as it means something."""

import json
from pathlib import Path

import pytest

from pyflowd.core.ids import EnvironmentId
from pyflowd.sandbox.memory import PROFILES_MOST, TierMemory
from pyflowd.sandbox.tiers import Tier

HERE = EnvironmentId("/usr/bin/python3")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tiers"


def test_what_was_proven_outlives_the_daemon(path: Path) -> None:
    TierMemory(path).put(HERE, Tier.T2, ("T3: no",))
    assert TierMemory(path).get(HERE) == (Tier.T2, ("T3: no",))


def test_what_does_not_hold_any_more_is_forgotten(path: Path) -> None:
    memory = TierMemory(path)
    memory.put(HERE, Tier.T3, ())
    memory.forget(HERE)
    assert TierMemory(path).get(HERE) is None


@pytest.mark.parametrize("place", range(4), ids=["version", "boot", "user", "bubblewrap"])
def test_under_other_circumstances_nothing_is_proven(path: Path, place: int) -> None:
    TierMemory(path).put(HERE, Tier.T3, ())
    found = json.loads(path.read_text())
    found["of"][place] = "another"
    path.write_text(json.dumps(found))
    assert TierMemory(path).get(HERE) is None


@pytest.mark.parametrize("text", ["", "{", "[]", '{"of": 1}', "\xff"])
def test_what_cannot_be_read_counts_for_nothing(path: Path, text: str) -> None:
    path.write_text(text, encoding="latin-1")
    memory = TierMemory(path)
    assert memory.get(HERE) is None
    memory.put(HERE, Tier.T1, ())
    assert TierMemory(path).get(HERE) == (Tier.T1, ())


def test_where_nothing_can_be_written_the_daemon_remembers_by_itself(tmp_path: Path) -> None:
    memory = TierMemory(tmp_path / "nowhere" / "tiers")
    memory.put(HERE, Tier.T1, ())
    assert memory.get(HERE) == (Tier.T1, ())


def test_of_very_many_profiles_the_first_are_forgotten(path: Path) -> None:
    memory = TierMemory(path)
    for number in range(PROFILES_MOST + 1):
        memory.put(EnvironmentId(str(number)), Tier.T1, ())
    assert memory.get(EnvironmentId("0")) is None
    assert memory.get(EnvironmentId("1")) is not None
