"""The table in docs/security.md says what the attacks are expected to do, which `test_attacks` sees to."""

import pytest

from attacks import table
from attacks.catalogue import ATTACKS


def test_the_document_shows_how_every_attack_ends(request: pytest.FixtureRequest) -> None:
    if request.config.getoption("--write-table", default=False):
        pytest.skip("it is about to be written")
    assert table.shown() == table.table(table.expected()), "run make attacks"


def test_every_attack_has_a_title_of_its_own() -> None:
    titles = [attack.title for attack in ATTACKS]
    assert len(set(titles)) == len(titles) >= 60
