"""What belongs to the user and to no node: files, an environment, sockets, objects of the kernel, a terminal."""

import ctypes
import os
import pty
import py_compile
import select
import shutil
import socket
import stat
import venv
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import psutil

from attacks.victim import SECRET
from pyflowd.sandbox.sandboxes import WORKER_SIDE

MARK = f"attacked{os.getpid()}"  # the name of whatever attackers leave behind; other tests have others
ATTACKERS_KEY = os.getpid() + (1 << 25)
SHARED_FOLDERS = ("/tmp", "/var/tmp", "/dev/shm", "/sys/fs/cgroup", str(WORKER_SIDE))
KERNEL_TABLES = [Path(f"/proc/sysvipc/{kind}") for kind in ("shm", "msg", "sem")]
INNOCENT = "VALUE = 'innocent'\n"
IPC_CREAT, IPC_RMID, O_CREAT_RDWR = 0o1000, 0, os.O_CREAT | os.O_RDWR
DATAGRAM_BYTES = 100


class Home:
    """The files of a user who trusts the machine: everybody may write them, so that modes protect nothing.

    `folder` may be granted by nobody, `open` may be; `environment` is one without packages, for nodes.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "home"
        self.open = self.folder / "open"
        self.environment = folder / "environment"
        venv.create(self.environment, with_pip=False, symlinks=True)
        [self.site] = self.environment.glob("lib/python3*/site-packages")
        self.make()

    def make(self) -> None:
        """As it is meant to be."""
        for name in ("__pycache__", f"{MARK}.pth", "innocent.py"):
            _remove(self.site / name)
        (self.site / "innocent.py").write_text(INNOCENT)
        py_compile.compile(str(self.site / "innocent.py"))
        _remove(self.folder)
        _remove(self.folder.with_name(MARK))
        closed = self.folder / "closed"
        for path in (self.folder, self.open, closed):
            path.mkdir()
        for file in (self.folder / "secret", closed / "secret", self.folder / f"{SECRET}.txt"):
            file.write_text(SECRET)
            file.chmod(0o666)
        (self.open / "data").write_text("data")
        (self.open / "link").symlink_to("../closed")
        (self.folder / "link").symlink_to(SECRET)
        for path in (self.folder, self.open, closed, self.site, self.open / "data"):
            path.chmod(0o777)
        with suppress(OSError):
            os.setxattr(self.folder / "secret", "user.secret", SECRET.encode())

    def state(self) -> Any:
        """Every name, every byte, and what else is kept about a file."""
        return [_looks(path) for root in (self.folder, self.site) for path in [root, *sorted(root.rglob("*"))]]


class Listeners:
    """Sockets of another program, of every kind that a node could reach."""

    def __init__(self, stack: ExitStack, home: Home) -> None:
        name = f"pyflowd-{os.getpid()}-{os.urandom(4).hex()}"
        self.abstract, self.paths = [f"\0{name}-stream", f"\0{name}-datagram"], []
        self._sockets = [self._new(stack, socket.AF_INET, kind, ("127.0.0.1", 0)) for kind in (1, 2)]
        self.ports = [one.getsockname()[1] for one in self._sockets]
        for kind, address in enumerate([*self.abstract, f"\0{name}-{SECRET}"], 1):
            self._sockets.append(self._new(stack, socket.AF_UNIX, (kind - 1) % 2 + 1, address))
        for kind, path in ((1, home.open / "stream"), (2, home.open / "datagram")):
            self._sockets.append(self._new(stack, socket.AF_UNIX, kind, str(path)))
            path.chmod(0o777)
            self.paths.append(str(path))

    def state(self) -> Any:
        """What has come: nothing."""
        ready, _, _ = select.select(self._sockets, [], [], 0)
        for one in ready:
            if one.type == socket.SOCK_STREAM:
                one.accept()[0].close()
            else:
                one.recv(DATAGRAM_BYTES)
        return [one.getsockname() for one in ready]

    @staticmethod
    def _new(stack: ExitStack, family: int, kind: int, address: Any) -> socket.socket:
        one = stack.enter_context(socket.socket(family, kind))
        one.bind(address)
        if kind == socket.SOCK_STREAM:
            one.listen()
        return one


class KernelObjects:
    """A segment of shared memory and a queue of messages; a terminal."""

    def __init__(self, stack: ExitStack) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._libc.shmat.restype = ctypes.c_void_p
        self._key = int.from_bytes(os.urandom(3), "little") + 1
        self.segment = self._libc.shmget(self._key, 4096, IPC_CREAT | 0o666)
        stack.callback(self._libc.shmctl, self.segment, IPC_RMID, None)
        self._at = self._libc.shmat(self.segment, None, 0)
        assert self._at not in (None, ctypes.c_void_p(-1).value)
        stack.callback(self._libc.shmdt, ctypes.c_void_p(self._at))
        ctypes.memmove(self._at, SECRET.encode(), len(SECRET))
        self.queue = f"/pyflowd-{self._key}"
        self._queue = os.fsencode(self.queue)
        self._close_queue()
        stack.callback(self._libc.mq_unlink, self._queue)
        self._terminal, self._other_end = pty.openpty()
        stack.callback(os.close, self._terminal)
        stack.callback(os.close, self._other_end)
        self.terminal = os.ttyname(self._other_end)

    def state(self) -> Any:
        """What is in them, and what else there is."""
        return {
            "segment": ctypes.string_at(self._at, len(SECRET)) == SECRET.encode(),
            "tables": [_is_used(table, ATTACKERS_KEY) for table in KERNEL_TABLES],
            "has a key": _is_used(KERNEL_TABLES[0], self._key),
            "queue": self._has_queue(),
            "typed": select.select([self._other_end], [], [], 0)[0] != [],
            "host": os.uname().nodename,
        }

    def _has_queue(self) -> bool:
        descriptor = self._libc.mq_open(self._queue, os.O_RDONLY)
        if descriptor >= 0:
            os.close(descriptor)
        return bool(descriptor >= 0)

    def _close_queue(self) -> None:
        os.close(self._libc.mq_open(self._queue, O_CREAT_RDWR, 0o666, None))


def left_behind() -> Any:
    """What attackers have left on the machine: files, and processes."""
    files = [path for folder in SHARED_FOLDERS if os.path.exists(path := f"{folder}/{MARK}")]
    processes = [one.pid for one in psutil.process_iter() if any(MARK in word for word in _words(one))]
    return files + processes


def clean_up() -> None:
    """Remove that."""
    for what in left_behind():
        if isinstance(what, int):
            with suppress(psutil.NoSuchProcess):
                psutil.Process(what).kill()
        else:
            _remove(Path(what))


def _words(process: psutil.Process) -> Iterator[str]:
    with suppress(psutil.Error):
        yield from process.cmdline()[:1]


def _is_used(table: Path, key: int) -> bool:
    """Whether an object of this kind has the key."""
    return any(line.split()[0] == str(key) for line in table.read_text().splitlines())


def _looks(path: Path) -> Any:
    with suppress(OSError):
        seen = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(seen.st_mode) else b""
        extended = os.listxattr(path, follow_symlinks=False)
        return str(path), seen.st_mode, seen.st_mtime_ns, seen.st_nlink, seen.st_uid, content, extended
    return str(path)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        with suppress(OSError):
            path.rmdir()
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
