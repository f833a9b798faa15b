"""Findings as people read them: first what needs attention, with what it exposes and what to do; last what is fine."""

import textwrap
from collections.abc import Sequence

from pyflowd_client.cli.values import counted, one_line
from pyflowd_client.protocol.replies import Observation
from pyflowd_client.protocol.states import Health

Line = tuple[str, str]  # a text, and how it looks on a terminal

COMMAND = "$ "
INDENT = "  "
AREA_WIDTH = 13


def report(findings: Sequence[Observation], width: int) -> list[Line]:
    """All of it, in lines no wider than `width`; commands stay whole, for they are copied."""
    urgent = [finding for finding in findings if finding.matters]
    open_ = [finding for finding in findings if not finding.matters and finding.state is not Health.OK]
    fine = [finding for finding in findings if not finding.matters and finding.state is Health.OK]
    lines: list[Line] = []
    for heading, style, group in (
        ("NEEDS ATTENTION", "bold red", urgent),
        ("GOOD TO KNOW (works as it is)", "bold yellow", open_),
    ):
        if group:
            lines += [(heading, style), ("", "")]
            for finding in group:
                lines += [*_at_length(finding, width), ("", "")]
    if fine:
        lines += [("IN ORDER", "bold green"), *_in_short(fine, width), ("", "")]
    return [*lines, _summary(len(urgent), len(open_))]


def _summary(urgent: int, open_: int) -> Line:
    if urgent:
        return f"{counted(urgent, 'thing')} {'needs' if urgent == 1 else 'need'} attention: see above.", "bold red"
    more = f" {counted(open_, 'thing')} could be better." if open_ else ""
    return f"Nothing needs attention.{more}", "bold green"


def _at_length(finding: Observation, width: int) -> list[Line]:
    lines: list[Line] = [(f"{INDENT}{finding.area}: {one_line(finding.name)}", "bold")]
    for line in finding.detail.splitlines():
        lines += _wrapped(line, width, INDENT * 2)
    if finding.exposes:
        lines += _wrapped(finding.exposes, width, INDENT * 2, "exposed: ")
    first = "to do:   "
    for line in (finding.remedy or "").splitlines():
        if line.startswith(COMMAND):
            lines.append((INDENT * 2 + first + one_line(line), "cyan"))
        else:
            lines += _wrapped(line, width, INDENT * 2, first)
        first = " " * len(first)
    return lines


def _wrapped(text: str, width: int, indent: str, label: str = "") -> list[Line]:
    wrapped = textwrap.wrap(
        one_line(text),
        width,
        initial_indent=indent + label,
        subsequent_indent=indent + " " * len(label),
        break_long_words=False,
        break_on_hyphens=False,
    )
    return [(line, "") for line in wrapped]


def _in_short(findings: Sequence[Observation], width: int) -> list[Line]:
    lines: list[Line] = []
    area = ""
    areas = list(dict.fromkeys(finding.area for finding in findings))
    for finding in sorted(findings, key=lambda finding: areas.index(finding.area)):
        shown = "" if finding.area == area else finding.area
        area = finding.area
        text = f"{one_line(finding.name)}: {finding.detail}"
        lines += _wrapped(text, width, INDENT, shown.ljust(AREA_WIDTH))
    return lines
