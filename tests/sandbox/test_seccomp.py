"""The stored filters are those that the rules mean."""

import pytest

from pyflowd.sandbox.seccomp import ARCHITECTURES, FILTERS, compile_filter


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_stored_filter_is_what_its_rules_compile_to(architecture: str) -> None:
    stored = (FILTERS / f"{architecture}.bpf").read_bytes()
    assert stored == compile_filter(architecture), "run python -m pyflowd.sandbox.seccomp"
    assert len(stored) % 8 == 0
