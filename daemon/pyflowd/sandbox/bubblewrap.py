"""Bubblewrap, once around each fork server: a file system with nothing in it but a view, and namespaces.

It needs no rights of the user's, where the kernel lets users have namespaces of their own. Started by root it enters a
user namespace that was made for it, in which nodes are another user than root.
"""

import os
import shutil
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePath

from pyflowd.core.paths import is_within
from pyflowd.core.profiles import Profile
from pyflowd.sandbox.views import View

BLANK = "/dev/null"


@dataclass(frozen=True, slots=True)
class Places:
    """Files and folders of the daemon. scratch: the folder in which the workers of one fork server have theirs; where
    each sees its own instead, it does so in `own`, a folder below `owns_parent`, which has nothing else in it. hidden:
    what no node may see, whatever it is permitted.
    """

    scratch: str
    owns_parent: str
    hidden: tuple[str, ...]

    @property
    def own(self) -> str:
        """Where each worker sees a file system of its own."""
        return f"{self.owns_parent}/own"


def places(profile: Profile, scratch: str, hidden: tuple[str, ...]) -> Places:
    """For a profile: where all the user's files are in view, folders can only be put into what is the daemon's."""
    is_bare = profile.everything or "/" in (*profile.read, *profile.write)
    return Places(scratch, scratch if is_bare else "/node", hidden)


def find_bubblewrap(folders: str | None = None) -> str | None:
    """The program, if it is installed: in these folders, or where programs are."""
    return shutil.which("bwrap", path=folders or f"{os.environ.get('PATH', os.defpath)}:/usr/bin:/bin")


def has_setuid(program: str) -> bool:
    """Whether it works by the set-uid bit, and then gives nobody capabilities."""
    return bool(os.stat(program).st_mode & stat.S_ISUID) and os.getuid() != 0


def command(
    program: str,
    profile: Profile,
    view: View,
    places: Places,
    *,
    namespaces_for_nodes: bool,
    user_namespace: int | None,
) -> list[str]:
    """What to put before the command of a fork server.

    namespaces_for_nodes: it may make namespaces itself. user_namespace: a descriptor of one to enter instead of one
    made for it.
    """
    argv = [program, "--die-with-parent", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-cgroup-try"]
    argv += ["--unshare-user"] if user_namespace is None else ["--userns", str(user_namespace)]
    if not (profile.net or profile.everything):
        argv.append("--unshare-net")
    argv += ["--cap-drop", "ALL"]
    if namespaces_for_nodes:
        # No process of bubblewrap's is left inside, which it could reach; and its number is not the one that a node
        # has in its own namespace, by which libraries tell that they were forked.
        argv += ["--cap-add", "CAP_SYS_ADMIN", "--as-pid-1"]
    if user_namespace is not None:
        argv += ["--cap-add", "CAP_SETUID", "--cap-add", "CAP_SETGID"]
    argv += _everything() if profile.everything else _parts(view)
    hidden = [path for path in places.hidden if profile.everything or is_within(path, profile.paths)]
    folders = [path for path in hidden if os.path.isdir(path)]
    for path in hidden:
        argv += ["--tmpfs", path] if path in folders else ["--ro-bind", BLANK, path]
    if namespaces_for_nodes:
        argv += ["--tmpfs", places.owns_parent, "--dir", places.own]
        argv += _links_to_own(view, places)
        folders.append(places.owns_parent)
    else:
        argv += [*_folders(PurePath(places.scratch).parents), "--bind", places.scratch, places.scratch]
    for path in folders:  # nodes must find nothing there that another has left
        argv += ["--remount-ro", path]
    return [*argv, "--chdir", "/"]


def _links_to_own(view: View, places: Places) -> list[str]:
    """Where programs look for temporary files, unless something that was permitted lies there."""
    if places.owns_parent == places.scratch:
        return []
    links = {"/dev/shm": "shm"}
    links |= {
        path: "scratch" for path in ("/tmp", "/var/tmp") if not any(is_within(one, (path,)) for one in _all(view))
    }
    return [word for path, name in links.items() for word in ("--symlink", f"{places.own}/{name}", path)]


def _all(view: View) -> tuple[str, ...]:
    return (*view.read, *view.write, *(link for link, _ in view.links))


def _folders(paths: Iterable[PurePath]) -> list[str]:
    """Folders that have nothing in them, those above first; bubblewrap would close what it makes itself to others."""
    return [word for path in sorted(set(paths))[1:] for word in ("--dir", str(path))]


def _everything() -> list[str]:
    return ["--bind", "/", "/", "--dev-bind", "/dev", "/dev", "--proc", "/proc"]


def _parts(view: View) -> list[str]:
    mounts = [(path, "--ro-bind") for path in view.read] + [(path, "--bind") for path in view.write]
    argv = _folders(parent for path, _ in mounts for parent in PurePath(path).parents)
    for path, option in sorted(mounts):  # what lies above comes first; of one path, what is read comes after
        argv += [option, path, path]
    argv += ["--proc", "/proc", "--tmpfs", "/dev"]
    for device in view.devices:
        argv += ["--dev-bind", device, device]
    for name, target in (("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2")):
        argv += ["--symlink", target, f"/dev/{name}"]
    for link, target in view.links:
        if not is_within(link, (*view.read, *view.write)):
            argv += ["--symlink", target, link]
    return argv
