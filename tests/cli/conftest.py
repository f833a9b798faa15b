"""A peer that speaks the real protocol, and the real program as a process."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.client_commands import COMMAND, Pyflowctl
from support.client_peer import FakeDaemon


@pytest.fixture
def daemon(socket_path: Path) -> Iterator[FakeDaemon]:
    with FakeDaemon(socket_path) as running:
        yield running


@pytest.fixture
def environment(socket_path: Path) -> dict[str, str]:
    return {**os.environ, "PYFLOWD_SOCKET": str(socket_path), "PYTHONWARNINGS": "error"}


@pytest.fixture
def pyflowctl(environment: dict[str, str]) -> Pyflowctl:
    """Runs a command to its end; `text` is its standard input."""

    def run(*arguments: str, text: str = "") -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*COMMAND, *arguments], input=text, capture_output=True, text=True, timeout=30, env=environment, check=False
        )

    return run
