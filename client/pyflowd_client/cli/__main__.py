"""pyflowctl: reads the command line, runs one command, turns every error into a sentence and an exit status.

Only what the command needs is imported, since a command lasts about as long as its imports.
"""

import argparse
import os
import sys
from contextlib import suppress
from importlib import import_module
from typing import TextIO

from pyflowd_client.cli.arguments import (
    CollectInputs,
    count,
    existing_folder,
    existing_path,
    node_input,
    seconds,
    size_bytes,
    size_or_all,
    variable,
    whole_number,
)
from pyflowd_client.errors import PyflowdError
from pyflowd_client.protocol.errors import ExitStatus

BROKEN_PIPE = 128 + 13  # what a shell shows for a program that SIGPIPE ended

DESCRIPTION = """\
Execute PyFlowGraph node graphs: every node in a fresh process of its own.

  pyflowctl run graph.md                              run a graph, show what its last nodes give
  pyflowctl run graph.md --input 'Load.path="a.csv"'  give a value to an input
  pyflowctl run graph.md --json | jq .event           one event per line, for programs
  pyflowctl check graph.md                            say what is wrong with a graph
  pyflowctl status                                    see what the daemon does
  pyflowctl doctor                                    see how safe it is here, and what is out of order
"""
RUN = """\
Execute a graph and show what its last nodes give. A daemon is started if none runs.

  pyflowctl run graph.md
  pyflowctl run graph.md --input 'Load.path="a.csv"' --input 'Split.parts=4'
  pyflowctl run graph.md --python .venv --timeout 60 --memory 2G
  pyflowctl run graph.md --workdir . --allow-write results --allow-net
  pyflowctl run - --json < graph.md

Ends with 0 when all nodes are done, 1 when a node failed, 65 when the graph has errors,
69 when there is no daemon, 124 when a node took too long, 130 when cancelled.
"""
CHECK = """\
Read a graph as `run` would, without executing it: what is wrong, and in which order its nodes would run.

  pyflowctl check graph.md
  pyflowctl check graph.md --python .venv --json
"""
CONVERT = """\
Write a graph in another format: FlowSpec Markdown (md) or JSON.

  pyflowctl convert graph.json --to md
  pyflowctl convert graph.md -o graph.json
"""


DOCTOR = """\
Say how well nodes are kept from what is not theirs on this machine, what is missing for more, what that
exposes and which command enables it; and whether the rest is in order. Runs a node of its own to see.
A daemon is started if none runs.

  pyflowctl doctor
  pyflowctl doctor --json | jq '.findings[] | select(.matters)'

Ends with 0 when nothing needs attention, else with 1.
"""


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Shows descriptions as they were written. Its width is fixed: asking for the terminal's imports shutil."""

    def __init__(self, prog: str) -> None:
        super().__init__(prog, max_help_position=30, width=100)


class Parser(argparse.ArgumentParser):
    """A parser of pyflowctl."""

    def __init__(self, **options: object) -> None:
        super().__init__(formatter_class=HelpFormatter, **options)  # type: ignore[arg-type]


def build_parser() -> Parser:
    """All commands. `command` in the result names the function that carries one out, as module:function."""
    parser = Parser(prog="pyflowctl", description=DESCRIPTION)
    parser.add_argument("--socket", metavar="PATH", help="where the daemon listens (default: $PYFLOWD_SOCKET)")
    common = Parser(add_help=False)
    common.add_argument("--socket", metavar="PATH", default=argparse.SUPPRESS, help=argparse.SUPPRESS)
    commands = parser.add_subparsers(prog="pyflowctl", metavar="COMMAND", required=True, title="commands")

    def command(name: str, home: str, description: str, summary: str) -> argparse.ArgumentParser:
        added: argparse.ArgumentParser = commands.add_parser(
            name, description=description, help=summary, parents=[common]
        )
        added.set_defaults(command=f"{home}:{name}")
        return added

    _add_run(command("run", "runs", RUN, "execute a graph"))
    _add_check(command("check", "graphs", CHECK, "say what is wrong with a graph, without executing it"))
    _add_convert(command("convert", "graphs", CONVERT, "write a graph in another format"))
    status = command("status", "daemons", "Show what the daemon does. Does not start one.", "show what the daemon does")
    status.add_argument("--json", action="store_true", help="one JSON object")
    doctor = command("doctor", "doctor", DOCTOR, "say how safe nodes are here, and what is out of order")
    doctor.add_argument("--json", action="store_true", help="one JSON object")
    doctor.add_argument("--no-start", action="store_true", help="do not start a daemon if none runs")
    command("start", "daemons", "Start a daemon that stays until `pyflowctl stop`.", "start a daemon that stays")
    stop = command("stop", "daemons", "End the daemon; what it runs is cancelled.", "end the daemon")
    stop.add_argument("--drain", action="store_true", help="let it finish what it runs, and accept nothing new")
    cancel = command("cancel", "daemons", "End a run: its nodes are interrupted, then killed.", "end a run")
    cancel.add_argument("run", metavar="RUN", help="the run's id, as `pyflowctl status` shows it")
    command("version", "daemons", "Show the version of this program.", "show the version of this program")
    return parser


def _add_graph(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("graph", metavar="GRAPH", help="a graph file, FlowSpec Markdown or JSON; - is standard input")


def _add_environment(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--input",
        metavar="NODE.PIN=JSON",
        dest="inputs",
        type=node_input,
        action=CollectInputs,
        default={},
        help="a value for an input; NODE is a node's title or id. Repeatable",
    )
    parser.add_argument("--python", metavar="PATH", help="interpreter or virtual environment to run the nodes in")


def _add_run(run: argparse.ArgumentParser) -> None:
    _add_graph(run)
    _add_environment(run)
    run.add_argument("--seed", metavar="N", type=whole_number, help="make random numbers the same in every run")
    run.add_argument(
        "--max-value",
        metavar="SIZE|all",
        type=size_or_all,
        default=1_000_000,
        help="show larger values as a note of their type and size (default: 1 MB)",
    )
    run.add_argument("--partial", action="store_true", help="run what can be run of a graph with errors")
    _add_permissions(run.add_argument_group("permissions", "Up to what the daemon's settings allow."))
    _add_limits(run.add_argument_group("limits", "Up to what the daemon's settings allow."))
    form = run.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one event per line, as JSON")
    form.add_argument("--quiet", action="store_true", help="show outputs and errors only")
    form.add_argument("--verbose", action="store_true", help="show when nodes begin and what they took")


def _add_permissions(permissions: argparse._ArgumentGroup) -> None:
    add = permissions.add_argument
    add("--allow-net", action="store_true", help="let nodes use the network, and the sockets of other programs")
    for flag, metavar, kind, what in (
        ("--allow-read", "PATH", existing_path, "let nodes read a file, or a folder and all below it"),
        ("--allow-write", "PATH", existing_path, "let nodes read and write it"),
        ("--allow-env", "NAME", variable, "let nodes see a variable as it is set here"),
    ):
        add(flag, metavar=metavar, type=kind, action="append", default=[], help=f"{what}. Repeatable")
    add(
        "--allow-all",
        action="store_true",
        help="let nodes do all that you may, and see all variables that are set here",
    )
    add("--workdir", metavar="DIR", type=existing_folder, help="the folder that nodes start in, which they may read")


def _add_limits(limits: argparse._ArgumentGroup) -> None:
    limits.add_argument("--timeout", metavar="S", type=seconds, help="seconds that each node may take")
    limits.add_argument("--run-timeout", metavar="S", type=seconds, help="seconds that the whole run may take")
    limits.add_argument(
        "--cpu-time", metavar="S", type=count, help="whole seconds of CPU time that each process of a node may use"
    )
    limits.add_argument("--memory", metavar="SIZE", type=size_bytes, help="memory that each node may use, such as 2G")
    limits.add_argument(
        "--max-output", metavar="SIZE", type=size_bytes, help="output of each node, of which else only the end is kept"
    )
    limits.add_argument(
        "--max-open-files", metavar="N", type=count, help="files that each process of a node may have open"
    )
    limits.add_argument("--max-file-size", metavar="SIZE", type=size_bytes, help="how long a file may become")
    limits.add_argument(
        "--max-processes", metavar="N", type=count, help="processes and threads that each node may have at once"
    )
    limits.add_argument(
        "--max-scratch", metavar="SIZE", type=size_bytes, help="what each node may keep in its scratch folder"
    )
    limits.add_argument("--max-scratch-files", metavar="N", type=count, help="files that each node may keep there")


def _add_check(check: argparse.ArgumentParser) -> None:
    _add_graph(check)
    _add_environment(check)
    check.add_argument("--json", action="store_true", help="one JSON object")


def _add_convert(convert: argparse.ArgumentParser) -> None:
    _add_graph(convert)
    convert.add_argument("--to", choices=["md", "json"], help="the format (default: by the name given with -o)")
    convert.add_argument("-o", "--output", metavar="FILE", help="write there, not to standard output")


def main(arguments: list[str] | None = None) -> int:
    """The exit status of one command."""
    _prepare_streams()
    options = build_parser().parse_args(arguments)
    home, _, name = options.command.partition(":")
    try:
        status = getattr(import_module(f"pyflowd_client.cli.{home}"), name)(options)
        sys.stdout.flush()
    except PyflowdError as error:
        _complain(str(error))
        return int(error.exit_status)
    except KeyboardInterrupt:
        return int(ExitStatus.INTERRUPTED)
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        _discard(sys.stdout)
        return BROKEN_PIPE
    except OSError as error:
        if error.filename is not None:
            raise
        _discard(sys.stdout)  # what is left in its buffer has nowhere to go
        _complain(f"cannot write the output: {error.strerror}.")
        return int(ExitStatus.USAGE)
    return int(status)


def _prepare_streams() -> None:
    """What the terminal's encoding cannot carry is escaped; a stream that the caller closed leads nowhere."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.open(os.devnull, os.O_WRONLY), "w", closefd=False))  # noqa: SIM115 - for good
        getattr(sys, name).reconfigure(errors="backslashreplace")


def _complain(text: str) -> None:
    with suppress(OSError):
        print(f"pyflowctl: {text}", file=sys.stderr)
        return
    _discard(sys.stderr)


def _discard(stream: TextIO) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


if __name__ == "__main__":
    sys.exit(main())
