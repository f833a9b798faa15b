"""`run`: submit a graph, tell what happens, end with the status that it earned."""

import argparse
import os
import sys

from pyflowd_client.cli.interrupts import Interrupts
from pyflowd_client.cli.sessions import open_session
from pyflowd_client.errors import run_exit_status
from pyflowd_client.protocol.errors import ExitStatus
from pyflowd_client.protocol.ids import RunId
from pyflowd_client.protocol.requests import Permissions
from pyflowd_client.record import RunRecord
from pyflowd_client.submission import read_document

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyflowd_client.blocking import Client
    from pyflowd_client.cli.report import Report
    from pyflowd_client.protocol.codec import EventRecord


def run(options: argparse.Namespace) -> ExitStatus:
    """Execute a graph."""
    document, name = read_document(options.graph)
    with Interrupts() as interrupts, open_session(options.socket) as client:
        submitted = client.run_document(
            document,
            name=name,
            inputs=options.inputs,
            python=options.python,
            seed=options.seed,
            timeout_s=options.timeout,
            run_timeout_s=options.run_timeout,
            cpu_s=options.cpu_time,
            memory_bytes=options.memory,
            output_bytes=options.max_output,
            open_files=options.max_open_files,
            file_bytes=options.max_file_size,
            processes=options.max_processes,
            scratch_bytes=options.max_scratch,
            scratch_files=options.max_scratch_files,
            partial=options.partial,
            max_value_bytes=options.max_value,
            permissions=_permissions(options),
            workdir=options.workdir,
        )
        record = RunRecord()
        follow = Following(client, submitted.id, interrupts)
        if options.json:
            _print_events(follow, record)
        else:
            _tell(follow, record, options)
    if record.is_over:
        return run_exit_status(record.state, record.failures, record.error)
    return ExitStatus.INTERRUPTED


def _permissions(options: argparse.Namespace) -> Permissions:
    names = filter(_is_unicode, os.environ) if options.allow_all else options.allow_env
    return Permissions(
        net=options.allow_net,
        read=tuple(options.allow_read),
        write=tuple(options.allow_write),
        env={name: os.environ[name] for name in names},
        all=options.allow_all,
    )


def _is_unicode(variable: str) -> bool:
    """Others cannot travel; nobody who passes all he has misses them."""
    try:
        (variable + os.environ[variable]).encode()
    except UnicodeEncodeError:
        return False
    return True


class Following:
    """The events of a run until its last one; the first Ctrl-C cancels it, the second ends the telling."""

    def __init__(self, client: "Client", run: RunId, interrupts: Interrupts) -> None:
        self._client = client
        self._run = run
        self._interrupts = interrupts
        self._has_cancelled = False

    def next(self) -> "EventRecord":
        """The next event, whatever signals come meanwhile."""
        while True:
            if self._interrupts.is_pending and not self._has_cancelled:
                self._has_cancelled = True
                print("cancelling; Ctrl-C again leaves without waiting", file=sys.stderr)
                self._client.cancel(self._run)
            wake_fd = None if self._has_cancelled else self._interrupts.fd
            record = self._client.next_event(self._run, wake_fd=wake_fd)
            if record is not None:
                return record


def _print_events(follow: Following, record: RunRecord) -> None:
    """Each event as it came: encoding its values again could change them."""
    while not record.is_over:
        event = follow.next()
        record.skim(event)
        sys.stdout.buffer.write(event.text.encode() + b"\n")
        sys.stdout.buffer.flush()


def _tell(follow: Following, record: RunRecord, options: argparse.Namespace) -> None:
    report = _report(record, options)
    try:
        while not record.is_over:
            event = record.take(follow.next())
            if event is not None:
                report.show(event)
        report.finish()
    finally:
        report.close()


def _report(record: RunRecord, options: argparse.Namespace) -> "Report":
    if sys.stderr.isatty() and not options.quiet and os.environ.get("TERM") != "dumb":
        from pyflowd_client.cli.live_report import LiveReport  # rich is worth its time only where it is seen

        return LiveReport(record, verbose=options.verbose)
    from pyflowd_client.cli.report import Report

    return Report(record, quiet=options.quiet, verbose=options.verbose)
