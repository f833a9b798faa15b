"""What a hostile node would try, tried by a worker before any node runs: the ground on which a tier is promised.

    {"victim": pid of another worker, "victim_scratch": its folder, "zygote": pid,
     "process": (pid, start time) of another process of the user, "file": a file of the user,
     "folder": a folder of the user, "sockets": [addresses at which somebody listens]}

Refuses to do harm where it can: signals are number 0, what it has made is removed.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import socket

from .linux import check, syscall

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, List

    Targets = Dict[str, Any]

CLONE_NEWUSER, CLONE_NEWNS = 0x10000000, 0x20000
IPC_PRIVATE, IPC_RMID = 0, 0
PTRACE_ATTACH, PTRACE_DETACH = 16, 17
MARK = "pyflowd-probe"

_libc = ctypes.CDLL(None, use_errno=True)


def successes(targets: Targets) -> List[str]:
    """The names of the attacks that were not kept from succeeding. The last one changes who we are."""
    found = []
    for attack, name in ATTACKS.items():
        try:
            attack(targets)
        except (OSError, KeyError):
            continue
        found.append(name)
    return found


def start_of(pid: int) -> int:
    """When a process started, in ticks since the machine did: with its number, that is one process; OSError."""
    with open("/proc/%d/stat" % pid, "rb") as file:
        stat = file.read()
    return int(stat[stat.rindex(b")") + 1 :].split()[19])


def _read(targets: Targets) -> None:
    with open(targets["file"], "rb") as file:
        file.read(1)


def _write(targets: Targets) -> None:
    _make(targets["folder"])


def _write_into_environment(_: Targets) -> None:
    _make(os.path.dirname(os.__file__))


def _enter_scratch(targets: Targets) -> None:
    _see_scratch(targets)
    _make(targets["victim_scratch"])


def _signal_node(targets: Targets) -> None:
    os.kill(_other(targets["victim"]), 0)


def _signal_zygote(targets: Targets) -> None:
    if not os.getppid():
        raise OSError("it has no number here")
    os.kill(_other(targets["zygote"]), 0)


def _read_memory(targets: Targets) -> None:
    with open("/proc/%d/mem" % _other(targets["victim"]), "rb"):
        pass


def _trace(targets: Targets) -> None:
    victim = _other(targets["victim"])
    check(_libc.ptrace(PTRACE_ATTACH, victim, None, None))
    _libc.ptrace(PTRACE_DETACH, victim, None, None)


def _use_network(_: Targets) -> None:
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()


def _connect(targets: Targets) -> None:
    for address in targets["sockets"]:
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.connect(address)
            return
    raise ConnectionRefusedError("none of them")


def _mount(_: Targets) -> None:
    check(_libc.mount(b"tmpfs", b".", b"tmpfs", 0, None))


def _leave_ipc(_: Targets) -> None:
    check(_libc.shmctl(check(_libc.shmget(IPC_PRIVATE, 4096, 0o1600)), IPC_RMID, None))


def _see_file(targets: Targets) -> None:
    os.stat(targets["file"])


def _see_process(targets: Targets) -> None:
    pid, start = targets["process"]
    if start_of(pid) != start:
        raise ProcessLookupError("another process has the number here")


def _see_node(targets: Targets) -> None:
    os.stat("/proc/%d" % _other(targets["victim"]))


def _see_scratch(targets: Targets) -> None:
    own = os.stat(os.environ["TMPDIR"])
    other = os.stat(targets["victim_scratch"])
    if (own.st_dev, own.st_ino) == (other.st_dev, other.st_ino):
        raise FileNotFoundError("what lies there is our own")


def _make_namespaces(_: Targets) -> None:
    check(syscall(_SYS_UNSHARE[os.uname().machine], CLONE_NEWUSER))


def _make(folder: str) -> None:
    path = os.path.join(folder, "%s-%d" % (MARK, os.getpid()))
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    os.unlink(path)


def _other(pid: int) -> int:
    """A process that is not this one; where numbers mean other processes it may be."""
    if pid == os.getpid():
        raise OSError("it is this process that has the number here")
    return pid


_SYS_UNSHARE = {"x86_64": 272, "aarch64": 97}
ATTACKS = {
    _read: "reads files",
    _write: "writes files",
    _write_into_environment: "writes into its environment",
    _enter_scratch: "enters the scratch of another",
    _signal_node: "signals another node",
    _signal_zygote: "signals its fork server",
    _read_memory: "reads the memory of another node",
    _trace: "traces another node",
    _use_network: "uses the network",
    _connect: "connects to sockets",
    _mount: "mounts",
    _leave_ipc: "leaves IPC objects behind",
    _see_file: "sees files",
    _see_process: "sees processes of the user",
    _see_node: "sees other nodes",
    _see_scratch: "sees the scratch of another",
    _make_namespaces: "makes namespaces",
}
