"""The stored filters are those that the rules mean."""

import pytest

from pyflowd.sandbox.seccomp import ARCHITECTURES, RULES, compile_filter, path_of


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("name", RULES)
def test_a_stored_filter_is_what_its_rules_compile_to(name: str, architecture: str) -> None:
    stored = path_of(name, architecture).read_bytes()
    assert stored == compile_filter(name, architecture), "run python -m pyflowd.sandbox.seccomp"
    assert len(stored) % 8 == 0
