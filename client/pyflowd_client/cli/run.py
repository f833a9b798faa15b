"""The command `run`: submit a graph, show what happens, leave with its verdict.

Ctrl-C cancels the run and waits for its end; a second one detaches at once, and the daemon sees to the rest.
"""

import argparse
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from pyflowd_client.blocking import Client, connect
from pyflowd_client.cli.__main__ import say
from pyflowd_client.cli.graphs import graph_text
from pyflowd_client.cli.views import JsonView, PlainView, View
from pyflowd_client.errors import run_exit_status
from pyflowd_client.protocol.errors import ExitStatus
from pyflowd_client.protocol.ids import RunId
from pyflowd_client.record import RunRecord


def run(arguments: argparse.Namespace) -> int:
    """Execute a graph."""
    document, name = graph_text(arguments.graph)
    with _signals_to_descriptor() as wake_fd, connect(arguments.socket) as daemon:
        handle = daemon.run_document(
            document,
            name=name,
            inputs=dict(arguments.input),
            python=arguments.python,
            seed=arguments.seed,
            timeout_s=arguments.timeout,
            memory_bytes=arguments.memory,
            max_value_bytes=arguments.max_value,
            partial=arguments.partial,
        )
        with _view(arguments) as view:
            return _follow(daemon, handle.id, view, wake_fd)


def _follow(daemon: Client, run_id: RunId, view: View, wake_fd: int) -> int:
    record = RunRecord()
    is_cancelled = False
    while not record.is_over:
        news = daemon.next_event(run_id, wake_fd=wake_fd)
        if news is not None:
            event = news.decode()
            if event is not None:
                record.add(event)
            view.show(news, event, record)
            continue
        os.read(wake_fd, 64)
        if is_cancelled:
            say(f"detached; the daemon goes on ending run {run_id}.")
            return ExitStatus.INTERRUPTED
        is_cancelled = True
        say("cancelling the run; press Ctrl-C again to leave at once.")
        daemon.cancel(run_id)
    view.end(record)
    return run_exit_status(record.state, record.failures, record.error)


def _view(arguments: argparse.Namespace) -> View:
    if arguments.json:
        return JsonView()
    if sys.stderr.isatty() and not arguments.quiet and os.environ.get("TERM") != "dumb":
        from pyflowd_client.cli.live_view import LiveView  # rich is dear: only for a person's eyes

        return LiveView(is_verbose=arguments.verbose)
    return PlainView(is_quiet=arguments.quiet, is_verbose=arguments.verbose)


@contextmanager
def _signals_to_descriptor() -> Iterator[int]:
    """A descriptor that becomes readable at SIGINT or SIGTERM, which then do nothing else."""
    reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    before = {number: signal.signal(number, lambda *_: None) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.set_wakeup_fd(writer)
    try:
        yield reader
    finally:
        signal.set_wakeup_fd(-1)
        for number, handler in before.items():
            signal.signal(number, handler)
        os.close(reader)
        os.close(writer)
