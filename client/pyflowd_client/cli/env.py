"""`env`: what environments there are, what is known of one, and what is done with it."""

import argparse
import json
import os
import sys
from collections.abc import Sequence

from pyflowd_client.cli import env_report
from pyflowd_client.cli.choices import packages
from pyflowd_client.cli.graphs import write_text
from pyflowd_client.cli.sessions import open_session
from pyflowd_client.cli.tables import terminal_width
from pyflowd_client.cli.values import counted, one_line, shown_size
from pyflowd_client.errors import UsageRefused
from pyflowd_client.protocol.codec import to_wire
from pyflowd_client.protocol.errors import ExitStatus
from pyflowd_client.protocol.message import Message
from pyflowd_client.protocol.replies import EnvironmentVerified, EnvironmentWritten
from pyflowd_client.protocol.requests import LockEnvironment, VerifyEnvironment
from pyflowd_client.requirements import absolute_requirements, interpreter
from pyflowd_client.submission import read_document


def detect(options: argparse.Namespace) -> ExitStatus:
    """Find the Pythons of this machine."""
    if options.graph and not os.path.exists(options.graph):
        raise UsageRefused(f"{options.graph} does not exist; name a graph or a folder to look beside, or leave it out.")
    folder = options.graph if os.path.isdir(options.graph) else os.path.dirname(options.graph)
    with open_session(options.socket) as client:
        found = client.environments.detect(folders=(folder or ".",))
    if options.json:
        return _print_json(found)
    _print(env_report.detected_lines(found.environments, terminal_width()))
    if not found.environments:
        print("No Python was found.", file=sys.stderr)
    return ExitStatus.DONE


def list_kept(options: argparse.Namespace) -> ExitStatus:
    """List the environments that the daemon keeps."""
    with open_session(options.socket) as client:
        found = client.environments.list()
    if options.json:
        return _print_json(found)
    if found.environments:
        _print(env_report.kept_lines(found.environments, terminal_width()))
    else:
        print("There are none yet. `pyflowctl env create NAME PKG...` makes one.", file=sys.stderr)
    return ExitStatus.DONE


def show(options: argparse.Namespace) -> ExitStatus:
    """Show all that is known of an environment."""
    with open_session(options.socket) as client:
        found = client.environments.show(options.environment)
    if options.json:
        return _print_json(found)
    _print(env_report.shown_lines(found, terminal_width()))
    return ExitStatus.DONE


def remove(options: argparse.Namespace) -> ExitStatus:
    """Delete environments that the daemon keeps."""
    for environment in options.environments:
        if not environment or "/" in environment or environment in (".", ".."):
            raise UsageRefused(f"{environment!r} is not removed: only what `pyflowctl env list` shows can be.")
    with open_session(options.socket) as client:
        for environment in options.environments:
            client.environments.remove(environment)
            print(f"{one_line(environment)} is removed.", file=sys.stderr)
    return ExitStatus.DONE


def warm(options: argparse.Namespace) -> ExitStatus:
    """Start the fork server of an environment."""
    with open_session(options.socket) as client:
        client.environments.warm(options.environment)
    print(f"{one_line(options.environment)} is warm.", file=sys.stderr)
    return ExitStatus.DONE


def cool(options: argparse.Namespace) -> ExitStatus:
    """End the fork servers of an environment."""
    with open_session(options.socket) as client:
        client.environments.cool(options.environment)
    print(f"{one_line(options.environment)} cools down.", file=sys.stderr)
    return ExitStatus.DONE


def verify(options: argparse.Namespace) -> ExitStatus:
    """Say what an environment lacks; ends with 1 when something is missing or in conflict."""
    document, name = (None, None) if options.graph is None else read_document(options.graph)
    request = VerifyEnvironment(environment=options.environment, document=document, name=name)
    with open_session(options.socket) as client:
        found = client.ask(request, EnvironmentVerified)
    is_good = not (found.missing or found.conflicts or found.problem)
    if options.json:
        _print_json(found)
    else:
        _print(env_report.verified_lines(found))
        if is_good:
            what = "its packages fit together" if document is None else "it has what the graph needs"
            print(f"{one_line(options.environment)} is fine: {what}.", file=sys.stderr)
    return ExitStatus.DONE if is_good else ExitStatus.ATTENTION


def lock(options: argparse.Namespace) -> ExitStatus:
    """Write exact versions with hashes."""
    required = packages(options)
    if [options.environment is None, options.graph is None, not required].count(False) != 1:
        raise UsageRefused("lock what? Give one of: ENV, --graph GRAPH, or packages by --with and --requirements.")
    if options.environment is not None and options.python is not None:
        raise UsageRefused("--python is not allowed with ENV, which has its interpreter.")
    document, name = (None, None) if options.graph is None else read_document(options.graph)
    request = LockEnvironment(
        environment=options.environment,
        document=document,
        name=name,
        requirements=absolute_requirements(required),
        python=interpreter(options.python),
    )
    with open_session(options.socket) as client:
        written = client.ask(request, EnvironmentWritten)
    write_text(options.output, written.text)
    return ExitStatus.DONE


def export(options: argparse.Namespace) -> ExitStatus:
    """Write what is installed."""
    with open_session(options.socket) as client:
        written = client.environments.export(options.environment, format=options.format)
    write_text(options.output, written.text)
    return ExitStatus.DONE


def prune(options: argparse.Namespace) -> ExitStatus:
    """Delete what was built and is not used."""
    with open_session(options.socket) as client:
        found = client.environments.prune(unused_s=options.unused, disk_bytes=options.disk, dry_run=options.dry_run)
    if options.json:
        return _print_json(found)
    _print(env_report.pruned_lines(found.removed, terminal_width()))
    goes = "would be removed" if options.dry_run else "removed"
    told = f"{counted(len(found.removed), 'environment')} {goes}, {shown_size(found.freed_bytes)}."
    print(told if found.removed else "There is nothing to remove.", file=sys.stderr)
    return ExitStatus.DONE


def _print_json(message: Message) -> ExitStatus:
    print(json.dumps(to_wire(message), ensure_ascii=False))
    return ExitStatus.DONE


def _print(lines: Sequence[str]) -> None:
    if lines:
        print("\n".join(lines))
