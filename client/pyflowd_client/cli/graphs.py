"""`check` and `convert`: what can be known of a graph without executing it."""

import argparse
import json
import os
import sys
from collections.abc import Iterable

from pyflowd_client.cli.choices import chosen_environment
from pyflowd_client.cli.sessions import open_session
from pyflowd_client.cli.values import one_line
from pyflowd_client.errors import UsageRefused
from pyflowd_client.protocol.codec import to_wire
from pyflowd_client.protocol.errors import ExitStatus
from pyflowd_client.protocol.replies import Finding
from pyflowd_client.submission import read_document

FORMATS = {".md": "md", ".json": "json"}


def check(options: argparse.Namespace) -> ExitStatus:
    """Say what is wrong with a graph, and in which order its nodes would run."""
    document, name = read_document(options.graph)
    environment = chosen_environment(options)
    with open_session(options.socket) as client:
        checked = client.check(document, name=name, inputs=options.inputs, **environment)
    if options.json:
        print(json.dumps(to_wire(checked), ensure_ascii=False))
        return ExitStatus.DONE if checked.runnable else ExitStatus.BAD_GRAPH
    _show_findings(checked.findings)
    for place, node in enumerate(checked.nodes, 1):
        print(f"{place:3}. {one_line(node.title)} ({', '.join(node.inputs)}) -> {', '.join(node.outputs) or 'nothing'}")
    print("The graph can run." if checked.runnable else "The graph cannot run.", file=sys.stderr)
    return ExitStatus.DONE if checked.runnable else ExitStatus.BAD_GRAPH


def convert(options: argparse.Namespace) -> ExitStatus:
    """Write a graph in another format."""
    suffix = os.path.splitext(options.output or "")[1].lower()
    to = options.to or FORMATS.get(suffix)
    if to is None:
        raise UsageRefused("which format? Give --to md, --to json, or a file name that ends in one of them with -o.")
    document, name = read_document(options.graph)
    with open_session(options.socket) as client:
        converted = client.convert(document, to, name=name)
    _show_findings(converted.findings)
    write_text(options.output, converted.document)
    return ExitStatus.DONE


def write_text(path: str | None, text: str) -> None:
    """To standard output when there is no path, or when it is `-`."""
    if path is None or path == "-":
        sys.stdout.write(text)
        return
    try:
        with open(path, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
    except OSError as error:
        raise UsageRefused(f"cannot write {path}: {error.strerror}.") from None


def _show_findings(findings: Iterable[Finding]) -> None:
    for finding in findings:
        where = f"{one_line(finding.title or finding.node or '')}: " if finding.title or finding.node else ""
        print(f"{finding.severity}: {where}{finding.message} [{finding.code}]", file=sys.stderr)
