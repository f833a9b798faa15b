"""Environments of somebody else's that change while they are warm: deleted, upgraded, made anew, never writable."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyflowd_client import RunFailed
from pyflowd_client.blocking import Client
from pyflowd_client.protocol.errors import ErrorCode
from support.daemons import ADD, RunningDaemon, graph, node, pyflowctl
from support.held_nodes import Held
from support.tiny_wheels import install, make_environment, make_wheel
from support.workplaces import version_node
from support.zygote import find_interpreters, poll_until, wait_gone

OTHERS = find_interpreters()[1:]
WHICH = node("import sys\nreturn list(sys.version_info[:2])", returns="list")
LEARNT = node(
    "import sys\nis_there = 'apple' in sys.modules\nimport apple\nreturn [is_there, apple.VERSION]", returns="list"
)


def wheel(folder: Path, version: str) -> str:
    """A package of a file that takes a while to be imported."""
    slow = "from time import perf_counter\nend = perf_counter() + 0.02\nwhile perf_counter() < end:\n    pass\n"
    return str(make_wheel(folder, "apple", version, files={"apple.py": f"{slow}VERSION = {version!r}\n"}))


@pytest.fixture
def python(folder: Path) -> str:
    """A virtual environment with apple 1.0."""
    made = make_environment(folder / "env", find_interpreters()[0])
    install(made, wheel(folder, "1.0"))
    return made


def version(client: Client, python: str) -> str:
    """Which apple nodes see."""
    found: str = client.run_document(graph(version_node("apple")), python=python).result()["n0"]["output_1"]
    return found


def pids(client: Client, python: str) -> list[int | None]:
    """The fork servers that nodes may be forked from there."""
    return [status.pid for status in client.status().environments if status.python == python and status.pid is not None]


def test_an_upgrade_from_outside_is_seen_by_the_next_run(client: Client, python: str, folder: Path) -> None:
    assert version(client, python) == "1.0"
    install(python, wheel(folder, "2.0"))
    assert version(client, python) == "2.0"
    install(python, "--reinstall", wheel(folder, "1.0"))
    assert version(client, python) == "1.0"


def test_an_upgrade_reaches_what_was_imported_beforehand(client: Client, python: str, folder: Path) -> None:
    document = graph(LEARNT)
    client.run_document(document, python=python).result()
    poll_until(lambda: client.run_document(document, python=python).result()["n0"]["output_1"] == [True, "1.0"])
    install(python, wheel(folder, "2.0"))
    assert client.run_document(document, python=python).result()["n0"]["output_1"] == [True, "2.0"]


def test_a_long_run_sees_an_upgrade_in_the_nodes_that_begin_later(
    client: Client, daemon: RunningDaemon, python: str, folder: Path
) -> None:
    held = Held(client, folder, python=python)
    with daemon.client() as other:
        before = [status.pid for status in other.status().environments if status.python == python]
        install(python, wheel(folder, "2.0"))
        poll_until(lambda: [status.pid for status in other.status().environments if status.python == python] != before)
    assert held.let_go() == "1.0 2.0"


def test_one_that_is_deleted_lets_its_node_finish_and_then_is_missed(
    client: Client, daemon: RunningDaemon, python: str, folder: Path
) -> None:
    held = Held(client, folder, python=python)
    shutil.rmtree(folder / "env")
    with daemon.client() as other, pytest.raises(RunFailed, match="env") as raised:
        version(other, python)
    assert raised.value.error is not None
    assert raised.value.error.code is ErrorCode.ENVIRONMENT
    assert "does not exist" in str(raised.value)
    held.end()
    assert held.run.outputs["n0"]["output_1"] == "1.0"
    file = folder / "graph.json"
    file.write_text(graph(ADD))
    done = pyflowctl(daemon.socket, "run", str(file), "--python", python)
    assert done.returncode == 78
    assert "does not exist" in done.stderr
    make_environment(folder / "env", find_interpreters()[0])
    install(python, wheel(folder, "2.0"))
    assert version(client, python) == "2.0"  # it is back


@pytest.mark.skipif(not OTHERS, reason="there is one Python only")
def test_one_that_is_made_anew_with_another_python_is_another(client: Client, python: str, folder: Path) -> None:
    found = client.run_document(graph(WHICH), python=python).result()["n0"]["output_1"]
    [pid] = pids(client, python)
    make_environment(folder / "env", OTHERS[0], "--clear")
    install(python, wheel(folder, "2.0"))
    again = client.run_document(graph(WHICH), python=python).result()["n0"]["output_1"]
    assert again != found
    assert version(client, python) == "2.0"
    assert pid is not None
    assert wait_gone(pid)


@pytest.fixture
def read_only(python: str, folder: Path) -> Iterator[str]:
    """The same environment where nobody can write, not even root."""
    place = folder / "env"
    if os.getuid():
        subprocess.run(["chmod", "-R", "a-w", str(place)], check=True)
        yield python
        subprocess.run(["chmod", "-R", "u+w", str(place)], check=True)
        return
    bind = ["mount", "--bind", "-o", "ro", str(place), str(place)]
    if subprocess.run(bind, check=False, capture_output=True).returncode:
        pytest.skip("it cannot be mounted read-only here")
    yield python
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def test_one_that_is_read_only_is_as_good_and_is_learnt_from(client: Client, read_only: str) -> None:
    with pytest.raises(OSError, match=r"Read-only|Permission"):
        Path(read_only).with_name("new").touch()
    document = graph(LEARNT)
    assert client.run_document(document, python=read_only).result()["n0"]["output_1"] == [False, "1.0"]
    poll_until(lambda: client.run_document(document, python=read_only).result()["n0"]["output_1"] == [True, "1.0"])
    client.environments.cool(read_only)


def test_a_package_that_appears_makes_a_failing_run_succeed(client: Client, folder: Path) -> None:
    python = make_environment(folder / "env", find_interpreters()[0])
    with pytest.raises(RunFailed, match="No module named 'apple'"):
        version(client, python)
    install(python, wheel(folder, "1.0"))
    assert version(client, python) == "1.0"


def test_the_daemons_own_is_none_of_these(client: Client) -> None:
    packages = {package.name for package in client.environments.show(sys.executable).packages}
    assert "pyzmq" in packages
    with pytest.raises(RunFailed, match="No module named 'zmq'"):
        client.run_document(graph(node("import zmq\nreturn 1"))).result()
