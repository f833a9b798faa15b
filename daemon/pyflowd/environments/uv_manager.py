"""Environments made by uv.

uv asks an interpreter about itself without `-S`, which would execute the `.pth` files of what is installed. So it never
gets to know an environment's own interpreter, but a script that starts it with `-S`; that one seems to be outside any
virtual environment, so uv is told by `--prefix` where to install.
"""

import re
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from pyflowd.environments.commands import Workshop
from pyflowd.environments.failures import EnvironmentFailed, Reason, resolver_failure, resolver_words
from pyflowd.environments.interpreters import FindPython, Interpreter
from pyflowd.environments.manager import EnvironmentManager, Wanted, check_requirements

ALWAYS = ("--no-python-downloads", "--color", "never")
TOLD = re.compile(r"(Resolved|Downloading|Prepared|Installed|Uninstalled|Building|Updating|Updated)\b.*")


class UvEnvironmentManager(EnvironmentManager):
    """Uses the uv that came with us, else the one on PATH."""

    NAME: ClassVar[str] = "uv"

    def __init__(self, default_python: str, find_python: FindPython) -> None:
        super().__init__(default_python, find_python)
        program = find_uv()
        if program is None:
            raise EnvironmentFailed("uv is not installed", hint="$ pip install uv")
        self._uv = program

    def create(self, folder: Path, interpreter: Interpreter, workshop: Workshop) -> None:
        """Fast: uv asks the interpreter, and writes a few files."""
        python = _without_site(interpreter.path, workshop)
        command = [self._uv, "venv", "--no-project", *ALWAYS, "--python", python, str(folder)]
        code, output = workshop.run(command, lambda _: None)
        if code:
            failure = resolver_failure(output, [interpreter.path], [folder])
            message = f"no environment can be made with {interpreter.path}: {resolver_words(output)}"
            raise failure if failure.reason is Reason.PLACE else EnvironmentFailed(message)

    def install(self, folder: Path, wanted: Wanted, workshop: Workshop) -> None:
        """uv fetches everything before it installs anything. Without network, what it has kept will do."""
        check_requirements(wanted)
        command = self._install_command(folder, wanted, workshop)
        code, output = workshop.run(command, _progress)
        if not code:
            return
        failure = resolver_failure(output, wanted.requirements, [folder, *self._cache(workshop)])
        if (
            failure.reason is Reason.NETWORK
            and not workshop.run([*command[:3], "--offline", *command[3:]], _progress)[0]
        ):
            return
        raise failure

    def uninstall(self, folder: Path, names: Sequence[str], workshop: Workshop) -> None:
        """As `pip uninstall`."""
        python = _without_site(str(folder / "bin" / "python"), workshop)
        target = ["--python", python, "--prefix", str(folder), "--break-system-packages"]
        code, output = workshop.run([self._uv, "pip", "uninstall", *ALWAYS, *target, "--", *names], _progress)
        if code:
            raise resolver_failure(output, names, [folder])

    def lock(self, interpreter: Interpreter, wanted: Wanted, workshop: Workshop) -> str:
        """`uv pip compile --generate-hashes`, for this machine and this Python."""
        check_requirements(wanted)
        asked = workshop.write("requirements.in", "".join(f"{item}\n" for item in wanted.requirements))
        written = workshop.scratch / "requirements.txt"
        python = _without_site(interpreter.path, workshop)
        options = ["--generate-hashes", "--no-header", "--no-annotate", "--python", python, "-o", str(written)]
        options += _choices(wanted, workshop)
        code, output = workshop.run([self._uv, "pip", "compile", *ALWAYS, *options, str(asked)], _progress)
        if code:
            raise resolver_failure(output, wanted.requirements, [workshop.scratch, *self._cache(workshop)])
        return written.read_text(encoding="utf-8")

    def _install_command(self, folder: Path, wanted: Wanted, workshop: Workshop) -> list[str]:
        python = _without_site(str(folder / "bin" / "python"), workshop)
        target = ["--python", python, "--prefix", str(folder), "--break-system-packages", "--no-compile-bytecode"]
        repairs = ["--reinstall"] if wanted.repairs else []
        options = [*ALWAYS, *target, *repairs, *_choices(wanted, workshop)]
        return [self._uv, "pip", "install", *options, "--", *wanted.requirements]

    def _cache(self, workshop: Workshop) -> list[Path]:
        code, output = workshop.run([self._uv, "cache", "dir", "--color", "never"], lambda _: None)
        path = Path(output.strip())
        return [] if code or not path.is_absolute() else [path]


def find_uv() -> str | None:
    """The path of uv; None where there is none."""
    try:
        from uv import find_uv_bin

        return find_uv_bin()
    except (ImportError, FileNotFoundError):
        return shutil.which("uv")


def _without_site(python: str, workshop: Workshop) -> str:
    """A script that starts the interpreter with `-S`."""
    script = workshop.write("python", f'#!/bin/sh\nexec {shlex.quote(python)} -S "$@"\n')
    script.chmod(0o755)
    return str(script)


def _choices(wanted: Wanted, workshop: Workshop) -> list[str]:
    choices = [] if wanted.allow_builds else ["--no-build"]
    if wanted.constraints:
        choices += ["--constraints", str(workshop.write("constraints.txt", "\n".join(wanted.constraints)))]
    return choices


def _progress(line: str) -> str | None:
    found = TOLD.match(line.strip())
    return found[0] if found else None
