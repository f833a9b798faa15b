"""Compiles what is installed, so that no node has to: nodes cannot write into their environment.

By the interpreter below the environment, which imports nothing of it. Tests of packages are left out: they are half of
some packages, and no node imports them. What is compiled already is compiled again: a module that was replaced within
the same second by one of the same size would pass for unchanged.
"""

import re
from pathlib import Path

from pyflowd.environments.commands import Workshop
from pyflowd.environments.failures import NO_SPACE, disk_full


def compile_packages(folder: Path, python: str, workshop: Workshop) -> None:
    """What cannot be compiled stays source: some packages bring files for other versions of Python."""
    for packages in folder.glob("lib/python3*/site-packages"):
        tests = re.escape(str(packages)) + r"/(.*/)?tests?/"
        command = [python, "-I", "-S", "-m", "compileall", "-q", "-f", "-j", "0"]
        _, output = workshop.run([*command, "-x", tests, str(packages)], lambda _: None)
        if NO_SPACE.search(output):
            raise disk_full([folder])
