"""What `run` and `check` take, which is most of what pyflowctl takes."""

import argparse

from pyflowd_client.cli.arguments import (
    CollectInputs,
    count,
    existing_folder,
    existing_path,
    interpreter_or_versions,
    name_of_environment,
    node_input,
    port,
    requirement,
    seconds,
    size_bytes,
    size_or_all,
    variable,
    whole_number,
)

RUN = """\
Execute a graph and show what its last nodes give. A daemon is started if none runs.

  pyflowctl run graph.md
  pyflowctl run graph.md --input 'Load.path="a.csv"' --input 'Split.parts=4'
  pyflowctl run graph.md --with 'numpy>=2' --with pandas --python 3.12
  pyflowctl run graph.md --env science --timeout 60 --memory 2G
  pyflowctl run graph.md --workdir . --allow-write results --allow-net
  pyflowctl run graph.md --target Report
  pyflowctl run graph.md --from Clean --only Plot
  pyflowctl run - --json < graph.md

Ends with 0 when all nodes are done, 1 when a node failed, 65 when the graph has errors,
69 when there is no daemon, 78 when the environment cannot be had, 124 when a node took too long,
130 when cancelled.
"""
CHECK = """\
Read a graph as `run` would, without executing it: what is wrong, and in which order its nodes would run.

  pyflowctl check graph.md
  pyflowctl check graph.md --python .venv --json
  pyflowctl check graph.md --with 'numpy>=2'
"""


def add_graph(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("graph", metavar="GRAPH", help="a graph file, FlowSpec Markdown or JSON; - is standard input")


def add_inputs(parser: argparse.ArgumentParser, name: str) -> None:
    """Values for inputs: `name` is that of the argument for one."""
    parser.add_argument(
        name,
        metavar="NODE.PIN=JSON",
        dest="inputs",
        type=node_input,
        action=CollectInputs,
        default={},
        help="a value for an input; NODE is a node's title or id. Repeatable",
    )


def add_environment(parser: argparse.ArgumentParser) -> None:
    """What nodes run in."""
    choice = parser.add_argument_group(
        "environment", "What nodes run in, beyond what the graph says itself. Missing packages are installed, once."
    )
    add_packages(choice, "--with")
    choice.add_argument(
        "--env",
        metavar="NAME",
        type=name_of_environment,
        help="an environment that `pyflowctl env create` has made; without the others",
    )
    add_python(choice, "interpreter or virtual environment, or which versions will do, such as 3.12 or '>=3.10'")
    add_builds(choice)


def add_packages(to: argparse._ActionsContainer, name: str) -> None:
    """What to install: `name` is that of the argument for a single package."""
    if name.startswith("-"):
        to.add_argument(
            name,
            metavar="PKG",
            dest="packages",
            type=requirement,
            action="append",
            default=[],
            help="a package that nodes need, such as numpy, 'numpy>=2', or the path of one. Repeatable",
        )
    else:
        to.add_argument(
            "packages", metavar="REQ", type=requirement, nargs="*", help="a package: numpy, 'numpy>=2', or a path"
        )
    to.add_argument(
        "--requirements",
        metavar="FILE",
        action="append",
        default=[],
        help="packages as in a file for pip, one per line. Repeatable",
    )


def add_python(to: argparse._ActionsContainer, what: str) -> None:
    """Which interpreter."""
    to.add_argument("--python", metavar="SPEC|PATH", type=interpreter_or_versions, help=what)


def add_builds(to: argparse._ActionsContainer) -> None:
    """Whether packages may be built."""
    to.add_argument(
        "--allow-builds",
        action="store_true",
        help="build packages that have no wheel, which runs their code as you, outside any sandbox",
    )


def add_run(run: argparse.ArgumentParser) -> None:
    add_graph(run)
    add_inputs(run, "--input")
    run.add_argument("--partial", action="store_true", help="run what can be run of a graph with errors")
    _add_part(
        run.add_argument_group(
            "part of the graph",
            "Nodes by title or id. All that any of these says is run, and nothing else;\n"
            "what it needs from other nodes is what those gave last.",
        )
    )
    add_environment(run)
    add_manner(run)


def _add_part(part: argparse._ArgumentGroup) -> None:
    for flag, dest, what in (
        ("--target", "targets", "run this node and all it needs"),
        ("--from", "start_from", "run this node and all that depends on it"),
        ("--only", "only", "run just this node"),
    ):
        part.add_argument(flag, metavar="NODE", dest=dest, action="append", default=[], help=f"{what}. Repeatable")


def add_manner(run: argparse.ArgumentParser) -> None:
    """How nodes are run, and what is shown of it."""
    add_bounds(run)
    run.add_argument(
        "--cache",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="keep results, and take them where nothing that they depend on has changed; by default as nodes say",
    )
    run.add_argument("--explain", action="store_true", help="tell for each node why it is executed or not")
    add_debugging(run)
    run.add_argument(
        "--isolation",
        choices=("fresh", "resident", "shared"),
        default="fresh",
        help="fresh: each node in a process of its own; shared: all in one (resident is for `live`; here: fresh)",
    )
    form = run.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="print one event per line, as JSON")
    form.add_argument("--quiet", action="store_true", help="show outputs and errors only")
    form.add_argument(
        "--verbose", action="store_true", help="show when nodes begin, what they took, the variables of failed ones"
    )


def add_bounds(run: argparse.ArgumentParser) -> None:
    """What nodes may do and use: what `run` and `live` have in common."""
    run.add_argument("--seed", metavar="N", type=whole_number, help="make random numbers the same in every run")
    run.add_argument(
        "--max-value",
        metavar="SIZE|all",
        type=size_or_all,
        default=1_000_000,
        help="show larger values as a note of their type and size (default: 1 MB)",
    )
    _add_permissions(run.add_argument_group("permissions", "Up to what the daemon's settings allow."))
    _add_limits(run.add_argument_group("limits", "Up to what the daemon's settings allow."))


def add_debugging(to: argparse._ActionsContainer) -> None:
    """Which debugger opens in nodes; `debugging.debugging_of` reads it."""
    debugger = to.add_mutually_exclusive_group()
    debugger.add_argument("--pdb", action="store_true", help="when a node fails, look around in it with pdb")
    debugger.add_argument(
        "--debugpy",
        metavar="PORT",
        type=port,
        help="before each node, wait for a debugger on this port; needs --allow-net and the package debugpy",
    )


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


def add_check(check: argparse.ArgumentParser) -> None:
    add_graph(check)
    add_inputs(check, "--input")
    add_environment(check)
    check.add_argument("--json", action="store_true", help="one JSON object")
