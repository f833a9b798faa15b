"""Permissions: what makes sense, what the settings let clients grant, and the one form that equal ones have.

Paths are compared as texts: that they are real, so that no link leads out of what is granted, is the shell's to see to.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase

from pyflowd.core.paths import is_within, topmost
from pyflowd.core.profiles import Profile
from pyflowd_client.protocol.errors import ErrorCode, ErrorInfo
from pyflowd_client.protocol.options import NO_PERMISSIONS, Permissions

Variables = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionCaps:
    """The most that clients may grant, as the settings say.

    read, write: folders below which grants may lie; None is anywhere. What may be written may be read, so `write`
    opens its folders to reading, and without `write` it is `read` that bounds writing. env: names or globs of
    variables; None is any. all: whether everything may be granted at once, which no other cap could bound.
    """

    net: bool = True
    read: tuple[str, ...] | None = None
    write: tuple[str, ...] | None = None
    env: tuple[str, ...] | None = None
    all: bool = True

    def refusal(self, wanted: Permissions) -> ErrorInfo | None:
        """Why this cannot be granted."""
        if wanted is NO_PERMISSIONS:
            return None
        reason = self._reason(wanted)
        return None if reason is None else ErrorInfo(code=ErrorCode.NOT_PERMITTED, message=reason)

    def _reason(self, wanted: Permissions) -> str | None:
        if wanted.all and self != PermissionCaps():
            return "Everything may not be granted, the daemon's settings say; grant what is needed by itself."
        if wanted.net and not self.net:
            return "The network may not be granted, the daemon's settings say."
        writable = self.read if self.write is None else self.write
        readable = None if self.read is None else (*self.read, *(self.write or ()))
        return (
            _path_reason("written", wanted.write, writable)
            or _path_reason("read", wanted.read, readable)
            or self._variable_reason(wanted.env)
        )

    def _variable_reason(self, names: Iterable[str]) -> str | None:
        globs = self.env
        beyond = [] if globs is None else [name for name in names if not any(fnmatchcase(name, g) for g in globs)]
        if not beyond:
            return None
        allowed = ", ".join(globs or ()) or "none"
        return f"The variable {beyond[0]!r} may not be passed on, the daemon's settings say; allowed: {allowed}."


def _path_reason(done: str, paths: Iterable[str], folders: tuple[str, ...] | None) -> str | None:
    beyond = [] if folders is None else [path for path in paths if not is_within(path, folders)]
    if not beyond:
        return None
    allowed = ", ".join(folders or ()) or "no folder"
    return f"{beyond[0]!r} may not be {done}, the daemon's settings say; allowed is what lies in: {allowed}."


def path_problem(path: str) -> str | None:
    """Why no file or folder can be granted by this path."""
    if not path:
        return "it is empty"
    if "\0" in path:
        return "it has a NUL in it"
    if not path.startswith("/"):
        return "it is not absolute"
    return "it has '..' in it" if ".." in path.split("/") else None


def variable_problem(name: str, value: str) -> str | None:
    """Why no process can have this variable."""
    if not name:
        return "its name is empty"
    if "=" in name:
        return "its name has '=' in it"
    return "it has a NUL in it" if "\0" in name + value else None


def normal(wanted: Permissions, workdir: str | None) -> Permissions:
    """The same permissions in their one form: sorted, and nothing that something else includes."""
    env = dict(sorted(wanted.env.items()))
    if wanted.all:
        return Permissions(all=True, env=env)
    write = topmost(wanted.write)
    read = topmost(wanted.read if workdir is None else (*wanted.read, workdir))
    return Permissions(
        net=wanted.net, read=tuple(path for path in read if not is_within(path, write)), write=write, env=env
    )


def profile(python: str, granted: Permissions, workdir: str | None) -> Profile:
    """What a fork server must be started for, of permissions in normal form."""
    return Profile(
        python=python,
        net=granted.net,
        read=granted.read,
        write=granted.write,
        everything=granted.all,
        workdir=workdir,
    )
