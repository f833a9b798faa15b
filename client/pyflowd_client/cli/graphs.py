"""The commands about graph files: check and convert."""

import argparse
import json
import os
import sys
from pathlib import Path

from pyflowd_client.blocking import connect
from pyflowd_client.cli.__main__ import say
from pyflowd_client.errors import GraphFileError
from pyflowd_client.protocol.codec import to_wire
from pyflowd_client.protocol.errors import ExitStatus
from pyflowd_client.protocol.replies import Finding
from pyflowd_client.submission import decode_graph, read_graph


def graph_text(path: str) -> tuple[str, str | None]:
    """The text of a graph and its file's name; `-` is stdin, which has none."""
    if path == "-":
        return decode_graph(sys.stdin.buffer.read(), "stdin"), None
    return read_graph(path)


def check(arguments: argparse.Namespace) -> int:
    """Say what is wrong with a graph."""
    document, name = graph_text(arguments.graph)
    with connect(arguments.socket) as daemon:
        checked = daemon.check(document, name=name, inputs=dict(arguments.input), python=arguments.python)
    if arguments.json:
        print(json.dumps(to_wire(checked)))
    else:
        for finding in checked.findings:
            _show(finding)
        verdict = "can be run" if checked.runnable else "cannot be run as it is"
        print(f"{name or 'stdin'}: {len(checked.nodes)} nodes, {verdict}")
    return ExitStatus.DONE if checked.runnable else ExitStatus.BAD_GRAPH


def convert(arguments: argparse.Namespace) -> int:
    """Write a graph in the other format."""
    to = arguments.to or _format_of(arguments.output)
    if to is None:
        say("which format? Name it with --to md or --to json, or by the ending of -o FILE.")
        return ExitStatus.USAGE
    document, name = graph_text(arguments.graph)
    with connect(arguments.socket) as daemon:
        converted = daemon.convert(document, to, name=name)
    for finding in converted.findings:
        _show(finding)
    if arguments.output is None:
        sys.stdout.write(converted.document)
        return ExitStatus.DONE
    try:
        Path(arguments.output).write_text(converted.document, encoding="utf-8")
    except OSError as error:
        raise GraphFileError(f"cannot write {arguments.output}: {error.strerror}.") from None
    return ExitStatus.DONE


def _format_of(output: str | None) -> str | None:
    ending = os.path.splitext(output or "")[1]
    return {".md": "md", ".json": "json"}.get(ending)


def _show(finding: Finding) -> None:
    print(f"{finding.severity} [{finding.code}]: {finding.message}", file=sys.stderr)
