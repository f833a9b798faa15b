"""What every result file begins with: when, where and by which command it was made.

Figures of different files were taken minutes apart, and must not be divided by each other.
"""

import json
import os
import platform
import shlex
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def cpu_model() -> str:
    """The processor's name as the kernel tells it."""
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.machine()


def header() -> dict[str, Any]:
    """The machine, the moment and the command line."""
    return {
        "time": time.strftime("%Y-%m-%d %H:%M"),
        "command": shlex.join(["python", *sys.orig_argv[1:]]),
        "machine": {
            "cpu": cpu_model(),
            "cpus": os.cpu_count(),
            "kernel": platform.release().partition("-")[0],
            "python": platform.python_version(),
            "load": round(os.getloadavg()[0], 1),
        },
    }


def write(path: Path | None, started: Mapping[str, Any], figures: Mapping[str, Any]) -> None:
    """One JSON file: the header of the start and the figures. Without a path nothing is kept."""
    if path is None:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({**started, **figures}, indent=1) + "\n", encoding="utf-8")
    print(f"written: {path}", file=sys.stderr)
