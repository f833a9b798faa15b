"""Which interpreter a client means: a path of an interpreter or of a virtual environment. Nothing is started here."""

import os
import sys
from pathlib import Path


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
    if chosen.is_dir():
        inside = chosen / "bin" / "python"
        if not inside.exists():
            raise InterpreterError(f"'{path}' is a folder, but no virtual environment: it has no bin/python")
        chosen = inside
    if not chosen.exists():
        raise InterpreterError(f"'{path}' does not exist")
    if not chosen.is_file() or not os.access(chosen, os.X_OK):
        raise InterpreterError(f"'{path}' is not an executable file")
    return os.path.normpath(chosen)
