"""The session of a command: what is started where nothing listens, and what is said when that fails."""

import os
import socket
from pathlib import Path

import pytest

from pyflowd_client.cli.sessions import open_session
from pyflowd_client.errors import DaemonUnavailable
from support.client_peer import FakeDaemon
from support.stand_in import PEER, program, write

__all__ = ["program"]


def test_where_no_socket_is_a_daemon_is_started(program: Path, tmp_path: Path) -> None:
    write(program, PEER)
    with open_session(str(tmp_path / "d.sock")) as client:
        assert client.run_document("greet").result()["Greeter"]["text"] == "hello"
        client.stop()


def test_one_that_does_not_start_is_explained(program: Path, tmp_path: Path) -> None:
    write(program, "echo no luck >&2; exit 1")
    with pytest.raises(DaemonUnavailable, match="no luck"):
        open_session(str(tmp_path / "d.sock"))


def test_a_socket_that_nobody_listens_at_does_not_stop_it(program: Path, tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "d.sock"))
    write(program, f"rm {tmp_path}/d.sock; {PEER}")
    with open_session(str(tmp_path / "d.sock")) as client:
        client.stop()


def test_a_running_daemon_is_used(program: Path, tmp_path: Path) -> None:
    write(program, "exit 1")
    with FakeDaemon(tmp_path / "d.sock"), open_session(os.fspath(tmp_path / "d.sock")) as client:
        assert client.welcome.version == "0-fake"
