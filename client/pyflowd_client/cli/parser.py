"""The arguments of every command. Which function carries a command out is only looked up once it is chosen."""

import argparse
import json
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

from pyflowd_client.protocol.requests import DEFAULT_MAX_VALUE_BYTES

UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12, "KI": 2**10, "MI": 2**20, "GI": 2**30, "TI": 2**40}

RUN_EXAMPLES = """examples:
  pyflowctl run report.md
  pyflowctl run report.md --input Loader.path='"sales.csv"' --seed 7
  pyflowctl run report.json --python .venv --timeout 30 --memory 500M
  pyflowctl run report.md --json | jq -c 'select(.event == "node_finished")'
"""


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """The arguments, with `command` set to the function that carries them out. Leaves with status 2 on a bad line."""
    return _parser().parse_args(arguments)


def size_bytes(text: str) -> int:
    """A size such as 500M, 2G, 1.5GiB or plain bytes."""
    letters = text.lstrip("0123456789.")
    unit = letters.strip().upper().removesuffix("B")
    try:
        count = float(text[: len(text) - len(letters)])
        if unit not in UNITS or count <= 0:
            raise ValueError
    except ValueError:
        raise argparse.ArgumentTypeError(f"'{text}' is no size; write 500M, 2G, 1.5GiB or a number of bytes") from None
    return int(count * UNITS[unit])


def value_limit(text: str) -> int | None:
    """A size, or `all`."""
    return None if text == "all" else size_bytes(text)


def node_input(text: str) -> tuple[str, Any]:
    """NODE.PIN=JSON."""
    pin, separator, value = text.partition("=")
    if not separator or "." not in pin:
        raise argparse.ArgumentTypeError(f"'{text}' is not NODE.PIN=JSON")
    try:
        return pin, json.loads(value)
    except (ValueError, RecursionError):
        hint = f"""; a text needs quotes: {pin}='"{value}"'""" if value[:1].isalpha() else ""
        raise argparse.ArgumentTypeError(f"the value of {pin} is not JSON: {value}{hint}") from None


def seconds(text: str) -> float:
    """A number of seconds over 0."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < float("inf"):
        raise argparse.ArgumentTypeError(f"'{text}' is no number of seconds over 0")
    return number


def _command(module: str, name: str) -> Callable[[argparse.Namespace], int]:
    """The function `name` of a module of this package, imported when it is called."""

    def call(arguments: argparse.Namespace) -> int:
        return int(getattr(import_module(f"pyflowd_client.cli.{module}"), name)(arguments))

    return call


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pyflowctl", description="Run PyFlowGraph node graphs on the pyflowd daemon.")
    parser.add_argument("--socket", metavar="PATH", help="the daemon's socket (default: $PYFLOWD_SOCKET, then yours)")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    _add_run(commands)
    _add_check(commands)
    _add_convert(commands)
    _add_daemon_commands(commands)
    return parser


def _add(commands: Any, name: str, module: str, text: str, epilog: str = "") -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(
        name, help=text, description=text, epilog=epilog, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.set_defaults(command=_command(module, name))
    return parser


def _add_graph(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("graph", metavar="GRAPH", help="a FlowSpec .md or .json file; - is stdin")


def _add_inputs(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--input", metavar="NODE.PIN=JSON", type=node_input, action="append", default=[], help="give a node a value")
    add("--python", metavar="PATH", help="the interpreter or virtual environment that nodes run in")


def _add_run(commands: Any) -> None:
    parser = _add(commands, "run", "run", "execute a graph, every node in a process of its own", RUN_EXAMPLES)
    _add_graph(parser)
    _add_inputs(parser)
    add = parser.add_argument
    add("--seed", metavar="N", type=int, help="make random numbers the same in every run")
    add("--timeout", metavar="S", type=seconds, help="seconds that each node may take (default: the daemon's, 300)")
    add("--memory", metavar="SIZE", type=size_bytes, help="memory that each node may use (default: the daemon's, 2G)")
    add(
        "--max-value",
        metavar="SIZE|all",
        type=value_limit,
        default=DEFAULT_MAX_VALUE_BYTES,
        help="show larger values by type, size and preview only (default: 1M)",
    )
    add("--partial", action="store_true", help="run what can run of an incomplete graph")
    add("--json", action="store_true", help="print one event per line")
    add("--quiet", action="store_true", help="print outputs and errors only")
    add("--verbose", action="store_true", help="also print when nodes begin and end, and what they used")


def _add_check(commands: Any) -> None:
    parser = _add(commands, "check", "graphs", "say what is wrong with a graph, without executing it")
    _add_graph(parser)
    _add_inputs(parser)
    parser.add_argument("--json", action="store_true", help="print one object")


def _add_convert(commands: Any) -> None:
    parser = _add(commands, "convert", "graphs", "write a graph in the other format")
    _add_graph(parser)
    parser.add_argument("--to", choices=("md", "json"), help="the format (default: by the name of the output file)")
    parser.add_argument("-o", "--output", metavar="FILE", help="where to write (default: stdout)")


def _add_daemon_commands(commands: Any) -> None:
    status = _add(commands, "status", "daemon", "say how the daemon is")
    status.add_argument("--json", action="store_true", help="print one object")
    _add(commands, "start", "daemon", "start the daemon, if none runs")
    stop = _add(commands, "stop", "daemon", "end the daemon; its runs are cancelled")
    stop.add_argument("--drain", action="store_true", help="let the present runs end first")
    cancel = _add(commands, "cancel", "daemon", "end a run")
    cancel.add_argument("run", metavar="RUN", help="the run's id, as `run --json` and `status` show it")
    _add(commands, "version", "daemon", "print the versions of the client and of the daemon, if one runs")
