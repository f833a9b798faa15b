"""The cold command line: `pyflowctl run` of a one-node graph, with a daemon running and with none, against bare Python.

    python benchmarks/cold.py --times 15 --json benchmarks/results/cold.json

Whole processes, wall time, in one interleaved run. A daemon that a command started is ended before the next one.
"""

import argparse
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

import recording
import report
from daemon_process import STOP_LIMIT_S, DaemonProcess, private_environment
from peers.pyflowd_daemon import document, node
from pyflowd_client import connect
from pyflowd_client.errors import DaemonUnavailable

GRAPH = document([node("add", "def node(x: int = 1) -> int:\n    return x + 1\n")])
RESULT = b"2"
COMMAND_LIMIT_S = 60.0
REFERENCE = "python -c 'import zmq'"


def pyflowctl() -> list[str]:
    """The installed command, as a user starts it."""
    script = Path(sys.executable).with_name("pyflowctl")
    return [str(script)] if script.exists() else [sys.executable, "-m", "pyflowd_client.cli"]


def wall_time(command: Sequence[str], environment: dict[str, str], expected: bytes) -> float:
    """Seconds of the whole process; what it prints must contain what is expected."""
    begin = time.perf_counter()
    done = subprocess.run(command, capture_output=True, env=environment, timeout=COMMAND_LIMIT_S, check=False)
    end = time.perf_counter()
    if done.returncode != 0 or expected not in done.stdout:
        raise RuntimeError(f"exit status {done.returncode}: {done.stderr.decode(errors='replace')[-1000:]}")
    return end - begin


def end_daemon(socket: Path) -> None:
    """Stop the daemon that a command started, and wait until its process is gone."""
    try:
        client = connect(socket, autostart=False)
    except DaemonUnavailable:
        return
    with client:
        process = psutil.Process(client.status().pid)
        client.stop()
    try:
        process.wait(STOP_LIMIT_S)
    except psutil.TimeoutExpired:
        process.kill()


def run_without_daemon(graph: Path) -> float:
    """The command that finds no daemon, starts one, and runs the graph."""
    folder = Path(tempfile.mkdtemp(prefix="pyflowd-cold-"))
    environment = private_environment(folder)
    try:
        return wall_time([*pyflowctl(), "run", str(graph)], environment, RESULT)
    finally:
        end_daemon(Path(environment["PYFLOWD_SOCKET"]))
        shutil.rmtree(folder, ignore_errors=True)


def commands(graph: Path, running: DaemonProcess) -> dict[str, Callable[[], float]]:
    """What is compared."""
    plain = dict(os.environ)
    python = sys.executable
    return {
        "python -c pass": lambda: wall_time([python, "-c", "pass"], plain, b""),
        REFERENCE: lambda: wall_time([python, "-c", "import zmq"], plain, b""),
        "python -c CODE, the node without pyflowd": lambda: wall_time([python, "-c", "print(1 + 1)"], plain, RESULT),
        "pyflowctl run, daemon running": lambda: wall_time(
            [*pyflowctl(), "run", str(graph)], running.environment, RESULT
        ),
        "pyflowctl run, no daemon": lambda: run_without_daemon(graph),
    }


def measure(times: int) -> dict[str, list[float]]:
    """Seconds of each command, one of each per round, in random order; a first round is not counted."""
    with tempfile.TemporaryDirectory(prefix="pyflowd-cold-") as folder, DaemonProcess() as running:
        graph = Path(folder, "one_node.json")
        graph.write_text(GRAPH, encoding="utf-8")
        acts = commands(graph, running)
        found: dict[str, list[float]] = {name: [] for name in acts}
        for _ in range(times + 1):
            for name in random.sample(list(acts), len(acts)):
                found[name].append(acts[name]())
    return {name: seconds[1:] for name, seconds in found.items()}


def main() -> None:
    """Measure, keep, show."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=15)
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep all samples")
    options = parser.parse_args()
    started = recording.header()
    figures = {"reference": REFERENCE, "commands": measure(options.times)}
    recording.write(options.json, started, figures)
    print(report.cold_section({**started, **figures}))


if __name__ == "__main__":
    main()
