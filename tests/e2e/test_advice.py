"""Advice on code, from a worker of the environment to whoever asks."""

import subprocess
import sys
from pathlib import Path

import pytest

from pyflowd_client.blocking import Client
from pyflowd_client.protocol.events import Diagnostic, NodeFinished
from pyflowd_client.protocol.states import NodeState
from support.daemons import RunningDaemon, graph, node, pyflowctl

NOSY = node("import socket\ntry:\n    return input()\nexcept EOFError:\n    return 'nobody'", returns="str")
WANTING = "import madeup\n" + node("return madeup.VALUE")


@pytest.fixture
def nosy(tmp_path: Path) -> str:
    path = tmp_path / "nosy.json"
    path.write_text(graph(NOSY))
    return str(path)


def test_check_tells_all_and_the_graph_can_run(unharmed: RunningDaemon, nosy: str) -> None:
    ended = pyflowctl(unharmed.socket, "check", nosy)
    assert ended.returncode == 0
    assert "warning: Node 0: " in ended.stderr
    assert "[reads_input]" in ended.stderr
    assert "info: Node 0: " in ended.stderr
    assert "the network (socket in line 3)" in ended.stderr


@pytest.mark.parametrize(("options", "is_told"), [([], False), (["--verbose"], True), (["--quiet"], False)])
def test_run_warns_and_informs_who_wants_to_know(
    unharmed: RunningDaemon, nosy: str, options: list[str], is_told: bool
) -> None:
    ended = pyflowctl(unharmed.socket, "run", nosy, *options)
    assert ended.stdout == 'Node 0.output_1 = "nobody"\n'
    assert ("[touches]" in ended.stderr) is is_told
    assert ("[reads_input]" in ended.stderr) is (options != ["--quiet"])


def test_a_package_that_was_missing_is_not_missed_once_it_is_there(client: Client, tmp_path: Path) -> None:
    venv = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(venv)], check=True)
    [packages] = venv.glob("lib/python3*/site-packages")
    seen = []
    for _ in range(2):
        events = list(client.run_document(graph(WANTING), python=venv))
        codes = [event.code for event in events if isinstance(event, Diagnostic)]
        [finished] = [event for event in events if isinstance(event, NodeFinished)]
        seen.append((codes, finished.state))
        (packages / "madeup.py").write_text("VALUE = 1\n")
    assert seen == [(["missing_import"], NodeState.FAILED), ([], NodeState.DONE)]
