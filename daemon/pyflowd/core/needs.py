"""What a graph says it needs, against what was granted: advice with the flag that would grant it."""

import posixpath
import shlex
from collections.abc import Iterable

from pyflowd.core.paths import is_within
from pyflowd.graph.diagnostics import Diagnostic, DiagnosticCode, DiagnosticLog, Severity
from pyflowd.graph.needs import Need, NeedKind
from pyflowd_client.protocol.options import Permissions

SOMEWHERE = "DIR"  # stands for a folder that only the user can choose


def needed(needs: Iterable[Need]) -> tuple[Diagnostic, ...]:
    """Everything, for who only wants to know."""
    found = DiagnosticLog()
    for need in needs:
        message = f"{_claim(need)}: grant it with {_flags(need, need.path)}"
        found.append(_about(need, Severity.INFO, DiagnosticCode.NEEDS_PERMISSION, message))
    return tuple(found)


def missing(needs: Iterable[Need], granted: Permissions, workdir: str | None) -> tuple[Diagnostic, ...]:
    """What a run goes without."""
    found = DiagnosticLog()
    for need in needs:
        path = need.path or (workdir and posixpath.normpath(posixpath.join(workdir, need.target)))
        if not _is_granted(need, path, granted):
            message = f"{_claim(need)}, which was not granted: grant it with {_flags(need, path)}"
            found.append(_about(need, Severity.WARNING, DiagnosticCode.MISSING_PERMISSION, message))
    return tuple(found)


def _is_granted(need: Need, path: str | None, granted: Permissions) -> bool:
    match need.kind:
        case NeedKind.ENV:
            return need.target in granted.env
        case _ if granted.all:
            return True
        case NeedKind.NET:
            return granted.net
        case NeedKind.READ:
            return path is not None and is_within(path, (*granted.read, *granted.write))
        case NeedKind.WRITE:
            return path is not None and is_within(path, granted.write)


def _claim(need: Need) -> str:
    who = "The graph" if need.title is None else f'"{need.title}"'
    what = {
        NeedKind.NET: "the network",
        NeedKind.READ: f"to read {need.target!r}",
        NeedKind.WRITE: f"to write {need.target!r}",
        NeedKind.ENV: f"the variable {need.target!r}",
    }[need.kind]
    return f"{who} says it needs {what}" + (f" ({need.reason})" if need.reason else "")


def _flags(need: Need, path: str | None) -> str:
    flag = f"--allow-{need.kind}"
    match need.kind:
        case NeedKind.NET:
            return flag
        case NeedKind.ENV:
            return f"{flag} {shlex.quote(need.target)}"
        case _ if path is not None:
            return f"{flag} {shlex.quote(path)}"
        case _:
            return f"--workdir {SOMEWHERE} {flag} {shlex.quote(f'{SOMEWHERE}/{need.target}')}"


def _about(need: Need, severity: Severity, code: DiagnosticCode, message: str) -> Diagnostic:
    return Diagnostic(severity=severity, code=code, message=message, node=need.node, title=need.title)
