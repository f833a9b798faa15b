"""The commands about the daemon itself: status, start, stop, cancel, version."""

import argparse
import contextlib
import json
import time

from pyflowd_client import __version__
from pyflowd_client.autostart import is_listening, start_daemon
from pyflowd_client.blocking import connect
from pyflowd_client.cli.__main__ import say
from pyflowd_client.errors import DaemonUnavailable
from pyflowd_client.location import locate
from pyflowd_client.protocol.codec import to_wire
from pyflowd_client.protocol.errors import ExitStatus
from pyflowd_client.protocol.replies import DaemonStatus
from pyflowd_client.protocol.states import FINAL_RUN_STATES
from pyflowd_client.protocol.version import PROTOCOL_VERSION


def status(arguments: argparse.Namespace) -> int:
    """Say how the daemon is; never starts one."""
    with connect(arguments.socket, autostart=False) as daemon:
        answer = daemon.status()
    if arguments.json:
        print(json.dumps(to_wire(answer)))
    else:
        _show(answer)
    return ExitStatus.DONE


def start(arguments: argparse.Namespace) -> int:
    """Start the daemon, if none runs."""
    location = locate(arguments.socket)
    if is_listening(location.socket):
        say("a daemon is already running.")
        return ExitStatus.DONE
    start_daemon(location)
    with connect(arguments.socket, autostart=False) as daemon:
        say(f"the daemon runs now, as process {daemon.welcome.pid}.")
    return ExitStatus.DONE


def stop(arguments: argparse.Namespace) -> int:
    """End the daemon and wait until it is gone."""
    try:
        with connect(arguments.socket, autostart=False) as daemon:
            daemon.stop(drain=arguments.drain)
    except DaemonUnavailable:
        say("no daemon is running.")
    else:
        say("the daemon has left.")
    return ExitStatus.DONE


def cancel(arguments: argparse.Namespace) -> int:
    """End a run."""
    with connect(arguments.socket, autostart=False) as daemon:
        daemon.cancel(arguments.run)
    return ExitStatus.DONE


def version(arguments: argparse.Namespace) -> int:
    """Print the versions of both sides."""
    print(f"pyflowctl {__version__} (protocol {PROTOCOL_VERSION})")
    with contextlib.suppress(DaemonUnavailable), connect(arguments.socket, autostart=False) as daemon:
        print(f"pyflowd {daemon.welcome.version} (protocol {daemon.welcome.protocol}, process {daemon.welcome.pid})")
    return ExitStatus.DONE


def _show(answer: DaemonStatus) -> None:
    age = _duration(answer.uptime_s)
    print(f"pyflowd {answer.version}, process {answer.pid}, up {age}, sandbox {answer.sandbox_tier}")
    print(f"socket {answer.socket}")
    for environment in answer.environments:
        version_text = f"Python {environment.version}" if environment.version else "no Python yet"
        print(f"environment {environment.python}: {environment.state}, {version_text}, {environment.spares} spares")
    active = [run for run in answer.runs if run.state not in FINAL_RUN_STATES]
    print(f"{len(active)} runs under way, {len(answer.runs) - len(active)} remembered")
    for run in active:
        age_s = time.time() - run.submitted
        print(f"run {run.run}: {run.state}, {run.graph}, {run.nodes_over} of {run.nodes} nodes, {_duration(age_s)}")


def _duration(span_s: float) -> str:
    whole = int(span_s)
    if whole < 60:
        return f"{span_s:.1f} s"
    minutes, rest = divmod(whole, 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"
