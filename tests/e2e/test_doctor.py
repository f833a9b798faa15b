"""`pyflowctl doctor` on this machine: what it says of daemons that are well, and of what is not."""

import fcntl
import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

import psutil
import pytest

from pyflowd.sandbox.bubblewrap import find_bubblewrap
from pyflowd_client import connect
from pyflowd_client.protocol.requests import Examine
from pyflowd_client.protocol.states import Health
from support.client_commands import COMMAND
from support.daemons import assert_gone, assert_unharmed, pyflowctl, running_daemon

FIELDS = {"area", "name", "state", "detail", "matters"}
WITHOUT_BUBBLEWRAP = '[sandbox]\nmaximum_tier = "T1"\n'
PROGRAM = os.path.realpath(find_bubblewrap() or "/gone")
BWRAP = [PROGRAM, "--dev-bind", "/", "/"]
NO_NAMESPACES = ("--proc", "/proc", "--unshare-user", "--disable-userns")


def can_wrap(*walls: str) -> bool:
    """Whether bubblewrap can take these things away here, and leave us who we are."""
    if not os.path.exists(PROGRAM):
        return False
    return subprocess.run([*BWRAP, *walls, "--", "true"], capture_output=True, timeout=30, check=False).returncode == 0


def examined(done: "subprocess.CompletedProcess[str]") -> dict[str, dict[str, Any]]:
    """The findings by area and name; the status and the summary must be true to them."""
    told = json.loads(done.stdout)
    assert told.keys() == {"healthy", "findings"}
    assert done.returncode == (0 if told["healthy"] else 1)
    assert told["healthy"] is not any(finding["matters"] for finding in told["findings"])
    for finding in told["findings"]:
        assert FIELDS <= finding.keys() <= {*FIELDS, "exposes", "remedy"}
        assert finding["state"] in list(Health)
        if finding["matters"]:
            assert finding["exposes"]
            assert finding["remedy"]
    return {f"{finding['area']}: {finding['name']}": finding for finding in told["findings"]}


def doctor(socket: Path, *arguments: str) -> dict[str, dict[str, Any]]:
    return examined(pyflowctl(socket, "doctor", "--json", *arguments))


def test_a_daemon_is_examined_for_programs_and_for_people(tmp_path: Path) -> None:
    tmp_path.chmod(0o700)
    with running_daemon(folder=tmp_path) as daemon:
        found = doctor(daemon.socket)
        [tier] = [one for name, one in found.items() if name.startswith("sandbox: /")]
        with daemon.client() as session:
            [environment] = session.status().environments
        assert tier["detail"].startswith(f"{environment.tier}: ")
        assert found["daemon: a node"]["state"] == "ok"
        assert found["environments: default interpreter"]["state"] == "ok"
        assert found[f"sockets: {tmp_path}"]["state"] == "ok"
        assert {"kernel: bubblewrap", "kernel: Landlock", "clock: wall clock", "memory: available"} <= found.keys()
        assert any(name.startswith("nodes: /") for name in found)
        shown = pyflowctl(daemon.socket, "doctor")
        assert shown.returncode == (1 if any(one["matters"] for one in found.values()) else 0)
        assert "IN ORDER\n" in shown.stdout
        assert shown.stdout.rstrip().splitlines()[-1].endswith(".")
        assert all(
            len(line) <= 80 for line in shown.stdout.splitlines() if "$ " not in line and str(tmp_path) not in line
        )
        assert_unharmed(daemon)


def test_others_are_served_while_the_daemon_examines_itself_and_it_can_leave_then() -> None:
    with running_daemon() as daemon:
        with daemon.client() as session:
            asked = session._conversation.ask(Examine())
            session.status()
            assert session._conversation.reply(asked) is None
        assert_unharmed(daemon)
        with daemon.client() as session:
            session._conversation.ask(Examine())
            session.stop()
        assert daemon.wait() == 0
        assert "Traceback" not in daemon.log.read_text()


def test_a_lower_tier_needs_attention(tmp_path: Path) -> None:
    with running_daemon(folder=tmp_path, settings=WITHOUT_BUBBLEWRAP) as daemon:
        found = doctor(daemon.socket)
        [tier] = [one for name, one in found.items() if name.startswith("sandbox: /")]
        assert tier["state"] == "attention"
        assert tier["detail"].startswith(("T1: ", "T0: "))
        assert "maximum_tier" in tier["remedy"] or "kernel" in tier["remedy"]
        assert "NEEDS ATTENTION" in pyflowctl(daemon.socket, "doctor").stdout


def doctor_inside(socket: Path, *walls: str) -> dict[str, dict[str, Any]]:
    """What is said where bubblewrap takes something away; the daemon that this starts is ended again."""
    command = [*BWRAP, *walls, "--", *COMMAND, "--socket", str(socket), "doctor", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.stdout, done.stderr
    family = family_of(socket)
    pyflowctl(socket, "stop")
    assert_gone(family)
    return examined(done)


@pytest.mark.skipif(not can_wrap("--bind", "/dev/null", PROGRAM), reason="needs bubblewrap, to hide it")
def test_without_bubblewrap_it_says_how_to_install_it(tmp_path: Path) -> None:
    found = doctor_inside(tmp_path / "d.sock", "--bind", "/dev/null", PROGRAM)
    assert found["kernel: bubblewrap"]["state"] == "missing"
    assert found["kernel: bubblewrap"]["matters"]
    assert "install bubblewrap" in found["kernel: bubblewrap"]["remedy"]


@pytest.mark.skipif(not can_wrap(*NO_NAMESPACES), reason="needs a bubblewrap that can forbid namespaces")
def test_without_user_namespaces_it_says_what_is_exposed(tmp_path: Path) -> None:
    found = doctor_inside(tmp_path / "d.sock", *NO_NAMESPACES)
    assert found["kernel: user namespaces"]["state"] == "missing"
    assert found["kernel: user namespaces"]["matters"]
    assert found["kernel: bubblewrap"]["state"] == "attention"


def family_of(socket: Path) -> list[psutil.Process]:
    with connect(socket, autostart=False) as session:
        daemon = psutil.Process(session.status().pid)
        return [daemon, *daemon.children(recursive=True)]


def test_an_interpreter_that_is_none_is_told_with_its_reason(tmp_path: Path) -> None:
    python = tmp_path / "python"
    shutil.copy("/bin/false", python)
    with running_daemon("--python", str(python), folder=tmp_path) as daemon:
        found = doctor(daemon.socket)
        assert "status 1" in found["environments: default interpreter"]["detail"]
        assert found["environments: default interpreter"]["matters"]
        assert found[f"environments: {python}"]["state"] == "attention"
        assert found["daemon: a node"]["state"] == "attention"
        assert "daemon.log" in found["daemon: a node"]["remedy"]


def test_a_folder_that_is_open_to_others_is_told(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    found = doctor(tmp_path / "d.sock", "--no-start")
    assert found[f"sockets: {tmp_path}"]["matters"]
    assert f"$ chmod 700 {tmp_path}" in found[f"sockets: {tmp_path}"]["remedy"]


def test_a_runtime_folder_of_ours_that_is_open_is_refused_and_told(tmp_path: Path) -> None:
    (tmp_path / "pyflowd").mkdir()
    (tmp_path / "pyflowd").chmod(0o755)
    environment = {name: value for name, value in os.environ.items() if name != "PYFLOWD_SOCKET"}
    done = subprocess.run(
        [*COMMAND, "doctor", "--json"],
        env={**environment, "XDG_RUNTIME_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert "open to others" in examined(done)["sockets: location"]["detail"]


def test_without_a_daemon_and_leave_to_start_one_little_is_known(tmp_path: Path) -> None:
    found = doctor(tmp_path / "d.sock", "--no-start")
    assert found["daemon: pyflowd"]["state"] == "missing"
    assert "no daemon is running" in found["daemon: pyflowd"]["detail"]
    assert not (tmp_path / "d.sock").exists()
    assert not any(name.startswith("sandbox") for name in found)


def test_a_daemon_that_cannot_start_is_told_with_its_reason_and_its_log(tmp_path: Path) -> None:
    (tmp_path / "pyflowd").mkdir()
    (tmp_path / "pyflowd" / "config.toml").write_text("spare = 3\n")
    environment = {**os.environ, "XDG_CONFIG_HOME": str(tmp_path)}
    found = examined(pyflowctl(tmp_path / "d.sock", "doctor", "--json", env=environment))
    assert "unknown setting `spare`" in found["daemon: pyflowd"]["detail"]
    assert "daemon.log" in found["daemon: pyflowd"]["remedy"]


def test_what_lies_in_the_sockets_place_and_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "notes").write_text("do not lose me")
    found = doctor(tmp_path / "notes")
    assert "is not a socket" in found[f"sockets: {tmp_path}/notes"]["detail"]
    assert "is not a socket" in found["daemon: pyflowd"]["detail"]
    assert (tmp_path / "notes").read_text() == "do not lose me"


def test_a_lock_that_somebody_holds_without_listening_is_told(tmp_path: Path) -> None:
    with open(tmp_path / "d.sock.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        found = doctor(tmp_path / "d.sock", "--no-start")
    assert f"process {os.getpid()} holds the lock" in found[f"sockets: {tmp_path}/d.sock"]["detail"]
