"""What a command line says about the environment, as the library takes it."""

import argparse
from typing import TypedDict

from pyflowd_client.errors import UsageRefused
from pyflowd_client.protocol.options import NO_DEBUGGING, Debugging


class Choice(TypedDict):
    """The arguments of a run that are about its environment."""

    python: str | None
    environment: str | None
    requirements: tuple[str, ...]
    allow_builds: bool


def chosen_environment(options: argparse.Namespace) -> Choice:
    """What `run` and `check` were told; UsageRefused when it does not go together."""
    if options.env is not None:
        _refuse_beside_env(options)
    return Choice(
        python=options.python,
        environment=options.env,
        requirements=packages(options),
        allow_builds=options.allow_builds,
    )


def chosen_debugging(options: argparse.Namespace) -> Debugging:
    """Which debugger a command was told to open in nodes; UsageRefused when it cannot."""
    if not options.pdb and options.debugpy is None:
        return NO_DEBUGGING
    from pyflowd_client.cli.debugging import debugging_of  # not on the way of others

    return debugging_of(options)


def packages(options: argparse.Namespace) -> tuple[str, ...]:
    """The packages of the command line, and then those of the files it names."""
    found = tuple(options.packages)
    if options.requirements:
        from pyflowd_client.requirements_file import read_requirements

        for path in options.requirements:
            found += read_requirements(path)
    return found


def _refuse_beside_env(options: argparse.Namespace) -> None:
    given = {
        "--with": options.packages,
        "--requirements": options.requirements,
        "--python": options.python,
        "--allow-builds": options.allow_builds,
    }
    for flag, value in given.items():
        if value:
            raise UsageRefused(
                f"--env is not allowed with {flag}: the environment {options.env} is used as it is."
                f" `pyflowctl env install {options.env} PKG` changes it."
            )
