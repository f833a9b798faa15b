"""`env create`, `env install` and `env uninstall`: a named environment changes, and its progress is told."""

import argparse
import sys

from pyflowd_client.cli.choices import packages
from pyflowd_client.cli.following import Following, print_events, report_on, tell
from pyflowd_client.cli.interrupts import Interrupts
from pyflowd_client.cli.sessions import open_session
from pyflowd_client.cli.values import counted, one_line, several_lines, shown_size
from pyflowd_client.environments import creation, installation, uninstallation
from pyflowd_client.errors import PyflowdError, UsageRefused, run_exit_status
from pyflowd_client.protocol.errors import ExitStatus
from pyflowd_client.protocol.events import EnvironmentReady, Event, RunFinished
from pyflowd_client.protocol.requests import ChangeEnvironment
from pyflowd_client.protocol.states import RunState
from pyflowd_client.record import RunRecord

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyflowd_client.blocking import Client
    from pyflowd_client.cli.report import Report

DONE = {"create": "created", "install": "changed", "uninstall": "changed"}


def create(options: argparse.Namespace) -> ExitStatus:
    """Make a named environment."""
    return _change(options, creation(options.name, packages(options), options.python, options.allow_builds))


def install(options: argparse.Namespace) -> ExitStatus:
    """Install into a named environment."""
    required = packages(options)
    if not required:
        raise UsageRefused("install what? Name packages, or a file of them with --requirements.")
    return _change(options, installation(options.name, required, options.allow_builds))


def uninstall(options: argparse.Namespace) -> ExitStatus:
    """Remove packages from a named environment."""
    return _change(options, uninstallation(options.name, options.packages))


def _change(options: argparse.Namespace, request: ChangeEnvironment) -> ExitStatus:
    with Interrupts() as interrupts, open_session(options.socket) as client:
        submitted = client.submit(request)
        record = RunRecord()
        follow = Following(client, submitted.id, interrupts)
        if options.json:
            print_events(follow, record)
        else:
            tell(follow, record, ChangeReport(request, record, report_on(record, options)))
            if record.state is RunState.SUCCEEDED and not options.quiet:
                print(_ready(client, request.name), file=sys.stderr)
    return run_exit_status(record.state, record.failures, record.error)


class ChangeReport:
    """Tells how an environment changes, by means of another report; the end is told in words of its own."""

    def __init__(self, request: ChangeEnvironment, record: RunRecord, report: "Report") -> None:
        self._what = f"{one_line(request.name)} was not {DONE[request.action]}"
        self._record = record
        self._report = report

    def show(self, event: Event) -> None:
        """One more event."""
        match event:
            case EnvironmentReady():
                self._report.show_warnings(event)
            case RunFinished(state=RunState.CANCELLED):
                self._report.line(f"{self._what}: it was cancelled")
            case RunFinished() if event.error is not None:
                self._report.line(several_lines(f"{self._what}: {event.error.message} [{event.error.code}]"))
                self._report.show_hint(event.error)
            case _:
                self._report.show(event)

    def finish(self) -> None:
        """The run is over."""

    def close(self) -> None:
        """Give the terminal back."""
        self._report.close()


def _ready(client: "Client", name: str) -> str:
    """What it is now: `science is ready: Python 3.11.7, 12 packages, 214 MB`."""
    try:
        found = client.environments.show(name).environment
    except PyflowdError:  # somebody has removed it meanwhile, or the daemon ended: it was made all the same
        return f"{one_line(name)} is ready"
    parts = [f"Python {one_line(found.version)}" if found.version else "", counted(found.packages, "package")]
    parts.append(shown_size(found.size_bytes) if found.size_bytes is not None else "")
    return f"{one_line(name)} is ready: {', '.join(filter(None, parts))}"
