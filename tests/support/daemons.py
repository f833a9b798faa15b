"""Real daemons for tests: each on a socket of its own, gone with everything it started when the test is over."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import psutil

from pyflowd_client.blocking import Client, connect
from pyflowd_client.protocol.errors import ErrorInfo
from pyflowd_client.protocol.events import NodeFinished
from pyflowd_client.protocol.states import NodeState
from support.client_commands import COMMAND
from support.zygote import is_alive

DAEMON = [sys.executable, "-m", "pyflowd"]
PATIENCE_S = 20.0
LOG_SHOWN_BYTES = 20_000
_running: "set[RunningDaemon]" = set()


def logs_of_running() -> Iterator[tuple[str, str]]:
    """Where each daemon that runs now lives, and the end of what it has logged."""
    for daemon in _running:
        yield str(daemon.folder), daemon.log.read_text()[-LOG_SHOWN_BYTES:]


class RunningDaemon:
    """A daemon process and where it listens."""

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        starter: Path | None = None,
        variables: Mapping[str, str] | None = None,
    ) -> None:
        self.folder = folder
        self.socket = folder / "d.sock"
        self.log = folder / "daemon.log"
        ready, ready_fd = os.pipe()
        with open(self.log, "ab") as log, os.fdopen(ready, "rb") as pipe:
            daemon = DAEMON if starter is None else [str(starter), *DAEMON[1:]]
            command = [*daemon, "--socket", str(self.socket), "--ready-fd", str(ready_fd), *arguments]
            self.process = subprocess.Popen(
                command, stdout=log, stderr=log, pass_fds=[ready_fd], start_new_session=True, env=variables
            )
            os.close(ready_fd)
            is_ready = pipe.read(1) == b"1"
        if not is_ready:
            self.wait()
            raise AssertionError(self.log.read_text())

    def client(self) -> Client:
        """A new session."""
        return connect(self.socket, autostart=False)

    def family(self) -> list[psutil.Process]:
        """The daemon and everything below it."""
        with contextlib.suppress(psutil.NoSuchProcess):
            this = psutil.Process(self.process.pid)
            return [this, *this.children(recursive=True)]
        return []

    def named(self, name: str) -> list[psutil.Process]:
        """Those of them that run a program of this name; others may end meanwhile."""
        found = []
        for process in self.family():
            with contextlib.suppress(psutil.NoSuchProcess):
                found += [process] if process.name() == name else []
        return found

    def stop(self) -> int:
        """End it as systemd would; its exit status."""
        self.process.send_signal(signal.SIGTERM)
        return self.wait()

    def kill(self) -> None:
        """End it as nobody should."""
        self.process.kill()
        self.wait()

    def wait(self) -> int:
        """Its exit status, once it is gone."""
        return self.process.wait(PATIENCE_S)


@contextlib.contextmanager
def running_daemon(
    *arguments: str,
    folder: Path | None = None,
    settings: str | None = None,
    starter: Path | None = None,
    variables: Mapping[str, str] | None = None,
) -> Iterator[RunningDaemon]:
    """A daemon for the length of a block; afterwards none of its processes may be left.

    folder: where it lives. settings: the text of its settings file. starter: what to start it with, instead of Python.
    variables: all that it sees, instead of ours.
    """
    with contextlib.ExitStack() as stack:
        home = folder or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="pfd")))
        if settings is not None:
            (home / "config.toml").write_text(settings, encoding="utf-8")
            arguments = (*arguments, "--config", str(home / "config.toml"))
        daemon = RunningDaemon(home, *arguments, starter=starter, variables=variables)
        family = set(daemon.family())
        _running.add(daemon)
        try:
            yield daemon
        finally:
            _running.discard(daemon)
            family.update(daemon.family())
            if daemon.process.poll() is None:
                daemon.stop()
            assert_gone(family, daemon.log.read_text())


def assert_gone(processes: Iterable[psutil.Process], log: str = "") -> None:
    """None of the processes runs, or each ends within moments."""
    _, alive = psutil.wait_procs(list(processes), PATIENCE_S / 2)
    assert not alive, f"left behind: {alive}\n{log}"


def assert_serves(client: Client) -> None:
    """The daemon executes a graph."""
    assert client.run_document(graph(ADD)).result()["n0"]["output_1"] == 1


def assert_unharmed(daemon: RunningDaemon) -> None:
    """The daemon lives, executes a graph, and has no process that it does not know, nor one that still works."""
    assert daemon.process.poll() is None, daemon.log.read_text()
    with daemon.client() as client:
        assert_serves(client)
        give_up_s = time.monotonic() + PATIENCE_S
        while left := _strangers(daemon, client):  # each look is a question that the daemon has to answer
            assert time.monotonic() < give_up_s, f"left behind: {left}\n{daemon.log.read_text()}"


def _strangers(daemon: RunningDaemon, client: Client) -> list[psutil.Process]:
    family, status = daemon.family()[1:], client.status()
    known = {worker.pid for worker in status.workers if worker.state in ("starting", "idle")}
    known |= {environment.pid for environment in status.environments}
    homes = {_process_namespace(pid) for pid in known if pid is not None}
    return [one for one in family if one.pid not in known and is_alive(one.pid) and not _guards(one.pid, homes)]


def _guards(pid: int, homes: set[str]) -> bool:
    """Whether a process is the first of a namespace in which one lives that is known, or is bubblewrap itself."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return True  # it is gone
    [numbers] = [line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:")]
    is_bubblewrap = status.splitlines()[0].split()[1] == "bwrap"
    return is_bubblewrap or (len(numbers) > 1 and numbers[-1] == "1" and _process_namespace(pid) in homes)


def _process_namespace(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return ""


def graph(*codes: str, edges: tuple[tuple[str, str, str, str], ...] = (), **titles: str) -> str:
    """A JSON graph: node ids are n0, n1, ...; an edge is (source, pin, target, pin)."""
    nodes = [
        {"uuid": f"n{index}", "title": titles.get(f"n{index}", f"Node {index}"), "pos": [0, 0], "code": code}
        for index, code in enumerate(codes)
    ]
    names = ("start_node_uuid", "start_pin_name", "end_node_uuid", "end_pin_name")
    return json.dumps({"nodes": nodes, "connections": [dict(zip(names, edge, strict=True)) for edge in edges]})


def node(body: str, parameters: str = "", returns: str = "int") -> str:
    """The code of a node from the lines of its function's body."""
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    return f"@node_entry\ndef run({parameters}) -> {returns}:\n{lines}\n"


ADD = node("return x + 1", "x: int = 0")


def failure(client: Client, body: str, **options: object) -> ErrorInfo:
    """How a graph of one bad and one good node ends for the bad one; the good one must be done."""
    returns = str(options.pop("returns", "int"))
    run = client.run_document(graph(node(body, returns=returns), ADD), **options)  # type: ignore[arg-type]
    finished = {event.node: event for event in run if isinstance(event, NodeFinished)}
    assert finished["n1"].state is NodeState.DONE
    assert finished["n0"].state is NodeState.FAILED
    error = finished["n0"].error
    assert error is not None
    return error


def pyflowctl(socket: Path | str, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end."""
    command = [*COMMAND, "--socket", str(socket), *arguments]
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.run(command, text=True, timeout=60, check=False, **(streams | options))
