"""`status`, `start`, `stop`, `cancel` and `version`: the daemon itself."""

import argparse
import json
import sys
import time
from collections import Counter

from pyflowd_client import __version__
from pyflowd_client.cli.values import counted, one_line, shown_time
from pyflowd_client.protocol.errors import ExitStatus
from pyflowd_client.protocol.replies import DaemonStatus
from pyflowd_client.protocol.version import PROTOCOL_VERSION


def version(options: argparse.Namespace) -> ExitStatus:
    """Show the version of this program; asks nobody."""
    print(f"pyflowctl {__version__} (protocol {PROTOCOL_VERSION})")
    return ExitStatus.DONE


def status(options: argparse.Namespace) -> ExitStatus:
    """Show what the daemon does."""
    from pyflowd_client.blocking import connect
    from pyflowd_client.protocol.codec import to_wire

    with connect(options.socket, autostart=False) as client:
        found = client.status()
    if options.json:
        print(json.dumps(to_wire(found), ensure_ascii=False))
    else:
        print("\n".join(_status_lines(found)))
    return ExitStatus.DONE


def start(options: argparse.Namespace) -> ExitStatus:
    """Start a daemon that stays."""
    from pyflowd_client.autostart import is_listening, start_daemon
    from pyflowd_client.location import locate

    location = locate(options.socket)
    if is_listening(location.address):
        print(f"A daemon is running at {location.address}.", file=sys.stderr)
    else:
        start_daemon(location, leaves_when_idle=False)
        print(f"The daemon listens at {location.address}. Its log is {location.log}.", file=sys.stderr)
    return ExitStatus.DONE


def stop(options: argparse.Namespace) -> ExitStatus:
    """End the daemon."""
    from pyflowd_client.autostart import is_listening
    from pyflowd_client.blocking import connect
    from pyflowd_client.location import locate

    if not is_listening(locate(options.socket).address):
        print("No daemon is running.", file=sys.stderr)
        return ExitStatus.DONE
    with connect(options.socket, autostart=False) as client:
        client.stop(drain=options.drain)
    print("The daemon has ended.", file=sys.stderr)
    return ExitStatus.DONE


def cancel(options: argparse.Namespace) -> ExitStatus:
    """End a run."""
    from pyflowd_client.blocking import connect

    with connect(options.socket, autostart=False) as client:
        client.cancel(options.run)
    print(f"Run {options.run} ends.", file=sys.stderr)
    return ExitStatus.DONE


def _status_lines(found: DaemonStatus) -> list[str]:
    workers = Counter(worker.state for worker in found.workers)
    counts = ", ".join(f"{count} {state}" for state, count in sorted(workers.items()))
    lines = [
        f"pyflowd {found.version}, up {shown_time(found.uptime_s)}",
        f"  process   {found.pid}",
        f"  socket    {found.socket}",
        f"  protocol  {found.protocol}",
        f"  sandbox   {found.sandbox_tier}",
        f"  workers   {counts or 'none'}",
    ]
    lines += ["environments"] if found.environments else ["no environments"]
    for environment in found.environments:
        python = f"Python {environment.version}, " if environment.version else ""
        lines.append(f"  {environment.state:9} {environment.python} ({python}{counted(environment.spares, 'spare')})")
        if environment.tier or environment.permissions:
            permitted = f"; permitted: {one_line(environment.permissions)}" if environment.permissions else ""
            lines.append(f"            sandbox {environment.tier or 'not known yet'}{permitted}")
        lines += [f"            unprotected: no {one_line(layer)}" for layer in environment.lacks or ()]
    lines += ["runs"] if found.runs else ["no runs"]
    width = max((len(run.run) for run in found.runs), default=0)
    for run in found.runs:
        ago = shown_time(max(0.0, time.time() - run.submitted))
        nodes = f"{run.nodes_over} of {counted(run.nodes, 'node')}"
        lines.append(f"  {run.state:9} {run.run:{width}}  {one_line(run.graph)}: {nodes}, {ago} ago")
    return lines
