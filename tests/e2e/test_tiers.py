"""Tiers on real machines: reached by every interpreter, lower where something is missing, and never below the least."""

import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from pyflowd_client.blocking import Client
from pyflowd_client.errors import RunFailed
from pyflowd_client.protocol.options import Permissions
from pyflowd_client.protocol.replies import EnvironmentStatus
from support.daemons import RunningDaemon, assert_serves, graph, node, running_daemon
from support.zygote import find_interpreters

WHO = node("import os\nreturn os.getuid()")
bubblewrap = shutil.which("bwrap")
needs_bubblewrap = pytest.mark.skipif(bubblewrap is None, reason="bubblewrap is not installed")


def environment_of(client: Client, python: str) -> EnvironmentStatus:
    [found] = [one for one in client.status().environments if one.python == python]
    return found


@pytest.mark.parametrize("python", find_interpreters())
def test_every_interpreter_reaches_the_tier_that_the_first_one_does(client: Client, python: str) -> None:
    assert_serves(client)
    best = client.status().sandbox_tier
    run = client.run_document(graph(WHO), python=python)
    assert isinstance(run.result()["n0"]["output_1"], int)
    assert environment_of(client, python).tier == best


def test_so_does_a_virtual_environment_with_what_is_installed_in_place(client: Client, tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        path.chmod(0o755)
    home, project = tmp_path / "env", tmp_path / "project"
    venv.create(home, symlinks=True, with_pip=False)
    project.mkdir()
    (project / "in_place.py").write_text("VALUE = 7\n")
    [site] = home.glob("lib/python3*/site-packages")
    (site / "in_place.pth").write_text(f"{project}\n")
    assert_serves(client)
    best = client.status().sandbox_tier
    run = client.run_document(graph(node("import in_place\nreturn in_place.VALUE")), python=home)
    assert run.result()["n0"]["output_1"] == 7
    assert environment_of(client, str(home / "bin" / "python")).tier == best


@pytest.fixture
def hidden_bubblewrap(tmp_path: Path) -> Path:
    """A command that starts another where bubblewrap is not installed."""
    assert bubblewrap is not None
    wrapper = tmp_path / "without"
    options = f"--die-with-parent --dev-bind / / --ro-bind /dev/null {bubblewrap}"
    wrapper.write_text(f'#!/bin/sh\nexec {bubblewrap} {options} -- {sys.executable} "$@"\n')
    wrapper.chmod(0o755)
    return wrapper


@needs_bubblewrap
@pytest.mark.skipif(os.getuid() != 0, reason="only root sees the same files in there")
def test_without_bubblewrap_nodes_are_in_t1_and_it_says_why(hidden_bubblewrap: Path) -> None:
    with running_daemon(starter=hidden_bubblewrap) as daemon, daemon.client() as client:
        assert_serves(client)
        [found] = client.status().environments
        assert found.tier == "T1"
        assert found.lacks == ("T3: bubblewrap is not installed", "T2: bubblewrap is not installed")


@needs_bubblewrap
@pytest.mark.skipif(os.getuid() != 0, reason="only root sees the same files in there")
def test_below_the_least_tier_nothing_runs(hidden_bubblewrap: Path) -> None:
    settings = '[sandbox]\nminimum_tier = "T2"\n'
    with running_daemon(starter=hidden_bubblewrap, settings=settings) as daemon, daemon.client() as client:
        with pytest.raises(RunFailed, match="cannot keep nodes from harm as well as the settings demand") as failed:
            client.run_document(graph(WHO)).result()
        assert "bubblewrap is not installed" in str(failed.value)
        assert client.status().workers == ()


def test_what_was_proven_is_not_tried_again_by_the_next_daemon(tmp_path: Path) -> None:
    def probes_tried(daemon: RunningDaemon) -> bool:
        with daemon.client() as client:
            assert_serves(client)
        return (daemon.folder / "d.sock.scratch" / "file").exists()  # what the probes are aimed at

    with running_daemon(folder=tmp_path) as daemon:
        assert probes_tried(daemon)
    with running_daemon(folder=tmp_path) as daemon:
        assert not probes_tried(daemon)


def test_root_is_somebody_else_in_a_node_also_when_the_tier_was_remembered(tmp_path: Path) -> None:
    for _ in range(2):
        with running_daemon(folder=tmp_path) as daemon, daemon.client() as client:
            assert_serves(client)
            if client.status().sandbox_tier < "T2":
                pytest.skip("without user namespaces nodes keep the user of the daemon")
            assert client.run_document(graph(WHO)).result()["n0"]["output_1"] != 0
            [environment] = client.status().environments
            command = ["ps", "-o", "uid=", str(environment.pid)]
            uid = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            assert int(uid) == (os.getuid() or 65534)


def test_fork_servers_of_many_permissions_do_not_pile_up(client: Client, tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    for number in range(16):
        folder = tmp_path / str(number)
        folder.mkdir(mode=0o755)
        assert client.run_document(graph(WHO), workdir=folder).result()
    assert len(client.status().environments) <= 13


@pytest.mark.parametrize("kind", ["read", "write"])
def test_a_grant_around_the_daemons_own_folders_leaves_them_out_of_view(kind: str) -> None:
    """Another node's scratch folder lies there, and what the probes are aimed at."""
    with running_daemon() as daemon, daemon.client() as client:
        daemon.folder.chmod(0o755)
        scratch = daemon.folder / "d.sock.scratch"
        body = f"import os\nfound = os.stat({str(scratch)!r})\nreturn [found.st_dev, found.st_ino]"
        permissions = Permissions(read=(str(daemon.folder),), write=(str(daemon.folder),) if kind == "write" else ())
        assert_serves(client)
        if client.status().sandbox_tier < "T3":
            pytest.skip("only a view of its own can leave something out")
        run = client.run_document(graph(node(body, returns="list")), permissions=permissions)
        assert run.result()["n0"]["output_1"] != [scratch.stat().st_dev, scratch.stat().st_ino]
        assert {one.tier for one in client.status().environments} == {"T3"}
