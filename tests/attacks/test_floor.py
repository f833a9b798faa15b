"""What is told of the layers that a machine has, or lacks."""

import os
import sys
from pathlib import Path

from pyflowd_client.blocking import Client
from support.daemons import RunningDaemon, graph, node, pyflowctl, running_daemon


def test_a_layer_that_the_machine_lacks_is_named(tmp_path: Path) -> None:
    """An architecture for which there is no filter."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec setarch linux32 {sys.executable} "$@"\n')
    python.chmod(0o700)
    settings = '[sandbox]\nminimum_tier = "T0"\nmaximum_tier = "T0"\n'
    with running_daemon(settings=settings) as daemon, daemon.client() as client:
        assert client.run_document(graph(node("return 1")), python=python).result()["n0"]["output_1"] == 1
        lacks = {environment.python: environment.lacks for environment in client.status().environments}
        shown = pyflowctl(daemon.socket, "status").stdout
    [(_, found)] = [item for item in lacks.items() if item[1] is not None]
    assert found is not None
    assert "filter of system calls" in [layer.partition(" (")[0] for layer in found]
    assert "no filter of system calls ([Errno 2] No such file" in shown


def test_nodes_are_those_of_the_daemons_user_or_of_nobody(client: Client, daemon: RunningDaemon) -> None:
    run = client.run_document(graph(node("import os\nos.mkdir('here')\nreturn os.stat('here').st_uid")))
    assert run.result()["n0"]["output_1"] != 0 or os.getuid() != 0
