"""Binds itself in files, for good, and becomes another program: a fork server that bubblewrap does not surround.

    PYTHON -I -S .../worker_side bind r/PATH w/PATH ... -- PROGRAM ARGUMENT ...

So not even what an environment starts with (its `.pth` files) reads more than its nodes may.
"""

from __future__ import annotations

import os
import sys

from .confinement import file_rule, refuse_new_privileges
from .landlock import Ruleset

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import List, Sequence, Tuple

BIND = "bind"
END = "--"
CANNOT_BIND, CANNOT_START = 125, 126  # exit statuses


def command(python: str, ours: str, files: Sequence[Tuple[str, str]]) -> List[str]:
    """What to put before a command. python: any interpreter; ours: the folder of this file."""
    return [python, "-I", "-S", ours, BIND, *(kind + path for path, kind in files), END]


def main(arguments: List[str]) -> None:
    """Never returns."""
    end = arguments.index(END)
    try:
        refuse_new_privileges()
        ruleset = Ruleset(files=True)
        for argument in arguments[:end]:
            ruleset.allow(file_rule(argument[1:], argument[0]))
        ruleset.enter()
        ruleset.close()
    except OSError as error:
        sys.stderr.write("the fork server cannot be bound in files: %s\n" % error)
        sys.exit(CANNOT_BIND)
    program = arguments[end + 1 :]
    try:
        os.execv(program[0], program)
    except OSError as error:
        sys.stderr.write("%s cannot be started as a Python interpreter: %s\n" % (program[0], error.strerror))
        sys.exit(CANNOT_START)
