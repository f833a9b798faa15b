"""Starting a daemon: what is started here is a program that takes the daemon's arguments and does as the test says."""

import os
import sys
from pathlib import Path

import pytest

from pyflowd_client import autostart
from pyflowd_client.blocking import connect
from pyflowd_client.errors import DaemonUnavailable
from support.client_peer import FakeDaemon
from support.stand_in import PEER, program, write

__all__ = ["program"]


def test_a_daemon_is_started_in_a_session_of_its_own_and_greets(program: Path, socket_path: Path) -> None:
    write(program, PEER)
    with connect(socket_path) as client:
        assert os.getsid(client.welcome.pid) == client.welcome.pid
        assert client.run_document("greet").result()["Greeter"]["text"] == "hello"
        client.stop()


def test_it_is_told_where_to_listen_and_to_leave_when_idle(program: Path, socket_path: Path, tmp_path: Path) -> None:
    write(program, f'echo "$@" > {tmp_path}/arguments; pwd >> {tmp_path}/arguments; {PEER}')
    with connect(socket_path) as client:
        client.stop()
    arguments, folder = (tmp_path / "arguments").read_text().splitlines()
    assert arguments.startswith(f"-P -m pyflowd --socket {socket_path} --ready-fd ")
    assert arguments.endswith(" --leave-when-idle")
    assert folder == "/"


def test_a_daemon_that_dies_is_explained_by_the_end_of_its_log(program: Path, socket_path: Path) -> None:
    write(program, 'for n in 1 2 3 4 5 6 7 8 9 10; do echo "line $n" >&2; done; exit 1')
    with pytest.raises(DaemonUnavailable) as caught:
        connect(socket_path)
    assert str(caught.value).splitlines()[1:] == [f"  line {n}" for n in range(3, 11)]
    assert str(socket_path) in str(caught.value)


def test_one_that_dies_without_a_word_is_reported_too(program: Path, socket_path: Path) -> None:
    write(program, "exit 3")
    with pytest.raises(DaemonUnavailable, match="said nothing"):
        connect(socket_path)


def test_the_log_of_an_earlier_daemon_is_not_taken_for_this_ones(program: Path, socket_path: Path) -> None:
    write(program, "echo old >&2; exit 1")
    with pytest.raises(DaemonUnavailable, match="old"):
        connect(socket_path)
    write(program, "echo new >&2; exit 1")
    with pytest.raises(DaemonUnavailable, match="new") as caught:
        connect(socket_path)
    assert "old" not in str(caught.value)


def test_a_daemon_that_lost_the_race_leads_to_the_winner(program: Path, socket_path: Path) -> None:
    """The started one finds the lock taken, and the other one listens only once it is gone."""
    winner = f"tail --pid=$$ -f /dev/null; {PEER}"
    write(program, f'eval "exec $7>&-"; set -- --socket {socket_path}; ({winner}) >/dev/null 2>&1 & exit 75')
    with connect(socket_path) as client:
        client.stop()


def test_one_that_never_gets_ready_is_given_up(
    program: Path, socket_path: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(autostart, "START_DEADLINE_S", 0.1)
    write(program, f"echo $$ > {tmp_path}/pid; exec cat {tmp_path}/fifo")
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(DaemonUnavailable, match="did not start"):
        connect(socket_path)
    with open(tmp_path / "fifo", "w"):
        pass  # lets it go


def test_no_daemon_is_started_where_one_listens(program: Path, socket_path: Path) -> None:
    write(program, "exit 1")
    with FakeDaemon(socket_path), connect(socket_path) as client:
        assert client.welcome.version == "0-fake"


def test_a_client_without_the_daemons_package_names_the_remedy(
    socket_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyflowd", None)
    with pytest.raises(DaemonUnavailable, match="pip install pyflowd"):
        connect(socket_path)
