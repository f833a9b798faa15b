"""Real daemons for tests: each on a socket of its own, gone with everything it started when the test is over."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from pyflowd_client.blocking import Client, connect

PYTHON = getattr(sys, "_base_executable", sys.executable)
PATIENCE_S = 20.0


class RunningDaemon:
    """A daemon process and where it listens."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self.socket = folder / "d.sock"
        self.log = folder / "daemon.log"
        ready, ready_fd = os.pipe()
        with open(self.log, "ab") as log, os.fdopen(ready, "rb") as pipe:
            command = [sys.executable, "-m", "pyflowd", "--socket", str(self.socket), "--ready-fd", str(ready_fd)]
            self.process = subprocess.Popen(
                [*command, *arguments], stdout=log, stderr=log, pass_fds=[ready_fd], start_new_session=True
            )
            os.close(ready_fd)
            assert pipe.read(1) == b"1", self.log.read_text()

    def client(self) -> Client:
        """A new session."""
        return connect(self.socket, autostart=False)

    def family(self) -> list[psutil.Process]:
        """The daemon and everything below it."""
        with contextlib.suppress(psutil.NoSuchProcess):
            this = psutil.Process(self.process.pid)
            return [this, *this.children(recursive=True)]
        return []

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
def running_daemon(*arguments: str) -> Iterator[RunningDaemon]:
    """A daemon for the length of a block; afterwards none of its processes may be left."""
    with tempfile.TemporaryDirectory(prefix="pfd") as folder:
        daemon = RunningDaemon(Path(folder), *arguments)
        family = daemon.family()
        try:
            yield daemon
        finally:
            family = {*family, *daemon.family()}  # type: ignore[assignment]
            if daemon.process.poll() is None:
                daemon.stop()
            _, alive = psutil.wait_procs(family, PATIENCE_S / 2)
            assert not alive, f"left behind: {alive}\n{daemon.log.read_text()}"


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


def pyflowctl(socket: Path | str, *arguments: str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run the command line to its end."""
    command = [sys.executable, "-m", "pyflowd_client.cli", "--socket", str(socket), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False, **options)
