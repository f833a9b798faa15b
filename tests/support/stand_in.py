"""A program in the interpreter's place, for tests of who starts daemons."""

import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from support import client_peer

PEER = f'PYTHONPATH={client_peer.FOLDER} exec {" ".join(client_peer.COMMAND)} "$@"'


@pytest.fixture
def program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The program that is started in the interpreter's place; `write` what it shall do."""
    path = tmp_path / "python"
    before = set(psutil.Process().children())
    monkeypatch.setattr(sys, "executable", str(path))
    yield path
    psutil.wait_procs(set(psutil.Process().children()) - before, timeout=10)


def write(program: Path, script: str) -> None:
    """Let the program be a shell script; PEER is one that serves as a daemon."""
    program.write_text(f"#!/bin/bash\n{script}\n")
    program.chmod(0o755)
