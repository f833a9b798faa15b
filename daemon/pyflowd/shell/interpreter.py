"""The process behind a fork server: started, heard, ended. What it says over its socket is none of our business here.

It leads a process group, in which packages that it imports may have started others. The group's number is its own as
long as nobody has reaped it: so the group is killed first, and only then is the process waited for.
"""

import logging
import os
import signal
import socket
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from pyflowd.environments.store import is_ours
from pyflowd.sandbox.sandboxes import WORKER_SIDE, Sandbox
from pyflowd.shell.poller import Poller
from pyflowd.shell.process_facts import ending, has_ended
from pyflowd.worker_side import BIND_NOW

LAST_WORDS_BYTES = 4096
LEAVES_S = 0.2
PASSED_ON = ("HOME", "USER", "LOGNAME", "PATH", "LANG", "LANGUAGE", "TZ", "SSL_CERT_FILE", "SSL_CERT_DIR")
ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")

log = logging.getLogger(__name__)


def zygote_variables(variables: Mapping[str, str]) -> dict[str, str]:
    """The environment variables that nodes see: who and where, no secrets, and one thread per process for BLAS.

    A zygote that computes with threads before it forks would leave its children with locks that nobody opens. One that
    bound its libraries' functions at their first call would leave that to each child; nodes do not see this variable.
    """
    passed = {name: value for name, value in variables.items() if name in PASSED_ON or name.startswith("LC_")}
    return {"LANG": "C.UTF-8", **passed, **dict.fromkeys(ONE_THREAD, "1"), BIND_NOW: "1"}


def _flags(sandbox: Sandbox) -> list[str]:
    """How the interpreter is started. Files of packages that a graph has chosen are executed once it is confined."""
    is_chosen = is_ours(Path(sandbox.python).parent.parent)
    return ["-I", "-S"] if is_chosen else ["-I"]


class Interpreter:
    """One process, in its sandbox. OSError when it cannot be started.

    control: our end of the socket by which it hears and answers; theirs is its own alone.
    """

    def __init__(self, sandbox: Sandbox, poller: Poller) -> None:
        self._poller = poller
        self._last_words = b""
        self.control, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self.control.setblocking(False)
        self._words, words_write = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        os.set_blocking(words_write, True)
        try:
            with theirs:
                self._process = subprocess.Popen(
                    [*sandbox.prefix, sandbox.python, *_flags(sandbox), str(WORKER_SIDE), str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.DEVNULL,
                    stderr=words_write,
                    env=zygote_variables(os.environ),
                    cwd="/",
                    pass_fds=[theirs.fileno(), *sandbox.descriptors],
                    start_new_session=True,
                )
        except OSError:
            self.control.close()
            os.close(self._words)
            raise
        finally:
            os.close(words_write)
        poller.watch(self._words, self._read_words)

    def last_words(self) -> str:
        """The end of what it has written to its standard error."""
        self._read_words()
        return self._last_words.decode("utf-8", "replace").strip()

    def forget_words(self) -> None:
        """What it has written so far does not tell why it will end."""
        self._last_words = b""

    def end(self) -> str:
        """Its socket is closed, or makes no sense: end it with all that it may have started. How it ended."""
        is_by_itself = has_ended(self._process.pid, LEAVES_S)
        how = ending(self.kill())
        return how if is_by_itself else "closed its socket and stayed"

    def leave(self, patience_s: float) -> None:
        """Wait for the end of one that was told to leave; kill it if it does not listen."""
        if self._process.returncode is None and not has_ended(self._process.pid, patience_s):
            log.warning("the zygote %d does not leave, killing it", self._process.pid)
        self.kill()

    def kill(self) -> int:
        """End it at once with what it may have started besides workers; its status."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        return self._process.wait()

    def close(self) -> None:
        """Give our descriptors back."""
        self._poller.forget(self.control.fileno())
        self.control.close()
        self._poller.forget(self._words)
        os.close(self._words)

    def _read_words(self) -> None:
        with suppress(BlockingIOError):
            data = os.read(self._words, LAST_WORDS_BYTES)
            if not data:
                self._poller.forget(self._words)
            self._last_words = (self._last_words + data)[-LAST_WORDS_BYTES:]
