"""Where a daemon's socket lives, and beside it its lock, log and state.

The first that is usable: the given path, $PYFLOWD_SOCKET, $RUNTIME_DIRECTORY (a system service, the daemon only),
$XDG_RUNTIME_DIR, /run/user/UID, and at last a folder of the user's own under the temporary directory.

It refuses folders that somebody else could have made: whoever owns the socket is sent graphs to execute.
"""

import os
import stat
from collections.abc import Mapping

from pyflowd_client.errors import LocationRefused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

MAX_SOCKET_PATH_BYTES = 107  # sockaddr_un.sun_path, less the final zero


class Location:
    """The paths of one daemon. Nothing is created before `prepare`.

    A command that finds its daemon running needs `address` and nothing else, not even pathlib.
    """

    def __init__(self, address: str, *, chosen: bool) -> None:
        """`chosen`: the user named the socket, so that everything else stays beside it."""
        length = len(os.fsencode(address))
        if length > MAX_SOCKET_PATH_BYTES:
            raise LocationRefused(
                f"the socket path {address} has {length} bytes; the system allows {MAX_SOCKET_PATH_BYTES}."
                " Choose a shorter one with --socket or PYFLOWD_SOCKET."
            )
        self.address = address
        self._chosen = chosen

    @property
    def socket(self) -> "Path":
        """Where the daemon listens."""
        from pathlib import Path

        return Path(self.address)

    @property
    def lock(self) -> "Path":
        """The file whose lock makes one daemon the only one."""
        return self.socket.with_name(self.socket.name + ".lock")

    @property
    def tiers(self) -> "Path":
        """The file that says in which sandboxes this daemon's environments were shown to be."""
        return self.state / "tiers"

    @property
    def state(self) -> "Path":
        """The folder of what outlives a daemon."""
        if self._chosen:
            return self.socket.with_name(self.socket.name + ".state")
        from platformdirs import user_state_path

        return user_state_path("pyflowd", appauthor=False)

    @property
    def learnt(self) -> "Path":
        """The file that says what the nodes of each environment import."""
        return self.state / "learnt.json"

    @property
    def results(self) -> "Path":
        """The folder of the results of nodes that are kept."""
        return self.state / "results"

    @property
    def environments(self) -> "Path":
        """The folder of the environments that the daemon makes. Nodes see theirs: it lies in no folder of ours."""
        if self._chosen:
            return self.socket.with_name(self.socket.name + ".environments")
        from platformdirs import user_data_path

        return user_data_path("pyflowd", appauthor=False) / "environments"

    @property
    def log(self) -> "Path":
        """The file where an automatically started daemon says what it does."""
        return self.state / "daemon.log"

    def prepare(self) -> None:
        """Make the folders, for their owner only; LocationRefused when they cannot be."""
        try:
            self.state.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not self._chosen:
                self.socket.parent.mkdir(mode=0o700, exist_ok=True)
                _verify_private(self.socket.parent)
        except OSError as error:
            raise LocationRefused(f"cannot make {error.filename}: {error.strerror}.") from None

    def clear_socket(self) -> None:
        """Remove a socket that nobody listens on any more; LocationRefused when something else lies there."""
        try:
            mode = os.lstat(self.address).st_mode
        except FileNotFoundError:
            return
        if not stat.S_ISSOCK(mode):
            raise LocationRefused(f"{self.address} is not a socket, and stays as it is. Choose another path.")
        os.unlink(self.address)


def locate(
    socket: str | os.PathLike[str] | None = None, *, environ: Mapping[str, str] = os.environ, service: bool = False
) -> Location:
    """The location of the daemon that a command means; `service`: this is the daemon, started by a service manager."""
    chosen = socket or environ.get("PYFLOWD_SOCKET")
    if chosen:
        return Location(os.path.abspath(os.fspath(chosen)), chosen=True)
    if service and environ.get("RUNTIME_DIRECTORY"):
        return _in_folder(environ["RUNTIME_DIRECTORY"].split(":")[0])
    for folder in (environ.get("XDG_RUNTIME_DIR"), f"/run/user/{os.getuid()}"):
        if folder and _is_ours(folder):
            return _in_folder(os.path.join(folder, "pyflowd"))
    return _in_folder(os.path.join(environ.get("TMPDIR") or "/tmp", f"pyflowd-{os.getuid()}"))


def _in_folder(folder: str) -> Location:
    if os.path.lexists(folder):
        _verify_private(folder)
    return Location(os.path.join(folder, "daemon.sock"), chosen=False)


def _is_ours(folder: str) -> bool:
    try:
        found = os.stat(folder)
    except OSError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.getuid()


def _verify_private(folder: "str | os.PathLike[str]") -> None:
    found = os.lstat(folder)
    if not stat.S_ISDIR(found.st_mode):
        problem = "is not a folder"
    elif found.st_uid != os.getuid():
        problem = f"belongs to user {found.st_uid}, not to you"
    elif stat.S_IMODE(found.st_mode) & 0o077:
        problem = f"is open to others (mode {stat.S_IMODE(found.st_mode):o}, needed is 700)"
    else:
        return
    raise LocationRefused(
        f"{folder} {problem}. Put that right, or choose another socket with --socket or PYFLOWD_SOCKET."
    )
