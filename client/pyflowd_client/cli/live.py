"""`live`: a session that is shown and changed until somebody has enough.

It has three faces: lines of JSON for programs, the nodes in place on a terminal, plain lines elsewhere.

One loop waits for all: events, standard input, signals, and the file, at which it looks now and then. What goes wrong
with a change is told by the face; the session goes on.
"""

import argparse
import os
import select
import sys
import time
from collections.abc import Iterable
from typing import Protocol

from pyflowd_client.cli.interrupts import Interrupts
from pyflowd_client.cli.runs import execution
from pyflowd_client.cli.sessions import open_session
from pyflowd_client.cli.watched_file import LOOK_EVERY_S, WatchedFile
from pyflowd_client.errors import ChangeRefused, GraphFileError, RequestUnsendable, UsageRefused
from pyflowd_client.live import Live
from pyflowd_client.protocol.codec import EventRecord
from pyflowd_client.protocol.errors import ErrorCode, ErrorInfo, ExitStatus, exit_status
from pyflowd_client.protocol.requests import UpdateLive
from pyflowd_client.protocol.states import RunState
from pyflowd_client.submission import LiveArguments, origin_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyflowd_client.blocking import Client

READ_EVERY_S = 0.05


class Face(Protocol):
    """Who shows a session, and says what is typed."""

    fd: int | None
    """What is read, if anything is."""
    is_done: bool
    """Whether nothing more is to come."""
    patience_s: float
    """How long what was asked for may then still take, seconds."""

    def read(self) -> Iterable[UpdateLive]:
        """The changes that `fd` has; called when it can be read."""

    def show(self, record: EventRecord) -> None:
        """One more event, which the session has already taken."""

    def refuse(self, refusal: ChangeRefused) -> None:
        """A change was not made."""

    def warn(self, text: str) -> None:
        """Something else that is wrong."""

    def refresh(self) -> None:
        """All that came for now was shown."""

    def close(self) -> None:
        """Nothing more is shown."""


def live(options: argparse.Namespace) -> ExitStatus:
    """Hold a live session."""
    watched = _graph_file(options)
    with Interrupts() as interrupts, open_session(options.socket) as client, _session(client, options, watched) as live:
        face = _face(live, options)
        try:
            _Loop(live, face, interrupts, None if options.no_watch else watched).run()
        finally:
            face.close()
        return _status(live)


def _graph_file(options: argparse.Namespace) -> WatchedFile | None:
    if (options.graph is None) == (options.follow is None):
        raise UsageRefused("live needs a GRAPH, or --follow RUN, one of them. See `pyflowctl live --help`.")
    if options.graph == "-":
        raise UsageRefused("live follows a file; standard input is for changes.")
    return None if options.graph is None else WatchedFile(options.graph)


def _session(client: "Client", options: argparse.Namespace, watched: WatchedFile | None) -> Live:
    if watched is None:
        joined = client.follow_live(options.follow)
        for name, value in options.inputs.items():
            node, _, pin = name.rpartition(".")
            joined.set(node, pin, value)
        return joined
    arguments: LiveArguments = {
        **execution(options),
        "inputs": options.inputs,
        "origin": origin_of(watched.path),
        "isolation": options.isolation,
        "paused": options.paused,
        "linger_s": options.linger,
    }
    return client.live_document(watched.document, name=watched.name, **arguments)


def _face(live: Live, options: argparse.Namespace) -> Face:
    if options.json:
        from pyflowd_client.cli.live_json import JsonFace

        return JsonFace(live)
    if sys.stdout.isatty() and os.environ.get("TERM") != "dumb":
        from pyflowd_client.cli.live_screen import ScreenFace  # rich is worth its time only where it is seen

        return ScreenFace(live)
    from pyflowd_client.cli.live_plain import PlainFace

    return PlainFace(live)


class _Loop:
    """Until the session is over, the face is done, or a signal comes; then the session is closed, if it is ours."""

    def __init__(self, live: Live, face: Face, interrupts: Interrupts, watched: WatchedFile | None) -> None:
        self._live = live
        self._face = face
        self._interrupts = interrupts
        self._watched = watched
        self._look_at = self._read_at = time.monotonic()
        self._settle_until: float | None = None

    def run(self) -> None:
        """As said."""
        while not self._is_over():
            self._send(self._typed())
            self._look_at_file()
            self._show_next()
        if self._live.is_own and self._live.end():
            while not self._live.record.is_over:
                self._show_next()
        self._face.refresh()

    def _is_over(self) -> bool:
        if self._live.record.is_over or self._interrupts.is_pending:
            return True
        if not self._face.is_done:
            return False
        if self._settle_until is None and (self._live.state is not RunState.QUEUED or not self._face.patience_s):
            self._settle_until = time.monotonic() + self._face.patience_s
        if self._settle_until is None:  # an environment can take minutes to be made
            return False
        return self._live.is_settled or time.monotonic() >= self._settle_until

    def _typed(self) -> Iterable[UpdateLive]:
        """What was typed, at which events that keep coming must not keep us from looking."""
        fd = self._face.fd
        if fd is None or self._face.is_done or time.monotonic() < self._read_at:
            return ()
        self._read_at = time.monotonic() + READ_EVERY_S
        return self._face.read() if select.select([fd], [], [], 0)[0] else ()

    def _look_at_file(self) -> None:
        if self._watched is None or time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + LOOK_EVERY_S
        try:
            document = self._watched.new_text()
        except GraphFileError as error:
            self._face.warn(str(error))
            return
        if document is not None:
            self._send([self._live.updating(document, self._watched.name, None)])

    def _send(self, changes: Iterable[UpdateLive]) -> None:
        for request in changes:
            try:
                self._live.send(request)
            except RequestUnsendable as error:
                self._refuse(ErrorInfo(code=ErrorCode.BAD_INPUT, message=str(error)), request)

    def _refuse(self, error: ErrorInfo, request: UpdateLive) -> None:
        self._face.refuse(ChangeRefused(error, request.change or ""))

    def _show_next(self) -> None:
        try:
            record = self._live.next_event(timeout_s=0)
            if record is None:
                self._face.refresh()
                record = self._live.next_event(timeout_s=LOOK_EVERY_S, wake_fds=self._wake_fds())
                self._read_at = 0.0
        except ChangeRefused as refusal:
            self._face.refuse(refusal)
            return
        if record is not None:
            self._face.show(record)

    def _wake_fds(self) -> tuple[int, ...]:
        fd = self._face.fd
        return (self._interrupts.fd,) if fd is None or self._face.is_done else (self._interrupts.fd, fd)


def _status(live: Live) -> ExitStatus:
    record = live.record
    if record.error is not None:
        return exit_status(record.error.code)
    if record.state is RunState.FAILED:
        return ExitStatus.NODE_FAILED
    return ExitStatus.INTERRUPTED if record.state is RunState.CANCELLED and not live.is_own else ExitStatus.DONE
