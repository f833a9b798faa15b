"""Asks interpreters what they are, by running them. Only those that whoever runs the daemon trusts anyway are asked:
what lies on a PATH or was installed by a version manager. Environments are never asked, see `installation.py`.

Answers are remembered by the file they came from, in this process and (by the library) in a folder.
"""

import logging
import os
import stat
import subprocess
import time
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from pyflowd.environments.installation import Installation, installation_of, is_script, problem_of
from pyflowd.environments.python_versions import unsuitable

if TYPE_CHECKING:
    from python_discovery import PythonInfo

LIMIT_S = 5.0  # one attempt; the library makes two
FAILURES_LAST_S = 60.0
REMEMBERED_MOST = 1000
_WHERE = "import sys; print(sys.executable)"

Identity = tuple[str, int, int, int, int]


@dataclass(frozen=True, slots=True)
class Answer:
    """python: the interpreter that was found, which a script may have led to. kind: as of an Installation.

    version: with its stage, "3.14.0rc1".
    problem: why no node can run in it; None when nothing is known against it.
    """

    python: str
    version: str
    implementation: str
    kind: str = "interpreter"
    free_threaded: bool = False
    problem: str | None = None
    is_failure: bool = False


_answers: dict[Identity, tuple[Answer, float]] = {}


def ask(python: str, cache_folder: str | None) -> Answer:
    """What the interpreter at an absolute path says of itself, or what its files say, if it may not be run."""
    identity = _identity(python)
    if identity is None:
        return read(installation_of(python))
    if (known := _remembered(identity)) is not None:
        return known
    answer = _ask(python, cache_folder)
    if len(_answers) >= REMEMBERED_MOST:
        _answers.clear()
    _answers[identity] = (answer, time.monotonic() + FAILURES_LAST_S if answer.is_failure else float("inf"))
    return answer


def is_remembered(python: str) -> bool:
    """Whether to ask takes no time."""
    identity = _identity(python)
    return identity is None or _remembered(identity) is not None


def _remembered(identity: Identity) -> Answer | None:
    answer, until_s = _answers.get(identity, (None, 0.0))
    return answer if time.monotonic() < until_s else None


def read(installation: Installation) -> Answer:
    """What can be said without running it."""
    return Answer(
        python=installation.python,
        version=installation.version,
        implementation=installation.implementation,
        kind=installation.kind,
        free_threaded=any("t/" in site for site in installation.sites[:1]),
        problem=problem_of(installation),
    )


def may_be_run(python: str) -> bool:
    """Whether only root and the daemon's user can have made the file: nobody else's program is run as this user."""
    try:
        for path in (python, os.path.dirname(python)):
            found = os.stat(path)
            is_open = found.st_mode & stat.S_IWOTH and not found.st_mode & stat.S_ISVTX
            if found.st_uid not in (0, os.geteuid()) or is_open:
                return False
    except OSError:
        return False
    return True


def _identity(python: str) -> Identity | None:
    with suppress(OSError):
        found = os.stat(python)
        return python, found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size
    return None


def _ask(python: str, cache_folder: str | None) -> Answer:
    installation = installation_of(python)
    can_be_run = os.path.isfile(python) and os.access(python, os.X_OK)
    if installation.kind != "interpreter" or not can_be_run or not may_be_run(installation.real):
        return read(installation)
    if not is_script(python):
        return _ask_interpreter(python, installation, cache_folder)
    target = _behind_script(python)
    if target is None or not may_be_run(target) or is_script(target):
        problem = f"{python} is a script that does not lead to an interpreter"
        return Answer(python, "", "", problem=problem, is_failure=True)
    found = installation_of(target)
    return read(found) if found.kind != "interpreter" else _ask_interpreter(target, found, cache_folder)


def _ask_interpreter(python: str, installation: Installation, cache_folder: str | None) -> Answer:
    from python_discovery import DiskCache, PythonInfo  # 30 ms, for nothing when all is remembered

    logging.getLogger("python_discovery").setLevel(logging.CRITICAL)  # what it warns of is in the answers
    cache = DiskCache(Path(cache_folder)) if cache_folder else None
    try:
        info = PythonInfo.from_exe(
            python, cache, env=_variables(), ignore_cache=True, resolve_to_host=False
        )  # ignore_cache: of the one in memory, which does not notice that a file has changed
    except (RuntimeError, OSError, ValueError) as error:
        return _failed(installation, str(error))
    if info is None:
        return _failed(installation, "")
    version, implementation = _version(info), info.implementation
    return Answer(
        python=python,
        version=version,
        implementation=implementation,
        free_threaded=info.free_threaded,
        problem=unsuitable(implementation, version),
    )


def _failed(installation: Installation, said: str) -> Answer:
    """It does not work, unless it is too old to be asked."""
    known = read(installation)
    if known.problem and known.version:
        return known
    reason = "it did not answer in time" if said.endswith("'timed out'") else "it does not start"
    problem = f"{installation.python} is broken: {reason}"
    return replace(known, problem=problem, is_failure=True)


def _version(info: "PythonInfo") -> str:
    stage = {"alpha": "a", "beta": "b", "candidate": "rc"}.get(info.version_info.releaselevel)
    return info.version_str + (f"{stage}{info.version_info.serial}" if stage else "")


def _variables() -> dict[str, str]:
    """Without what would lead an interpreter to other modules than its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    ours = {"PYTHONNOUSERSITE": "1", "PYTHONDONTWRITEBYTECODE": "1", "PYTHONSAFEPATH": "1"}
    return {**kept, **ours, "PY_DISCOVERY_TIMEOUT": str(LIMIT_S)}


def _behind_script(path: str) -> str | None:
    """The interpreter that a script starts. It stays in this process's group, and ends with it at the latest."""
    command = [path, "-I", "-S", "-c", _WHERE]
    quiet = subprocess.DEVNULL
    try:
        started = subprocess.Popen(command, stdin=quiet, stdout=subprocess.PIPE, stderr=quiet, env=_variables())
    except OSError:
        return None
    with started:
        try:
            said, _ = started.communicate(timeout=LIMIT_S)
        except subprocess.TimeoutExpired:
            _kill_with_children(started.pid)
            return None
    found = said.decode("utf-8", "surrogateescape").strip()
    works = started.returncode == 0 and os.path.isabs(found) and os.access(found, os.X_OK)
    return os.path.normpath(found) if works else None


def _kill_with_children(pid: int) -> None:
    import psutil  # for what hardly ever happens

    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(pid)
        for each in [process, *process.children(recursive=True)]:
            with suppress(psutil.NoSuchProcess):
                each.kill()
