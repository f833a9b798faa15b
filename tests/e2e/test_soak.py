"""What `make soak` does, for a second; and that it would see what it looks for."""

from dataclasses import replace

import pytest

from soak import Rest, Soak, growth
from support.daemons import running_daemon

REST = Rest(processes=3, descriptors=20, threads=3, memory_bytes=100_000_000)


@pytest.mark.slow
def test_a_daemon_comes_to_rest_after_its_users_were_busy() -> None:
    with running_daemon() as daemon:
        soak = Soak(daemon, seed=1)
        rest = soak.cycle(seconds=1.0)
        assert soak.failures == []
        assert soak.counts["settled"]
        assert soak.counts["runs"]
        assert rest.processes > 1


@pytest.mark.parametrize(
    "more",
    [{"processes": 4}, {"descriptors": 21}, {"threads": 4}, {"memory_bytes": 106_000_000}],
    ids=lambda more: next(iter(more)),
)
def test_what_grows_is_found(more: dict[str, int]) -> None:
    assert len(growth([REST, REST, replace(REST, **more)])) == 1


def test_what_becomes_less_or_hardly_more_is_no_growth() -> None:
    assert growth([REST, replace(REST, processes=2, memory_bytes=104_000_000)]) == []
    assert growth([]) == []
