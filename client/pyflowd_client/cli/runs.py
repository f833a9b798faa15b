"""`run`: submit a graph, tell what happens, end with the status that it earned."""

import argparse
import os

from pyflowd_client.cli.choices import chosen_environment
from pyflowd_client.cli.following import Following, print_events, report_on, tell
from pyflowd_client.cli.interrupts import Interrupts
from pyflowd_client.cli.sessions import open_session
from pyflowd_client.errors import run_exit_status
from pyflowd_client.protocol.errors import ExitStatus
from pyflowd_client.protocol.requests import Permissions
from pyflowd_client.record import RunRecord
from pyflowd_client.submission import read_document


def run(options: argparse.Namespace) -> ExitStatus:
    """Execute a graph."""
    document, name = read_document(options.graph)
    environment = chosen_environment(options)
    with Interrupts() as interrupts, open_session(options.socket) as client:
        submitted = client.run_document(
            document,
            name=name,
            inputs=options.inputs,
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
            cache=options.cache,
            explain=options.explain,
            partial=options.partial,
            max_value_bytes=options.max_value,
            permissions=_permissions(options),
            workdir=options.workdir,
            **environment,
        )
        record = RunRecord()
        follow = Following(client, submitted.id, interrupts)
        if options.json:
            print_events(follow, record)
        else:
            tell(follow, record, report_on(record, options))
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
