"""pyflowctl as a process."""

import sys
from collections.abc import Callable
from subprocess import CompletedProcess

COMMAND = [sys.executable, "-m", "pyflowd_client.cli"]
Pyflowctl = Callable[..., "CompletedProcess[str]"]
