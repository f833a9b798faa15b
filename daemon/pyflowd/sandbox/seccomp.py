"""The system calls that nodes may not make, as BPF programs: `python -m pyflowd.sandbox.seccomp` writes them.

    floor        what no node may do, and no zygote
    namespaces   what no node may do, but a zygote that makes namespaces for its nodes
    zygote       what no such zygote may do either, for it imports packages: change a mount or take one away, outlive
                 the daemon
    others       what nodes may do to themselves alone, where they see other processes than their own
    network      sockets that are not Unix ones: for nodes that may not use the network
    sockets      sockets of any kind, pairs for datagrams: where Unix sockets of other programs are within reach

Everything else is allowed: a list of what is allowed would break with the next libc. What is denied reaches into
other processes of the user, makes kernel objects that outlive the node, changes the system, or opens parts of the
kernel that a node's libraries do without and attackers like. Pairs of sockets stay allowed, those of datagrams only
where no other programs' are within reach.

The programs lie ready in `worker_side/filters`, for each architecture, so that neither the daemon nor an environment
needs libseccomp.
"""

import errno
import socket
import struct
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from pyflowd.worker_side import seccomp

FILTERS = Path(seccomp.FILTERS)
ARCHITECTURES = ("x86_64", "aarch64")

DENIED = {
    "other processes": (
        "kcmp migrate_pages move_pages pidfd_getfd process_madvise process_vm_readv process_vm_writev ptrace"
    ),
    "what outlives the node": "add_key keyctl mq_open msgget request_key semget shmget",
    "what others have of that kind": (
        "mq_unlink msgctl msgrcv msgsnd semctl semop semtimedop shmat shmctl"  # by a number, which is easily guessed
    ),
    "the system": (
        "acct adjtimex clock_adjtime clock_settime delete_module finit_module init_module kexec_file_load kexec_load"
        " quotactl quotactl_fd reboot setdomainname sethostname settimeofday swapoff swapon syslog vhangup"
    ),
    "the kernel's depths": (
        "bpf fanotify_init io_uring_enter io_uring_register io_uring_setup lookup_dcookie memfd_secret"
        " name_to_handle_at open_by_handle_at perf_event_open userfaultfd vmsplice"
    ),
}
OF_X86_ONLY = "ioperm iopl modify_ldt"
# Newer than libseccomp, by the numbers that they have on every architecture: open_tree_attr.
NEW_CALLS: Mapping[str, tuple[int, ...]] = {"zygote": (467,)}
BPF_LOAD, BPF_JUMP_IF_EQUAL, BPF_RETURN = 0x20, 0x15, 0x06
SECCOMP_RET_ERRNO = 0x50000
NAMESPACES = (
    "chroot fsconfig fsmount fsopen fspick mount mount_setattr move_mount open_tree pivot_root setns umount2 unshare"
)
# What a zygote needs of these, to give each of its nodes namespaces and a file system of its own.
OF_ZYGOTES = ("mount", "setns", "unshare")
# Of a mount's flags only those that deny more: MS_REMOUNT, MS_BIND, MS_MOVE, MS_REC, MS_UNBINDABLE .. MS_SHARED.
MOUNT_FLAGS = (32, 4096, 8192, 16384, 1 << 17, 1 << 18, 1 << 19, 1 << 20)
PR_SET_PDEATHSIG, SIGKILL = 1, 9
# Allowed for the caller itself, which says 0: (call, place of the argument that names another)
ONLY_ITSELF = (
    ("ioprio_set", 1),
    ("prlimit64", 0),
    ("sched_setaffinity", 0),
    ("sched_setattr", 0),
    ("sched_setparam", 0),
    ("setpriority", 1),
)
SCHED_OTHER = 0  # a thread may be put where it is already: libzmq does that, and ends the process when it cannot
# Never for all processes of the user, whom 0 also means: (call, value of its first argument)
NOT_ALL = (("ioprio_set", 3), ("setpriority", 2))
NEW_NAMESPACES = (0x80, 0x20000, 0x02000000, 0x04000000, 0x08000000, 0x10000000, 0x20000000, 0x40000000)
TIOCSTI, TIOCLINUX = 0x5412, 0x541C  # types into a terminal; reads and rules a console
LOW_WORD = 0xFFFFFFFF
SOCKET_KIND = 0xF  # the rest of the argument says how it is opened


def compile_filter(name: str, architecture: str) -> bytes:
    """The BPF program for an architecture, by libseccomp: struct sock_filter[], 8 bytes each. Another's calls kill."""
    import pyseccomp  # for who builds pyflowd

    rules: Any = pyseccomp.SyscallFilter(pyseccomp.ALLOW)
    kind = getattr(pyseccomp.Arch, architecture.upper())
    if not rules.exist_arch(kind):
        rules.add_arch(kind)
        rules.remove_arch(pyseccomp.Arch.NATIVE)
    RULES[name](pyseccomp, rules, architecture)
    with tempfile.TemporaryFile() as file:
        rules.export_bpf(file)
        file.seek(0)
        return _denials(NEW_CALLS.get(name, ())) + file.read()


def _denials(numbers: tuple[int, ...]) -> bytes:
    """What to put before a program to deny calls by their numbers."""
    instruction = struct.Struct("=HBBI")
    program = b""
    for number in numbers:
        program += instruction.pack(BPF_LOAD, 0, 0, 0) + instruction.pack(BPF_JUMP_IF_EQUAL, 0, 1, number)
        program += instruction.pack(BPF_RETURN, 0, 0, SECCOMP_RET_ERRNO | errno.EPERM)
    return program


def _deny_floor(pyseccomp: Any, rules: Any, architecture: str) -> None:
    denial = pyseccomp.ERRNO(errno.EPERM)
    names = " ".join(DENIED.values()).split() + (OF_X86_ONLY.split() if architecture == "x86_64" else [])
    for name in names:
        rules.add_rule(denial, name)
    for name, whom in NOT_ALL:
        rules.add_rule(denial, name, pyseccomp.Arg(0, pyseccomp.MASKED_EQ, LOW_WORD, whom))
    for request in (TIOCSTI, TIOCLINUX):
        rules.add_rule(denial, "ioctl", pyseccomp.Arg(1, pyseccomp.MASKED_EQ, LOW_WORD, request))


def _deny_namespaces(pyseccomp: Any, rules: Any, _: str) -> None:
    denial = pyseccomp.ERRNO(errno.EPERM)
    for name in NAMESPACES.split():
        rules.add_rule(denial, name)
    for flag in NEW_NAMESPACES:
        rules.add_rule(denial, "clone", pyseccomp.Arg(0, pyseccomp.MASKED_EQ, flag, flag))
    rules.add_rule(pyseccomp.ERRNO(errno.ENOSYS), "clone3")  # its flags lie in memory; libc then takes clone


def _deny_to_zygotes(pyseccomp: Any, rules: Any, _: str) -> None:
    denial = pyseccomp.ERRNO(errno.EPERM)
    for name in NAMESPACES.split():
        if name not in OF_ZYGOTES:
            rules.add_rule(denial, name)
    for flag in MOUNT_FLAGS:
        rules.add_rule(denial, "mount", pyseccomp.Arg(3, pyseccomp.MASKED_EQ, flag, flag))
    # Nodes inherit this. What they start ends with them in any case: so they are told that it is done.
    which, number = pyseccomp.Arg(0, pyseccomp.EQ, PR_SET_PDEATHSIG), pyseccomp.Arg(1, pyseccomp.NE, SIGKILL)
    rules.add_rule(pyseccomp.ERRNO(0), "prctl", which, number)


def _deny_others(pyseccomp: Any, rules: Any, _: str) -> None:
    denial = pyseccomp.ERRNO(errno.EPERM)
    for name, place in ONLY_ITSELF:
        rules.add_rule(denial, name, pyseccomp.Arg(place, pyseccomp.NE, 0))
    another, policy = pyseccomp.Arg(0, pyseccomp.NE, 0), pyseccomp.Arg(1, pyseccomp.NE, SCHED_OTHER)
    rules.add_rule(denial, "sched_setscheduler", another, policy)


def _deny_network(pyseccomp: Any, rules: Any, _: str) -> None:
    rules.add_rule(pyseccomp.ERRNO(errno.EACCES), "socket", pyseccomp.Arg(0, pyseccomp.NE, socket.AF_UNIX))


def _deny_sockets(pyseccomp: Any, rules: Any, _: str) -> None:
    rules.add_rule(pyseccomp.ERRNO(errno.EACCES), "socket")
    for kind in (socket.SOCK_DGRAM, socket.SOCK_RAW):  # one of a pair may send to whom it likes
        of_kind = pyseccomp.Arg(1, pyseccomp.MASKED_EQ, SOCKET_KIND, kind)
        rules.add_rule(pyseccomp.ERRNO(errno.EACCES), "socketpair", of_kind)


RULES: Mapping[str, Callable[[Any, Any, str], None]] = {
    "floor": _deny_floor,
    "namespaces": _deny_namespaces,
    "zygote": _deny_to_zygotes,
    "others": _deny_others,
    "network": _deny_network,
    "sockets": _deny_sockets,
}


def path_of(name: str, architecture: str) -> Path:
    """Where the program lies."""
    return FILTERS / f"{architecture}-{name}.bpf"


def main() -> None:
    """Write the programs where zygotes find them."""
    for architecture in ARCHITECTURES:
        for name in RULES:
            path_of(name, architecture).write_bytes(compile_filter(name, architecture))


if __name__ == "__main__":
    main()
