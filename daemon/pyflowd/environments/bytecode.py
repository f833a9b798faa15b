"""Compiles what is installed, so that no node has to: nodes cannot write into their environment.

By the environment's own interpreter, which imports nothing of it. Tests of packages are left out: they are half of
some packages, and no node imports them.
"""

import re
from pathlib import Path

from pyflowd.environments.commands import Workshop
from pyflowd.environments.failures import NO_SPACE, disk_full


def compile_packages(folder: Path, workshop: Workshop) -> None:
    """What cannot be compiled stays source: some packages bring files for other versions of Python."""
    for packages in folder.glob("lib/python3*/site-packages"):
        tests = re.escape(str(packages)) + r"/(.*/)?tests?/"
        command = [str(folder / "bin" / "python"), "-I", "-S", "-m", "compileall", "-q", "-j", "0"]
        _, output = workshop.run([*command, "-x", tests, str(packages)], lambda _: None)
        if NO_SPACE.search(output):
            raise disk_full([folder])
