"""The hint that an error of a node gets when something was kept from it: what that was, and the flag that allows it.

The daemon sees from outside whether a path exists. Clients are told, for they are the user; nodes are not.
"""

import os
import shlex
from collections.abc import Sequence
from typing import Any

from pyflowd.core.paths import is_within
from pyflowd.core.profiles import Profile
from pyflowd.shell.real_path import real_path

LONGEST_TARGET = 4096


class Denials:
    """The hints for nodes of one profile. seen: what they may read besides what was granted. own: folders that are
    theirs alone, whatever lies there outside. user: who they are, if that is another than ours.
    """

    def __init__(self, profile: Profile, *, seen: Sequence[str], own: Sequence[str], user: str | None) -> None:
        self._profile = profile
        self._seen = frozenset(seen)
        self._own = frozenset(own)
        self._user = user

    def hint(self, denied: Any) -> str | None:
        """One line about what a worker believes was denied; None when nothing was."""
        if not isinstance(denied, dict) or self._profile.everything:
            return None
        target = denied.get("target")
        if not isinstance(target, str) or len(target) > LONGEST_TARGET or not target.isprintable():
            return None
        match denied.get("kind"):
            case "path" if target.startswith("/"):
                return self._of_path(target, writing=denied.get("writing") is True)
            case "host" if not self._profile.net:
                whom = repr(target) if target else "The network"
                return f"{whom} is not to be reached: nodes need --allow-net for it."
            case "variable" if target:
                return f"Nodes see the variable {target!r} only with --allow-env {shlex.quote(target)}."
        return None

    def _of_path(self, path: str, *, writing: bool) -> str | None:
        if is_within(path, self._own):
            return None
        real = real_path(path)
        if real is None:
            return None
        granted = (*self._profile.write, *self._profile.read)
        if is_within(real, self._profile.write) or (is_within(real, granted) and not os.path.lexists(real)):
            return self._of_user(real)
        if is_within(real, (*granted, *self._seen)):
            is_readable_at_most = writing or self._user is None or not is_within(real, granted)
            return _to_write(path, real) if is_readable_at_most else self._of_user(real)
        if os.path.lexists(real):
            return f"{path!r} exists, but nodes may not read it: --allow-read {shlex.quote(real)} allows that."
        return _to_write(path, real)

    def _of_user(self, path: str) -> str | None:
        if self._user is None or not os.path.lexists(path):
            return None
        return f"{path!r} was granted, but nodes are the user {self._user!r} here, and its owner or mode keeps him out."


def _to_write(path: str, real: str) -> str | None:
    """It can be written where it is, or made in a folder that exists."""
    folder = real if os.path.isdir(real) else os.path.dirname(real)
    if not os.path.isdir(folder):
        return None
    return f"Nodes may not write {path!r}: --allow-write {shlex.quote(folder)} allows that."
