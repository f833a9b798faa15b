"""One real daemon per test module. Whatever a test does to it, it must come out of it unharmed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from pyflowd_client.blocking import Client
from support.daemons import RunningDaemon, assert_unharmed, running_daemon
from support.workplaces import Workplace, workplace


@pytest.fixture(scope="module")
def daemon() -> Iterator[RunningDaemon]:
    with running_daemon() as running:
        yield running


@pytest.fixture(scope="module")
def place() -> Iterator[Workplace]:
    """Where the daemons of this module have their environments, with an index of packages."""
    with workplace() as made:
        yield made


@pytest.fixture
def unharmed(daemon: RunningDaemon) -> Iterator[RunningDaemon]:
    """The daemon of this module; after the test it must run a graph, with no process but its spares."""
    yield daemon
    assert_unharmed(daemon)


@pytest.fixture
def client(unharmed: RunningDaemon) -> Iterator[Client]:
    """A session with it."""
    with unharmed.client() as session:
        yield session


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """One that nodes may see, who may be another user."""
    for path in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        path.chmod(0o755)
    return tmp_path
