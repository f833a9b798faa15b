"""`doctor`: how well nodes are kept from what is not theirs here, and whether the rest is in order."""

import argparse
import json
import os
import shutil
import sys

from pyflowd_client.cli.checkup import check_up
from pyflowd_client.cli.doctor_report import Line, report
from pyflowd_client.protocol.codec import to_wire
from pyflowd_client.protocol.errors import ExitStatus

WIDEST = 100


def doctor(options: argparse.Namespace) -> ExitStatus:
    """Examine everything; ends with 1 when something needs attention."""
    findings = tuple(check_up(options.socket, start=not options.no_start))
    is_healthy = not any(finding.matters for finding in findings)
    if options.json:
        told = {"healthy": is_healthy, "findings": [to_wire(finding) for finding in findings]}
        print(json.dumps(told, ensure_ascii=False))
    else:
        _print(report(findings, min(shutil.get_terminal_size().columns, WIDEST)))
    return ExitStatus.DONE if is_healthy else ExitStatus.ATTENTION


def _print(lines: list[Line]) -> None:
    if not sys.stdout.isatty() or os.environ.get("TERM") == "dumb":
        print("\n".join(text for text, _ in lines))
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=True)
    for text, style in lines:
        console.print(Text(text, style=style))
