"""Environments as people read them. What comes from outside is made harmless for a terminal here."""

import os
import textwrap
import time
from collections.abc import Iterable, Sequence

from pyflowd_client.cli.tables import packed, table
from pyflowd_client.cli.values import counted, one_line, shown_age, shown_size, shown_time
from pyflowd_client.protocol.replies import (
    DetectedEnvironment,
    EnvironmentShown,
    EnvironmentSummary,
    EnvironmentVerified,
    ForkServer,
)

UNKNOWN = "-"
ID_LENGTH = 12
FINGERPRINT_LENGTH = 8
LABEL_WIDTH = 15
NARROWEST = 40


def detected_lines(found: Sequence[DetectedEnvironment], width: int | None) -> list[str]:
    """A table of those that nodes can run in, then the others, with the reason."""
    good = [environment for environment in found if not environment.problem]
    bad = [environment for environment in found if environment.problem]
    lines = []
    if good:
        headings = ("PYTHON", "KIND", "FOUND BY", "PACKAGES", "FINGERPRINT", "PATH")
        lines += table(headings, [_detected_row(environment) for environment in good], width)
    if bad:
        lines += ["", "No node can run in:"] if good else ["No node can run in:"]
    for environment in bad:
        lines.append(f"  {shown_path(environment.python)}")
        lines += _wrapped(environment.problem or "", width, "    ")
    return lines


def _detected_row(environment: DetectedEnvironment) -> tuple[str, ...]:
    return (
        one_line(environment.version or UNKNOWN),
        one_line(environment.kind),
        one_line(environment.source),
        UNKNOWN if environment.packages is None else f"{environment.packages:,}",
        one_line(environment.fingerprint or UNKNOWN)[:FINGERPRINT_LENGTH],
        shown_path(environment.python),
    )


def kept_lines(found: Sequence[EnvironmentSummary], width: int | None) -> list[str]:
    """A table of those that the daemon keeps."""
    headings = ("ENVIRONMENT", "PYTHON", "PACKAGES", "SIZE", "USED", "STATE", "REQUIREMENTS")
    return table(headings, [_kept_row(environment, time.time()) for environment in found], width, cuts=True)


def _kept_row(environment: EnvironmentSummary, now: float) -> tuple[str, ...]:
    return (
        shown_id(environment),
        one_line(environment.version or UNKNOWN),
        f"{environment.packages:,}",
        UNKNOWN if environment.size_bytes is None else shown_size(environment.size_bytes),
        "never" if environment.used is None else shown_age(now - environment.used),
        one_line(environment.state),
        one_line(", ".join(environment.requirements)),
    )


def pruned_lines(found: Sequence[EnvironmentSummary], width: int | None) -> list[str]:
    """A table of those that go."""
    headings = ("ENVIRONMENT", "SIZE", "USED", "REQUIREMENTS")
    rows = [_kept_row(environment, time.time()) for environment in found]
    return table(headings, [(row[0], row[3], row[4], row[6]) for row in rows], width, cuts=True) if rows else []


def shown_lines(shown: EnvironmentShown, width: int | None) -> list[str]:
    """All that is known of one."""
    environment, now = shown.environment, time.time()
    size = [] if environment.size_bytes is None else [shown_size(environment.size_bytes)]
    lines = [one_line(environment.id)]
    lines += _labelled("kind", [one_line(environment.kind)])
    lines += _labelled(
        "python", [" ".join(filter(None, (one_line(environment.version or ""), shown_path(environment.python))))]
    )
    lines += _labelled("made by", [one_line(shown.manager)] if shown.manager else [])
    lines += _labelled("size", [", ".join([*size, counted(len(shown.packages) or environment.packages, "package")])])
    lines += _labelled("created", [] if environment.created is None else [shown_age(now - environment.created)])
    lines += _labelled("used", [] if environment.used is None else [shown_age(now - environment.used)])
    lines += _labelled("requirements", map(one_line, environment.requirements))
    lines += _labelled("kept warm", ["yes, until `pyflowctl env cool`"] if shown.is_kept else [])
    for server in shown.fork_servers:
        lines += ["", *_fork_server_lines(server, width)]
    if not shown.fork_servers:
        lines += _labelled("fork server", ["none"])
    if shown.learnt:
        lines += ["", "learnt imports", *_wrapped(", ".join(shown.learnt), width, "  ")]
    if shown.packages:
        longest = max(len(package.name) for package in shown.packages)
        cells = [one_line(f"{package.name:{longest}} {package.version}") for package in shown.packages]
        lines += ["", "packages", *(f"  {line}" for line in packed(cells, width and width - 2))]
    return lines


def _fork_server_lines(server: ForkServer, width: int | None) -> list[str]:
    facts = [
        one_line(server.state),
        "" if server.pid is None else f"process {server.pid}",
        one_line(f"sandbox {server.tier}") if server.tier else "",
        counted(server.spares, "spare"),
        "" if server.memory_bytes is None else shown_size(server.memory_bytes),
    ]
    lines = [f"fork server: {', '.join(filter(None, facts))}"]
    lines += _labelled("permitted", [one_line(server.permissions)] if server.permissions else [])
    modules = [entry.module for entry in server.preloaded] + [entry.module for entry in server.not_preloaded]
    longest = max(map(len, modules), default=0)
    spared = [one_line(f"{entry.module:{longest}}  {shown_time(entry.seconds)}") for entry in server.preloaded]
    lines += _labelled("preloaded", spared)
    label = "not preloaded"
    for entry in server.not_preloaded:
        begin = f"  {label:{LABEL_WIDTH}}{one_line(entry.module):{longest}}  "
        lines += _wrapped(entry.reason, width, begin, " " * len(begin))
        label = ""
    return lines


def verified_lines(found: EnvironmentVerified) -> list[str]:
    """What is not as it should be; nothing when all is well."""
    told = [("problem", [found.problem] if found.problem else []), ("missing", found.missing)]
    told += [("conflict", found.conflicts), ("missing, optional", found.optional_missing)]
    return [f"{what}: {one_line(text)}" for what, texts in told for text in texts]


def shown_id(environment: EnvironmentSummary) -> str:
    """Its name; of a digest what tells it from others."""
    return one_line(environment.id if environment.kind != "built" else environment.id[:ID_LENGTH])


def shown_path(path: str) -> str:
    """With `~` for the home folder, as one may type it."""
    home = os.path.expanduser("~")
    return one_line("~" + path[len(home) :] if home != "/" and path.startswith(home + "/") else path)


def _labelled(label: str, values: Iterable[str]) -> list[str]:
    lines = []
    for value in values:
        lines.append(f"  {label:{LABEL_WIDTH}}{value}")
        label = ""
    return lines


def _wrapped(text: str, width: int | None, first: str, indent: str | None = None) -> list[str]:
    later = first if indent is None else indent
    words = one_line(" ".join(text.split()))
    if width is None:
        return [first + words]
    return textwrap.wrap(words, max(width, NARROWEST), initial_indent=first, subsequent_indent=later)
