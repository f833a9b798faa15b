"""How a daemon begins and ends: alone on its socket, killed without leaving anything, gone when idle."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from pyflowd_client import DaemonLost, DaemonUnavailable, connect
from pyflowd_client.protocol.errors import ExitStatus
from pyflowd_client.protocol.events import NodeOutput, NodeStarted
from support.daemons import ADD, RunningDaemon, graph, node, pyflowctl, running_daemon

SLEEPER = node("import time\nprint('up')\ntime.sleep(600)\nreturn 1")


def test_kill_9_in_the_middle_of_a_run_leaves_no_process_and_the_next_daemon_starts(tmp_path: Path) -> None:
    daemon = RunningDaemon(tmp_path)
    code = node(
        "import subprocess\nsubprocess.Popen(['sleep', '600'], start_new_session=True)\n"
        "print('up')\nimport time\ntime.sleep(600)\nreturn 1"
    )
    with daemon.client() as session:
        run = session.run_document(graph(code))
        events = iter(run)
        while not isinstance(next(events), NodeOutput):
            pass
        family = daemon.family()
        daemon.kill()
        with pytest.raises(DaemonLost):
            list(events)
    assert any(process.name() == "sleep" for process in family if psutil.pid_exists(process.pid)) or len(family) > 3
    _, alive = psutil.wait_procs(family[1:], timeout=10)
    assert not alive
    assert daemon.socket.exists()
    again = RunningDaemon(tmp_path)
    with again.client() as session:
        assert session.run_document(graph(ADD)).result()["n0"]["output_1"] == 1
    family = again.family()
    assert again.stop() == 0
    assert not psutil.wait_procs(family[1:], timeout=10)[1]


def test_a_second_daemon_on_a_socket_is_refused_and_harms_nobody() -> None:
    with running_daemon() as daemon:
        second = subprocess.run(
            [sys.executable, "-m", "pyflowd", "--socket", str(daemon.socket)],
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        assert second.returncode == ExitStatus.BUSY
        assert "another daemon" in second.stderr
        with daemon.client() as session:
            assert session.run_document(graph(ADD)).result()["n0"]["output_1"] == 1


def test_two_clients_that_find_no_daemon_end_up_with_one(tmp_path: Path) -> None:
    path = tmp_path / "d.sock"
    command = [sys.executable, "-m", "pyflowd_client.cli", "--socket", str(path), "run", "-"]
    clients = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    ended = [client.communicate(graph(ADD), timeout=40) for client in clients]
    assert [client.returncode for client in clients] == [0, 0, 0], ended
    assert {out for out, _ in ended} == {"Node 0.output_1 = 1\n"}
    with connect(path, autostart=False) as session:
        assert len(session.status().runs) == 3
        pid = session.status().pid
        family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
        session.stop()
    assert not psutil.wait_procs(family, timeout=10)[1]


def test_a_socket_file_left_behind_does_not_stop_the_next_daemon(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "d.sock"))
    with pytest.raises(DaemonUnavailable):
        connect(tmp_path / "d.sock", autostart=False)
    daemon = RunningDaemon(tmp_path)
    with daemon.client() as session:
        assert session.run_document(graph(ADD)).result()["n0"]["output_1"] == 1
    family = daemon.family()
    daemon.stop()
    assert not psutil.wait_procs(family[1:], timeout=10)[1]


def test_stop_cancels_runs_and_tells_their_followers() -> None:
    with running_daemon() as daemon, daemon.client() as session:
        run = session.run_document(graph(SLEEPER))
        for event in run:
            if isinstance(event, NodeOutput):
                assert pyflowctl(daemon.socket, "stop").returncode == 0
        assert run.state == "cancelled"
        assert daemon.wait() == 0
        assert not daemon.socket.exists()


def test_stop_with_drain_lets_runs_end_and_takes_no_new_ones() -> None:
    with running_daemon() as daemon, daemon.client() as session:
        run = session.run_document(graph(node("import time\nprint('up')\ntime.sleep(1)\nreturn 3")))
        stopping = None
        for event in run:
            if isinstance(event, NodeOutput):
                command = [
                    sys.executable,
                    "-m",
                    "pyflowd_client.cli",
                    "--socket",
                    str(daemon.socket),
                    "stop",
                    "--drain",
                ]
                stopping = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        assert run.outputs["n0"]["output_1"] == 3
        assert stopping is not None
        assert stopping.wait(20) == 0
        assert daemon.wait() == 0


def test_sigterm_ends_the_daemon_cleanly() -> None:
    with running_daemon() as daemon:
        assert daemon.stop() == 0
        assert not daemon.socket.exists()


def test_an_idle_daemon_leaves_by_itself_but_not_while_a_client_is_connected() -> None:
    with running_daemon("--leave-when-idle", "--idle-exit", "0.5") as daemon:
        with daemon.client() as session:
            started_s = time.monotonic()
            while time.monotonic() - started_s < 1.2:
                assert session.status().pid == daemon.process.pid
        assert daemon.wait() == 0


def test_a_killed_client_does_not_keep_the_daemon_from_leaving() -> None:
    with running_daemon("--leave-when-idle", "--idle-exit", "0.3") as daemon:
        script = (
            f"from pyflowd_client import connect\nc = connect({str(daemon.socket)!r})\nprint('in', flush=True)\ninput()"
        )
        client = subprocess.Popen(
            [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert client.stdout is not None
        assert client.stdout.readline() == "in\n"
        client.kill()
        client.communicate()
        assert daemon.wait() == 0


def test_a_killed_zygote_fails_the_running_node_and_is_replaced() -> None:
    with running_daemon() as daemon, daemon.client() as session:
        run = session.run_document(graph(SLEEPER))
        for event in run:
            if isinstance(event, NodeOutput):
                [environment] = session.status().environments
                assert environment.pid is not None
                os.kill(environment.pid, signal.SIGKILL)
        [failed] = run.failures
        assert failed.error is not None
        assert failed.error.code == "worker_lost"
        assert session.run_document(graph(ADD)).result()["n0"]["output_1"] == 1


def test_a_killed_spare_is_replaced_and_nobody_notices() -> None:
    with running_daemon() as daemon, daemon.client() as session:
        session.run_document(graph(ADD)).result()
        for worker in session.status().workers:
            if worker.state == "idle" and worker.pid is not None:
                os.kill(worker.pid, signal.SIGKILL)
        for _ in range(20):
            run = session.run_document(graph(ADD))
            events = list(run)
            assert any(isinstance(event, NodeStarted) for event in events)
        assert session.run_document(graph(ADD)).result()["n0"]["output_1"] == 1


def test_the_socket_is_for_its_owner_only() -> None:
    with running_daemon() as daemon:
        assert daemon.socket.stat().st_mode & 0o077 == 0


@pytest.mark.skipif(os.getuid() != 0, reason="needs root to be somebody else")
def test_another_user_is_refused(tmp_path: Path) -> None:
    with running_daemon() as daemon:
        os.chmod(daemon.folder, 0o755)
        os.chmod(daemon.socket, 0o777)
        script = (
            "import os, pyflowd_client.aio\n"
            "from pyflowd_client import Refused, connect\n"
            "os.setgid(65534); os.setuid(65534)\n"
            f"try: connect({str(daemon.socket)!r}, autostart=False)\n"
            "except Refused as refused: print(refused.code)\n"
        )
        shown = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=30, check=False)
        assert shown.stdout == "not_permitted\n", shown.stderr
