"""Which interpreter a client means: a path of an interpreter or of a virtual environment.

Nothing is started here but scripts that stand for an interpreter (pyenv's shims are such), to ask which it is.
"""

import os
import subprocess
import sys
from pathlib import Path

SCRIPT_LIMIT_S = 10.0


class InterpreterError(ValueError):
    """The path names no interpreter; the message says what is there instead."""


def default_interpreter() -> str:
    """The interpreter below the daemon's own virtual environment: nodes do not see the daemon's packages."""
    return getattr(sys, "_base_executable", None) or sys.executable


def find_interpreter(path: str) -> str:
    """The absolute path of the interpreter. Links are kept: a virtual environment's python is one."""
    chosen = Path(path)
    if not chosen.is_absolute():
        raise InterpreterError(f"'{path}' is not an absolute path")
    is_environment = chosen.is_dir() or (chosen.parent.parent / "pyvenv.cfg").exists()
    if chosen.is_dir():
        inside = chosen / "bin" / "python"
        if not inside.exists():
            raise InterpreterError(f"'{path}' is a folder, but no virtual environment: it has no bin/python")
        chosen = inside
    if not chosen.exists():
        raise InterpreterError(f"'{path}' does not exist")
    if not chosen.is_file() or not os.access(chosen, os.X_OK):
        raise InterpreterError(f"'{path}' is not an executable file")
    if not _is_script(chosen):
        return os.path.normpath(chosen)
    if is_environment:  # somebody else may have made it, and here it would run outside of any sandbox
        raise InterpreterError(f"'{chosen}' is a script, where an environment has an interpreter")
    return _behind_script(chosen)


def _is_script(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(2) == b"#!"


def _behind_script(path: Path) -> str:
    command = [str(path), "-I", "-S", "-c", "import sys; print(sys.executable)"]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=SCRIPT_LIMIT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        raise InterpreterError(f"'{path}' is a script, and does not lead to an interpreter") from None
    found = done.stdout.strip()
    if done.returncode or not os.path.isabs(found) or not os.access(found, os.X_OK):
        raise InterpreterError(f"'{path}' is a script, and does not lead to an interpreter")
    return os.path.normpath(found)
