"""How a daemon begins and ends: alone on its socket, killed without leaving anything, gone when idle."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import venv
from pathlib import Path

import psutil
import pytest

from pyflowd_client import DaemonLost, DaemonUnavailable, connect
from pyflowd_client.protocol.errors import ExitStatus
from pyflowd_client.protocol.events import NodeOutput, NodeStarted
from pyflowd_client.protocol.options import Permissions
from support.client_commands import COMMAND
from support.daemons import (
    ADD,
    DAEMON,
    assert_gone,
    assert_serves,
    assert_unharmed,
    graph,
    node,
    pyflowctl,
    running_daemon,
)

WITHOUT_NAMESPACES = '[sandbox]\nmaximum_tier = "T1"\n'
SLEEPER = node("import time\nprint('up')\ntime.sleep(600)\nreturn 1")
PARENT = node(
    "import subprocess, time\nchild = subprocess.Popen(['sleep', '600'], start_new_session=True)\n"
    "print(child.pid, flush=True)\ntime.sleep(600)\nreturn 1"
)


@pytest.mark.parametrize("settings", [None, WITHOUT_NAMESPACES], ids=["usual", "T1"])
def test_kill_9_in_the_middle_of_a_run_leaves_no_process_and_the_next_daemon_starts(
    tmp_path: Path, settings: str | None
) -> None:
    with running_daemon(folder=tmp_path, settings=settings) as daemon, daemon.client() as session:
        run = session.run_document(graph(PARENT))
        events = iter(run)
        next(event for event in events if isinstance(event, NodeOutput))
        family = daemon.family()
        assert daemon.named("sleep")
        daemon.kill()
        with pytest.raises(DaemonLost):
            list(events)
        assert_gone(family)
        assert daemon.socket.exists()
    with running_daemon(folder=tmp_path) as daemon, daemon.client() as session:
        assert_serves(session)


def test_a_command_whose_daemon_is_killed_says_where_its_log_is(tmp_path: Path) -> None:
    (tmp_path / "graph.json").write_text(graph(PARENT))
    with running_daemon(folder=tmp_path) as daemon:
        command = [*COMMAND, "--socket", str(daemon.socket), "run", str(tmp_path / "graph.json"), "--json"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
            assert running.stdout is not None
            while "node_output" not in running.stdout.readline():
                assert running.poll() is None
            family = daemon.family()
            daemon.kill()
            _, told = running.communicate(timeout=20)
        assert running.returncode == ExitStatus.UNAVAILABLE
        assert told == f"pyflowctl: the connection to the daemon broke. Its log is {daemon.socket}.state/daemon.log.\n"
        assert_gone(family)
        shown = pyflowctl(daemon.socket, "status")
        assert (shown.returncode, shown.stderr) == (69, f"pyflowctl: no daemon is running at {daemon.socket}.\n")


def test_a_second_daemon_on_a_socket_is_refused_and_harms_nobody() -> None:
    with running_daemon() as daemon:
        command = [*DAEMON, "--socket", str(daemon.socket)]
        second = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        assert second.returncode == ExitStatus.BUSY
        assert "another daemon" in second.stderr
        assert_unharmed(daemon)


def test_of_daemons_started_at_once_one_serves_and_the_others_say_why_not(tmp_path: Path) -> None:
    path = tmp_path / "d.sock"
    ready, ready_fd = os.pipe()
    command = [*DAEMON, "--socket", str(path), "--ready-fd", str(ready_fd)]
    daemons = [subprocess.Popen(command, stderr=subprocess.PIPE, text=True, pass_fds=[ready_fd]) for _ in range(3)]
    os.close(ready_fd)
    with os.fdopen(ready, "rb") as pipe:
        assert pipe.read() == b"1"  # to the end: each has said that it is ready, or closed it
    with connect(path, autostart=False) as session:
        assert_serves(session)
        pid = session.status().pid
        family = psutil.Process(pid).children(recursive=True)
        session.stop()
    ended = {daemon.pid: (daemon.communicate(timeout=20)[1], daemon.returncode) for daemon in daemons}
    assert ended.pop(pid)[1] == ExitStatus.DONE
    for told, status in ended.values():
        assert status == ExitStatus.BUSY
        assert "another daemon" in told
    assert_gone(family)


def test_two_clients_that_find_no_daemon_end_up_with_one(tmp_path: Path) -> None:
    path = tmp_path / "d.sock"
    command = [*COMMAND, "--socket", str(path), "run", "-"]
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
    assert_gone(family)


def test_a_socket_file_left_behind_does_not_stop_the_next_daemon(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(tmp_path / "d.sock"))
    with pytest.raises(DaemonUnavailable):
        connect(tmp_path / "d.sock", autostart=False)
    with running_daemon(folder=tmp_path) as daemon, daemon.client() as session:
        assert_serves(session)


@pytest.mark.parametrize("command", ["start", "run"])
def test_what_lies_at_the_sockets_path_and_is_no_socket_stays_as_it_is(tmp_path: Path, command: str) -> None:
    notes = tmp_path / "notes.md"
    notes.write_text("do not lose me")
    done = pyflowctl(notes, *([command, "-"] if command == "run" else [command]), input=graph(ADD))
    assert done.returncode == ExitStatus.UNAVAILABLE
    assert "is not a socket" in done.stderr
    assert notes.read_text() == "do not lose me"


def test_a_command_that_finds_a_socket_file_without_a_daemon_starts_one(tmp_path: Path) -> None:
    path = tmp_path / "d.sock"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(path))
    done = pyflowctl(path, "run", "-", input=graph(ADD))
    assert (done.returncode, done.stdout) == (0, "Node 0.output_1 = 1\n"), done.stderr
    with connect(path, autostart=False) as session:
        daemon = psutil.Process(session.status().pid)
        family = [daemon, *daemon.children(recursive=True)]
        session.stop()
    assert_gone(family)


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
                command = [*COMMAND, "--socket", str(daemon.socket), "stop", "--drain"]
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
    with running_daemon("--leave-when-idle", "--idle-exit", "1.5") as daemon:  # time to connect on a busy machine
        with daemon.client() as session:
            started_s = time.monotonic()
            while time.monotonic() - started_s < 2.0:
                assert session.status().pid == daemon.process.pid
        assert daemon.wait() == 0


def test_a_killed_client_does_not_keep_the_daemon_from_leaving() -> None:
    with running_daemon("--leave-when-idle", "--idle-exit", "1.5") as daemon:
        script = (
            "from pyflowd_client import connect\n"
            f"c = connect({str(daemon.socket)!r}, autostart=False)\n"
            "print('in', flush=True)\ninput()"
        )
        with daemon.client():  # so that it does not leave before the other comes
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
        assert_unharmed(daemon)


def test_a_killed_spare_is_replaced_and_nobody_notices() -> None:
    with running_daemon() as daemon, daemon.client() as session:
        assert_serves(session)
        for worker in session.status().workers:
            if worker.state == "idle" and worker.pid is not None:
                os.kill(worker.pid, signal.SIGKILL)
        for _ in range(20):
            run = session.run_document(graph(ADD))
            events = list(run)
            assert any(isinstance(event, NodeStarted) for event in events)
        assert_unharmed(daemon)


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


def test_nodes_of_two_environments_never_share_a_scratch_folder(tmp_path: Path) -> None:
    venv.create(tmp_path / "other", symlinks=True, with_pip=False)
    body = "import os\nreturn os.getcwd()"
    text = graph(*[node(body, returns="str")] * 20)
    with running_daemon("--spares", "2", settings=WITHOUT_NAMESPACES) as daemon, daemon.client() as session:
        homes = [
            {outputs["output_1"] for outputs in session.run_document(text, python=python).result().values()}
            for python in (sys.prefix, tmp_path / "other")
        ]
    assert homes[0].isdisjoint(homes[1])


@pytest.mark.parametrize("levels", [1, 2, 3], ids=["of nodes", "of the fork server", "of the daemon"])
def test_nodes_get_a_scratch_folder_again_after_somebody_removed_them_all(levels: int) -> None:
    body = "import os, tempfile\nwith tempfile.NamedTemporaryFile() as file: return os.path.dirname(file.name)"
    with running_daemon("--spares", "2", settings=WITHOUT_NAMESPACES) as daemon, daemon.client() as session:
        home = session.run_document(graph(node(body, returns="str"))).result()["n0"]["output_1"]
        gone = Path(home).parents[levels - 1].rename(daemon.folder / "gone")  # at once, whoever is about to use it
        shutil.rmtree(gone, ignore_errors=True)
        lost = [run for run in (session.run_document(graph(ADD)) for _ in range(6)) if list(run) and run.failures]
        assert len(lost) <= 3, "the two spares, and what ran when the fork server found out"
        for run in lost:
            [failed] = run.failures
            assert failed.error is not None
            assert failed.error.code == "worker_lost"
            assert "scratch folder" in failed.error.message or "could not be made ready" in failed.error.message
        assert_serves(session)
        again = session.run_document(graph(node(body, returns="str"))).result()["n0"]["output_1"]
        assert Path(again).parents[2] == Path(home).parents[2]


def test_a_node_is_not_served_even_where_it_reaches_the_socket() -> None:
    """It could start nodes that may do more than itself."""
    body = (
        "import sys\nsys.path[:0] = {path!r}\nfrom pyflowd_client import Refused, connect\n"
        "try: connect({socket!r}, autostart=False)\nexcept Refused as refused: return refused.error.code"
    )
    with running_daemon(settings=WITHOUT_NAMESPACES) as daemon, daemon.client() as session:
        code = body.format(path=[path for path in sys.path if path], socket=str(daemon.socket))
        run = session.run_document(graph(node(code, returns="str")), permissions=Permissions(all=True))
        assert run.result()["n0"]["output_1"] == "not_permitted"
        assert len(session.status().runs) == 1
