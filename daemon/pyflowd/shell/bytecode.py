"""Compiles the code that runs in workers for an interpreter that has not seen it yet: its next zygote starts sooner.

What a zygote compiles it cannot keep, for it sees its files read-only. Compiling costs three times the rest of a start,
and is done beside it, by the interpreter itself. Where we may not write, nothing is gained and nothing lost.
"""

import logging
import subprocess
import threading

from pyflowd.sandbox.sandboxes import WORKER_SIDE

PATIENCE_S = 60.0

log = logging.getLogger(__name__)


class Bytecode:
    """One attempt for each interpreter."""

    def __init__(self) -> None:
        self._tried: set[str] = set()

    def compile_for(self, python: str) -> None:
        """Begin to compile; nobody waits for it."""
        if python not in self._tried:
            self._tried.add(python)
            threading.Thread(target=compile_folder, args=(python, str(WORKER_SIDE)), daemon=True).start()


def compile_folder(python: str, folder: str) -> None:
    """Let an interpreter compile what lies in a folder, for itself."""
    # -S: outside of any sandbox, nothing of the environment's own may run; `site` executes what its `.pth` files say.
    command = [python, "-I", "-S", "-m", "compileall", "-q", folder]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        log.info("%s compiles nothing: %s", python, error)
        return
    if done.returncode:
        log.info("%s could not compile all of %s", python, folder)
