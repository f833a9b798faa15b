"""A run, followed to its end: by people or by programs, and whatever signals come meanwhile."""

import argparse
import os
import sys
from typing import Protocol

from pyflowd_client.cli.interrupts import Interrupts
from pyflowd_client.protocol.ids import RunId
from pyflowd_client.protocol.options import Debugging
from pyflowd_client.protocol.states import DebuggerKind
from pyflowd_client.record import RunRecord

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyflowd_client.blocking import Client
    from pyflowd_client.cli.report import Report
    from pyflowd_client.protocol.codec import EventRecord
    from pyflowd_client.protocol.events import Event


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
            self._heed_interrupts()
            wake_fd = None if self._has_cancelled else self._interrupts.fd
            record = self._client.next_event(self._run, wake_fd=wake_fd)
            if record is not None:
                return record

    def _heed_interrupts(self) -> None:
        if self._interrupts.is_pending and not self._has_cancelled:
            self._has_cancelled = True
            print("cancelling; Ctrl-C again leaves without waiting", file=sys.stderr)
            self._client.cancel(self._run)


def following(client: "Client", run: RunId, interrupts: Interrupts, debugging: Debugging) -> Following:
    """A run, followed to its end, with the terminal lent to pdb where it is asked for."""
    if debugging.debugger is not DebuggerKind.PDB:
        return Following(client, run, interrupts)
    from pyflowd_client.cli.pdb_terminal import PdbFollowing  # not on the way of others

    return PdbFollowing(client, run, interrupts)


class Teller(Protocol):
    """Who tells people of a run."""

    def show(self, event: "Event") -> None:
        """One more event, which the record has already taken."""

    def finish(self) -> None:
        """The run is over."""

    def close(self) -> None:
        """Nothing more is shown."""


def print_events(follow: Following, record: RunRecord) -> None:
    """Each event as it came: encoding its values again could change them."""
    while not record.is_over:
        event = follow.next()
        record.skim(event)
        sys.stdout.buffer.write(event.text.encode() + b"\n")
        sys.stdout.buffer.flush()


def tell(follow: Following, record: RunRecord, teller: Teller) -> None:
    """Each event in words."""
    try:
        while not record.is_over:
            event = record.take(follow.next())
            if event is not None:
                teller.show(event)
        teller.finish()
    finally:
        teller.close()


def report_on(record: RunRecord, options: argparse.Namespace) -> "Report":
    """Who tells people, as it suits the terminal."""
    if sys.stderr.isatty() and not options.quiet and os.environ.get("TERM") != "dumb":
        from pyflowd_client.cli.live_report import LiveReport  # rich is worth its time only where it is seen

        return LiveReport(record, verbose=options.verbose)
    from pyflowd_client.cli.report import Report

    return Report(record, quiet=options.quiet, verbose=options.verbose)
