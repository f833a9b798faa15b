"""`run` and `node`: submit a graph, or a part of it, tell what happens, end with the status that it earned."""

import argparse
import os
from collections.abc import Callable, Mapping

from pyflowd_client.cli.choices import chosen_debugging, chosen_environment
from pyflowd_client.cli.following import Teller, following, print_events, report_on, tell
from pyflowd_client.cli.interrupts import Interrupts
from pyflowd_client.cli.sessions import open_session
from pyflowd_client.errors import UsageRefused, run_exit_status
from pyflowd_client.protocol.errors import ExitStatus
from pyflowd_client.protocol.options import Permissions
from pyflowd_client.record import RunRecord
from pyflowd_client.submission import RunArguments, origin_of, read_document


def run(options: argparse.Namespace) -> ExitStatus:
    """Execute a graph, or a part of it."""
    return _execute(options, options.inputs, report_on)


def node(options: argparse.Namespace) -> ExitStatus:
    """Execute a single node."""
    from pyflowd_client.cli.node_report import NodeReport

    inputs: dict[str, object] = {}
    for pin, value in options.inputs.items():
        whole = pin if "." in pin else f"{options.node}.{pin}"
        if whole in inputs:
            raise UsageRefused(f"--input {whole} is given twice.")
        inputs[whole] = value
    options.only = [options.node]
    return _execute(options, inputs, lambda record, options: NodeReport(record, report_on(record, options)))


def _execute(
    options: argparse.Namespace,
    inputs: Mapping[str, object],
    teller: Callable[[RunRecord, argparse.Namespace], Teller],
) -> ExitStatus:
    document, name = read_document(options.graph)
    debugging = chosen_debugging(options)
    arguments: RunArguments = {
        **execution(options),
        "origin": None if name is None else origin_of(options.graph),
        "inputs": inputs,
        "targets": options.targets,
        "start_from": options.start_from,
        "only": options.only,
        "partial": options.partial,
        "debugging": debugging,
        "isolation": options.isolation,
        "cache": options.cache,
        "explain": options.explain,
    }
    with Interrupts() as interrupts, open_session(options.socket) as client:
        submitted = client.run_document(document, name=name, **arguments)
        record = RunRecord()
        follow = following(client, submitted.id, interrupts, debugging)
        if options.json:
            print_events(follow, record)
        else:
            tell(follow, record, teller(record, options))
    if record.is_over:
        return run_exit_status(record.state, record.failures, record.error)
    return ExitStatus.INTERRUPTED


def execution(options: argparse.Namespace) -> RunArguments:
    """How nodes are executed, as `run` and `live` were told; UsageRefused when it does not go together."""
    environment = chosen_environment(options)
    return {
        "seed": options.seed,
        "timeout_s": options.timeout,
        "run_timeout_s": options.run_timeout,
        "cpu_s": options.cpu_time,
        "memory_bytes": options.memory,
        "output_bytes": options.max_output,
        "open_files": options.max_open_files,
        "file_bytes": options.max_file_size,
        "processes": options.max_processes,
        "scratch_bytes": options.max_scratch,
        "scratch_files": options.max_scratch_files,
        "max_value_bytes": options.max_value,
        "permissions": _permissions(options),
        "workdir": options.workdir,
        "python": environment["python"],
        "environment": environment["environment"],
        "requirements": environment["requirements"],
        "allow_builds": environment["allow_builds"],
    }


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
