"""What holds in every tier, and what is told of the layers that a machine lacks."""

import os
import sys
from pathlib import Path

import pytest

from pyflowd_client.blocking import Client
from support.daemons import failure, graph, node, pyflowctl, running_daemon

FLOOR = '[sandbox]\nminimum_tier = "T0"\nmaximum_tier = "T0"\n'


def test_a_layer_that_the_machine_lacks_is_named(tmp_path: Path) -> None:
    """An architecture for which there is no filter."""
    starter = tmp_path / "start"
    starter.write_text(f'#!/bin/sh\nexec setarch linux32 {sys.executable} "$@"\n')
    starter.chmod(0o700)
    with running_daemon(settings=FLOOR, starter=starter) as daemon, daemon.client() as client:
        assert client.run_document(graph(node("return 1"))).result()["n0"]["output_1"] == 1
        [environment] = client.status().environments
        shown = pyflowctl(daemon.socket, "status").stdout
    assert environment.lacks is not None
    assert "filter of system calls" in [layer.partition(" (")[0] for layer in environment.lacks]
    assert "no filter of system calls ([Errno 2] No such file" in shown


@pytest.mark.skipif(os.getuid() != 0, reason="only root has files of others to give")
def test_root_reads_no_file_that_its_owner_keeps_to_himself(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    secret.chmod(0o600)
    os.chown(secret, 65534, 65534)
    assert secret.read_text() == "secret"  # the daemon's user may; its nodes may not
    with running_daemon(settings=FLOOR) as daemon, daemon.client() as client:
        assert "Permission denied" in failure(client, f"return open({str(secret)!r}).read()").message


@pytest.mark.skipif(os.getuid() != 0, reason="else nodes are whom the daemon is")
def test_nodes_of_a_daemon_of_roots_are_not_root(client: Client) -> None:
    run = client.run_document(graph(node("import os\nos.mkdir('here')\nreturn os.stat('here').st_uid")))
    assert run.result()["n0"]["output_1"] != 0
