"""Which interpreter an environment is made with: the one that was asked for, if nodes can run in it.

Interpreters are asked with `-I -S`: nothing that was installed is imported, and no `.pth` file executed.
"""

import json
import os
import subprocess
from collections.abc import Callable
from dataclasses import dataclass

from pyflowd.environments.failures import EnvironmentFailed
from pyflowd.environments.interpreter import InterpreterError, find_interpreter
from pyflowd.environments.python_versions import unsuitable

ANSWER_LIMIT_S = 10.0
QUESTION = """
import json, os, platform, sys
print(json.dumps({
    "version": platform.python_version(), "implementation": platform.python_implementation(),
    "prefix": sys.base_prefix, "executable": sys.executable, "library": os.path.dirname(os.__file__),
}))
"""
FindPython = Callable[[str], str | None]


@dataclass(frozen=True, slots=True)
class Interpreter:
    """path: where it really is, below any virtual environment. library: the folder of its standard library."""

    path: str
    version: str
    library: str

    @property
    def minor(self) -> str:
        """As in "3.11"."""
        return ".".join(self.version.split(".")[:2])


def choose_interpreter(python: str, default: str, find_python: FindPython) -> Interpreter:
    """The interpreter that is meant by a path, by versions, or by nothing, which means the default one."""
    if not python or os.path.isabs(python):
        try:
            return examine(find_interpreter(python or default))
        except InterpreterError as error:
            raise EnvironmentFailed(str(error)) from None
    try:
        found = find_python(python)
    except ValueError as error:
        raise EnvironmentFailed(str(error)) from None
    if found is None:
        hint = "`pyflowctl env detect` shows those that are; none is downloaded."
        raise EnvironmentFailed(f"no Python {python} (CPython 3.8 or newer) is installed", hint=hint)
    return examine(found)


def examine(path: str) -> Interpreter:
    """Asks an interpreter what it is; one that no node can run in is refused."""
    try:
        done = subprocess.run(
            [path, "-I", "-S", "-c", QUESTION], stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd="/",
            timeout=ANSWER_LIMIT_S, check=False, errors="replace",
        )  # fmt: skip
        found = json.loads(done.stdout)
        version, implementation = str(found["version"]), str(found["implementation"])
    except subprocess.TimeoutExpired:
        raise EnvironmentFailed(f"'{path}' did not answer for {ANSWER_LIMIT_S:.0f} seconds") from None
    except OSError as error:
        raise EnvironmentFailed(f"'{path}' cannot be started: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        words = done.stderr.strip()[-500:] or f"exit code {done.returncode}"
        raise EnvironmentFailed(f"'{path}' is no Python that works, or one before 3.8: {words}") from None
    if (reason := unsuitable(implementation, version)) is not None:
        raise EnvironmentFailed(f"'{path}': {reason}")
    return Interpreter(_below(found, version), version, str(found["library"]))


def _below(found: dict[str, str], version: str) -> str:
    """The real path of the interpreter below a virtual environment: it does not change its version some day."""
    real = os.path.realpath(found["executable"])
    if not os.path.exists(os.path.join(os.path.dirname(os.path.dirname(real)), "pyvenv.cfg")):
        return real
    minor = ".".join(version.split(".")[:2])
    return os.path.realpath(os.path.join(found["prefix"], "bin", f"python{minor}"))
