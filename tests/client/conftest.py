"""A short path for sockets: pytest's own can be longer than the 107 bytes that a socket may have."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def socket_path() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="pfc") as folder:
        yield Path(folder, "d.sock")
