"""What the commands of `pyflowctl env` take."""

import argparse

from pyflowd_client.cli.arguments import days, name_of_environment, size_bytes, which_environment
from pyflowd_client.cli.parser import IntermixedParser, Parser, common_options
from pyflowd_client.cli.run_arguments import add_builds, add_packages, add_python

DETECT = """\
Find the interpreters and environments of this machine: on PATH, of pyenv, uv and conda, the active one, and those
in or beside the folder of a graph (.venv, venvs/). Any of them can be given to `pyflowctl run --python`.

  pyflowctl env detect
  pyflowctl env detect graph.md --json
"""
CREATE = """\
Make an environment that has a name. What goes on is told on stderr; Ctrl-C leaves nothing behind.

  pyflowctl env create science numpy 'pandas>=2' --python 3.12
  pyflowctl env create science --requirements requirements.txt
"""
INSTALL = """\
Install into an environment that has a name. Nodes at work finish with what they began with.

  pyflowctl env install science scipy 'matplotlib<4'
  pyflowctl env install science ./geometry --allow-builds
"""
PRUNE = """\
Delete environments that were built for graphs and are not in use; never those that have a name.
Without --unused and --disk by what the settings say.

  pyflowctl env prune --unused 30 --dry-run
  pyflowctl env prune --disk 5GB
"""
LOCK = """\
Write exact versions with hashes, as a file for pip: of an environment, of what a graph needs, or of packages.

  pyflowctl env lock science -o science.txt
  pyflowctl env lock --graph graph.md
  pyflowctl env lock --with 'numpy>=2' --python 3.12
"""
VERIFY = """\
Say what an environment lacks for a graph, and which of its packages do not fit together.

  pyflowctl env verify science graph.md

Ends with 0 when nothing is missing or in conflict, else with 1.
"""


def fill(env: Parser) -> None:
    """Add all commands to the parser of `env`."""
    common = common_options(IntermixedParser)
    commands = env.add_subparsers(
        prog="pyflowctl env", metavar="COMMAND", required=True, title="commands", parser_class=IntermixedParser
    )

    def command(name: str, function: str, summary: str, description: str | None = None) -> argparse.ArgumentParser:
        text = description or f"{summary[0].upper()}{summary[1:]}."
        added: argparse.ArgumentParser = commands.add_parser(name, description=text, help=summary, parents=[common])
        added.set_defaults(command=function)
        return added

    _add_detect(command("detect", "env:detect", "find the Pythons of this machine", DETECT))
    _add_json(command("list", "env:list_kept", "list the environments that the daemon keeps"))
    _add_changes(
        command("create", "env_changes:create", "make an environment that has a name", CREATE),
        command("install", "env_changes:install", "install into an environment that has a name", INSTALL),
        command("uninstall", "env_changes:uninstall", "remove packages from an environment that has a name"),
    )
    show = command("show", "env:show", "show all that is known of an environment")
    _add_environment(show)
    _add_json(show)
    remove = command("remove", "env:remove", "delete environments that the daemon keeps")
    remove.add_argument("environments", metavar="ENV", nargs="+", help="a name or the beginning of an id")
    _add_environment(command("warm", "env:warm", "start the fork server of an environment, and keep it"))
    _add_environment(command("cool", "env:cool", "end the fork servers of an environment when nothing runs in them"))
    _add_verify(command("verify", "env:verify", "say what an environment lacks for a graph", VERIFY))
    _add_lock(command("lock", "env:lock", "write exact versions with hashes", LOCK))
    _add_export(command("export", "env:export", "write what is installed in an environment"))
    _add_prune(command("prune", "env:prune", "delete what was built and is not used", PRUNE))


def _add_environment(to: argparse.ArgumentParser, *, nargs: str | None = None) -> None:
    to.add_argument("environment", metavar="ENV", type=which_environment, nargs=nargs, help="name, id or path")


def _add_json(to: argparse.ArgumentParser) -> None:
    to.add_argument("--json", action="store_true", help="one JSON object")


def _add_output(to: argparse.ArgumentParser) -> None:
    to.add_argument("-o", "--output", metavar="FILE", help="write there, not to standard output")


def _add_detect(detect: argparse.ArgumentParser) -> None:
    detect.add_argument(
        "graph", metavar="GRAPH", nargs="?", default="", help="look beside this file (default: the working directory)"
    )
    _add_json(detect)


def _add_changes(
    create: argparse.ArgumentParser, install: argparse.ArgumentParser, uninstall: argparse.ArgumentParser
) -> None:
    for parser in (create, install, uninstall):
        parser.add_argument("name", metavar="NAME", type=name_of_environment, help="the name of the environment")
    for parser in (create, install):
        add_packages(parser, "packages")
    add_python(create, "which versions will do, such as 3.12 or '>=3.10', or an interpreter to make it from")
    for parser in (create, install):
        add_builds(parser)
    uninstall.add_argument("packages", metavar="PKG", nargs="+", help="the name of a package")
    for parser in (create, install, uninstall):
        form = parser.add_mutually_exclusive_group()
        form.add_argument("--json", action="store_true", help="print one event per line, as JSON")
        form.add_argument("--quiet", action="store_true", help="show errors only")
        parser.set_defaults(verbose=False)


def _add_verify(verify: argparse.ArgumentParser) -> None:
    _add_environment(verify)
    verify.add_argument("graph", metavar="GRAPH", nargs="?", help="a graph file; - is standard input")
    _add_json(verify)


def _add_lock(lock: argparse.ArgumentParser) -> None:
    _add_environment(lock, nargs="?")
    lock.add_argument("--graph", metavar="GRAPH", help="a graph file; - is standard input")
    add_packages(lock, "--with")
    add_python(lock, "for which versions, such as 3.12; of --graph and --with")
    _add_output(lock)


def _add_export(export: argparse.ArgumentParser) -> None:
    _add_environment(export)
    export.add_argument(
        "--format",
        choices=["requirements", "json", "dependencies"],
        default="requirements",
        help="a file for pip (default), JSON, or the Dependencies of a graph",
    )
    _add_output(export)


def _add_prune(prune: argparse.ArgumentParser) -> None:
    prune.add_argument("--unused", metavar="DAYS", type=days, help="what nobody has used for so many days")
    prune.add_argument(
        "--disk", metavar="SIZE", type=size_bytes, help="as much as it takes for all to need no more than that"
    )
    prune.add_argument("--dry-run", action="store_true", help="only say which")
    _add_json(prune)
