"""What a client grants to the nodes of a run, as the file system has it: real paths of what exists.

Whether it may grant that is decided in the core, by these real paths.
"""

import os
from dataclasses import replace

from pyflowd.core.permissions import normal, path_problem, profile, variable_problem
from pyflowd.core.profiles import NOWHERE
from pyflowd.core.stimuli import Submission
from pyflowd.sandbox.identity import identity
from pyflowd.shell.refusals import Refusal
from pyflowd_client.protocol.errors import ErrorCode
from pyflowd_client.protocol.options import Permissions

PATHS_MOST = 1000  # each is looked up while all others wait


def granted(submission: Submission, wanted: Permissions, workdir: str | None) -> Submission:
    """The submission with its permissions; `profile` becomes the one that they need. Refusal."""
    for name, value in wanted.env.items():
        problem = variable_problem(name, value)
        if problem is not None:
            raise Refusal(ErrorCode.BAD_INPUT, f"The variable {name!r} cannot be passed on: {problem}.")
    count = len(wanted.read) + len(wanted.write)
    if count > PATHS_MOST:
        raise Refusal(ErrorCode.BAD_INPUT, f"{count} paths cannot be granted: {PATHS_MOST} are the most.")
    start = None if workdir is None else _real_folder(workdir)
    real = {path: _real_path(path) for path in (*wanted.read, *wanted.write)}
    read, write = (tuple(real[path] for path in paths) for paths in (wanted.read, wanted.write))
    permissions = normal(Permissions(net=wanted.net, read=read, write=write, env=wanted.env, all=wanted.all), start)
    plain = profile(NOWHERE, permissions, start)
    if workdir is not None and start is not None:
        real[workdir] = start
    links = sorted({(link, path) for given, path in real.items() if (link := os.path.normpath(given)) != path})
    seen = replace(plain, links=tuple(links), identities=tuple(map(_identity, plain.paths)))
    return replace(
        submission,
        profile=seen.id,
        permissions=permissions,
        variables=tuple(permissions.env.items()),
    )


def _identity(path: str) -> str:
    try:
        return identity(path)
    except OSError as error:
        raise _ungrantable(path, f"{error.strerror}") from None


def _real_folder(path: str) -> str:
    real = _real_path(path)
    if not os.path.isdir(real):
        raise _ungrantable(path, "it is no folder, so that nodes cannot start there")
    return real


def _real_path(path: str) -> str:
    problem = path_problem(path)
    if problem is not None:
        raise _ungrantable(path, problem)
    try:
        return os.path.realpath(path, strict=True)
    except FileNotFoundError:
        remedy = "for files that are still to be made, grant the folder they will be in"
        raise _ungrantable(path, f"it does not exist; {remedy}") from None
    except OSError as error:
        raise _ungrantable(path, f"{error.strerror}") from None


def _ungrantable(path: str, reason: str) -> Refusal:
    return Refusal(ErrorCode.BAD_INPUT, f"{path!r} cannot be granted: {reason}.")
