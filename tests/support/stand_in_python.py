"""An interpreter of its own in a folder: the real one's program and library, and whatever it shall do when it starts.

It is neither a virtual environment nor a link, so it counts as another interpreter than the one it was made from.
"""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from pathlib import Path

from pyflowd.environments.search_rules import Surroundings

NAME = f"python3.{sys.version_info.minor}"
VERSION = ".".join(map(str, sys.version_info[:3]))
REAL = os.path.realpath(sys._base_executable)  # type: ignore[attr-defined]


def make_python(prefix: Path, at_start: str = "") -> Path:
    """The path of a new interpreter, `prefix/bin/python3`. at_start: code that each of its processes begins with."""
    library = prefix / "lib" / NAME
    (library / "site-packages").mkdir(parents=True)
    for entry in Path(sysconfig.get_path("stdlib")).iterdir():
        if entry.name not in {"site-packages", "dist-packages", "__pycache__", "sitecustomize.py"}:
            (library / entry.name).symlink_to(entry)
    (library / "sitecustomize.py").write_text(at_start)
    (prefix / "bin").mkdir()
    shutil.copy2(REAL, prefix / "bin" / NAME)
    (prefix / "bin" / "python3").symlink_to(NAME)
    return prefix / "bin" / "python3"


def make_script(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def surroundings(home: Path, **variables: str) -> Surroundings:
    """A home and variables of its own: nothing of this machine is found by way of them."""
    return Surroundings("linux", variables, str(home))
