"""pyflowctl: reads the command line, runs one command, turns every error into a sentence and an exit status.

Only what the command needs is imported, since a command lasts about as long as its imports.
"""

import argparse
import os
import sys
from contextlib import suppress
from importlib import import_module
from typing import TextIO

from pyflowd_client.cli.parser import Parser, common_options
from pyflowd_client.cli.run_arguments import CHECK, RUN, add_check, add_graph, add_run
from pyflowd_client.cli.values import several_lines
from pyflowd_client.errors import PyflowdError
from pyflowd_client.protocol.errors import ExitStatus

BROKEN_PIPE = 128 + 13  # what a shell shows for a program that SIGPIPE ended

DESCRIPTION = """\
Execute PyFlowGraph node graphs: every node in a fresh process of its own.

  pyflowctl run graph.md                              run a graph, show what its last nodes give
  pyflowctl run graph.md --input 'Load.path="a.csv"'  give a value to an input
  pyflowctl run graph.md --json | jq .event           one event per line, for programs
  pyflowctl run graph.md --with 'pandas>=2'           with a package, which is installed if need be
  pyflowctl node graph.md Split --input 'parts=4'     run a single node of it
  pyflowctl check graph.md                            say what is wrong with a graph
  pyflowctl env list                                  see the environments that are kept
  pyflowctl status                                    see what the daemon does
  pyflowctl doctor                                    see how safe it is here, and what is out of order
"""
CONVERT = """\
Write a graph in another format: FlowSpec Markdown (md) or JSON.

  pyflowctl convert graph.json --to md
  pyflowctl convert graph.md -o graph.json
"""


ENV = """\
See, make and keep the environments that nodes run in: an interpreter with packages.

  pyflowctl env detect                           see the Pythons of this machine
  pyflowctl env create science numpy 'pandas>=2' make one that has a name
  pyflowctl run graph.md --env science           run a graph in it
  pyflowctl env show science                     see what it has, and how warm it is

ENV is a name, the beginning of an id as `pyflowctl env list` shows it, or a path (something with a / in it).
"""
NODE = """\
Run a single node of a graph and show what it gives and what it took. What it gets from other nodes is what they
gave when the graph, or a part of it, was run last; --input goes first.

  pyflowctl node graph.md Split
  pyflowctl node graph.md Split --input 'text="a b c"' --input parts=4

Ends as `run` does: 0 when the node is done, 1 when it failed, 65 when it lacks an input.
"""
DOCTOR = """\
Say how well nodes are kept from what is not theirs on this machine, what is missing for more, what that
exposes and which command enables it; and whether the rest is in order. Runs a node of its own to see.
A daemon is started if none runs.

  pyflowctl doctor
  pyflowctl doctor --json | jq '.findings[] | select(.matters)'

Ends with 0 when nothing needs attention, else with 1.
"""


def build_parser() -> Parser:
    """All commands. `command` in the result names the function that carries one out, as module:function."""
    parser = Parser(prog="pyflowctl", description=DESCRIPTION)
    parser.add_argument("--socket", metavar="PATH", help="where the daemon listens (default: $PYFLOWD_SOCKET)")
    common = common_options(Parser)
    commands = parser.add_subparsers(prog="pyflowctl", metavar="COMMAND", required=True, title="commands")

    def command(name: str, home: str, description: str, summary: str) -> argparse.ArgumentParser:
        added: argparse.ArgumentParser = commands.add_parser(
            name, description=description, help=summary, parents=[common]
        )
        added.set_defaults(command=f"{home}:{name}")
        return added

    add_run(command("run", "runs", RUN, "execute a graph"))
    commands.add_parser("node", description=NODE, help="run a single node", parents=[common], fill=_fill_node)
    add_check(command("check", "graphs", CHECK, "say what is wrong with a graph, without executing it"))
    _add_convert(command("convert", "graphs", CONVERT, "write a graph in another format"))
    commands.add_parser(
        "env", description=ENV, help="the environments that nodes run in", parents=[common], fill=_fill_env
    )
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


def _fill_node(node: Parser) -> None:
    from pyflowd_client.cli.node_arguments import fill

    fill(node)


def _fill_env(env: Parser) -> None:
    from pyflowd_client.cli.env_arguments import fill  # a dozen commands, which most command lines do without

    fill(env)


def _add_convert(convert: argparse.ArgumentParser) -> None:
    add_graph(convert)
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
        print(f"pyflowctl: {several_lines(text)}", file=sys.stderr)
        return
    _discard(sys.stderr)


def _discard(stream: TextIO) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


if __name__ == "__main__":
    sys.exit(main())
