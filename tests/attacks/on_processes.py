"""Attacks on processes: another node, the fork server of both, the daemon and other programs of the user."""

from attacks.attack import Attack

VECTORS = """
class Vector(ctypes.Structure): _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]
evil = ctypes.create_string_buffer(b"attacked")
mine, theirs = Vector(ctypes.addressof(evil), 8), Vector(ADDRESS, 8)
"""
TRACE = """
libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
call("ptrace", 16, pid, None, None)
os.waitpid(pid, 0)
try: call("ptrace", 5, pid, ADDRESS, 0x4141414141414141)
finally: libc.ptrace(17, pid, None, 19)
"""

# What may be tried on any process: (what it is called, code for `pid`, from which tier on it fails for
# another node or the fork server, and for others).
ON_ANY = (
    ("killed", "os.kill(pid, 9)", "T1", "T0"),
    ("stopped", "os.kill(pid, 19)", "T1", "T0"),
    ("stopped by a descriptor of it", "signal.pidfd_send_signal(os.pidfd_open(pid), 19)", "T1", "T0"),
    ("stopped by tgkill", "call((234, 131), pid, pid, 19)", "T1", "T0"),
    (
        "stopped by a queued signal",
        "call((129, 138), pid, 19, struct.pack('iii116x', 19, 0, -1))",
        "T1",
        "T0",
    ),
    (
        "stopped as the owner of a pipe",
        "ours, theirs = os.pipe()\nfcntl.fcntl(ours, fcntl.F_SETOWN, pid)\nfcntl.fcntl(ours, 10, 19)\n"
        "fcntl.fcntl(ours, fcntl.F_SETFL, os.O_ASYNC)\nos.write(theirs, b'x')",
        "T1",
        "T0",
    ),
    ("traced", TRACE, "T0", "T0"),
    (
        "its memory written by process_vm_writev",
        VECTORS + "call('process_vm_writev', pid, ctypes.byref(mine), 1, ctypes.byref(theirs), 1, 0)",
        "T0",
        "T0",
    ),
    (
        "its memory read by process_vm_readv",
        VECTORS.replace("8)", "100)").replace('b"attacked"', "100")
        + "call('process_vm_readv', pid, ctypes.byref(mine), 1, ctypes.byref(theirs), 1, 0)\nprint(evil.raw)",
        "T0",
        "T0",
    ),
    (
        "its memory read and written by /proc",
        "memory = os.open(f'/proc/{pid}/mem', os.O_RDWR)\nprint(os.pread(memory, 100, ADDRESS))\n"
        "os.pwrite(memory, b'attacked', ADDRESS)",
        "T1",
        "T0",
    ),
    (
        "its variables, maps and open files read in /proc",
        "print(os.readlink(f'/proc/{pid}/exe'), read(f'/proc/{pid}/maps'))\nwon()",
        "T1",
        "T0",
    ),
    (
        "its root and working directory entered by /proc",
        "print(os.listdir(f'/proc/{pid}/cwd/'), os.listdir(f'/proc/{pid}/root/'))\nwon()",
        "T1",
        "T0",
    ),
    (
        "its descriptors copied by pidfd_getfd",
        "handle = os.pidfd_open(pid)\nfor number in range(300): attempt(lambda: (call((438, 438), handle, number, 0),"
        " won()))",
        "T0",
        "T0",
    ),
    ("its limits lowered", "resource.prlimit(pid, resource.RLIMIT_NOFILE, (9, 9))", "T0", "T0"),
    ("pinned to a processor", "os.sched_setaffinity(pid, {max(os.sched_getaffinity(0))})", "T0", "T0"),
    ("slowed down", "os.setpriority(os.PRIO_PROCESS, pid, 19)", "T0", "T0"),
    ("made a batch job", "os.sched_setscheduler(pid, os.SCHED_BATCH, os.sched_param(0))", "T0", "T0"),
    ("made idle by sched_setattr", "call((314, 274), pid, struct.pack('IIQiIQQQ', 48, 5, 0, 0, 0, 0, 0, 0), 0)",
     "T0", "T0"),
    ("last in line for the disk", "call((251, 30), 1, pid, 3 << 13)", "T0", "T0"),
    ("first to die when memory is short", "write(f'/proc/{pid}/oom_score_adj', b'1000')", "T1", "T1"),
)  # fmt: skip
ON_TARGETS = (
    ("Another node", "NODE", "NODE_ADDRESS", 2),
    ("The fork server", "ZYGOTE", "", 2),
    ("The daemon and other programs", "[*DAEMON, *PROGRAM]", "PROGRAM_ADDRESS", 3),
)


def _on(target: str, address: str, code: str) -> str:
    lines = code.replace("ADDRESS", address).replace("\n", "\n    ")
    return f"def harm(pid):\n    {lines}\nfor pid in {target}: attempt(harm, pid)"


def _attacks_on_any() -> list[Attack]:
    return [
        Attack(
            title=f"{whom}: {what}",
            code=_on(target, address, action[0]),
            held_from=action[place - 1],
            control=action[2] == "T0",
        )
        for what, *action in ON_ANY
        for whom, target, address, place in ON_TARGETS
        if address or "ADDRESS" not in action[0]
    ]


ATTACKS = (
    *_attacks_on_any(),
    Attack(
        title="All processes: signalled at once (kill -1)",
        code="signal.signal(23, signal.SIG_IGN)\nos.kill(-1, 23)",  # which only those see who asked for it
        held_from="T1",
    ),
    Attack(
        title="All processes: slowed down at once (setpriority of a user)",
        code="os.setpriority(os.PRIO_USER, 0, 1)",
    ),
    Attack(
        title="All processes: last in line for the disk at once (ioprio_set of a user)",
        code="call((251, 30), 3, 0, 2 << 13 | 5)",
    ),
    Attack(
        title="Another node: a file that it has open and has removed",
        code="for pid in NODE: attempt(read, f'/proc/{pid}/fd/{NODE_DESCRIPTOR}')",
        held_from="T1",
    ),
    Attack(
        title="Another node: seen in /proc",
        code="def look(pid):\n"
        "    if int(read(f'/proc/{pid}/stat').split(b')')[1].split()[19]) == NODE_SINCE: won()\n"
        "for pid in NODE: attempt(look, pid)",
        held_from="T3",
    ),
    Attack(
        title="Other programs: command lines read in /proc",
        code="for pid in os.listdir('/proc'): attempt(read, f'/proc/{pid}/cmdline')",
        held_from="T2",
    ),
    Attack(
        title="Other programs: variables read in /proc",
        code="for pid in os.listdir('/proc'):\n    if pid != str(os.getpid()): attempt(read, f'/proc/{pid}/environ')",
        control=True,
    ),
    Attack(
        title="The first process of a node's namespace: killed, stopped, traced, its memory read",
        code="for number in (9, 19): attempt(os.kill, 1, number)\n"
        "attempt(lambda: (call('ptrace', 16, 1, None, None), won()))\n"
        "attempt(lambda: (os.open('/proc/1/mem', os.O_RDWR), won()))\n"
        "attempt(lambda: (os.listdir('/proc/1/root/'), won()))",
    ),
    Attack(
        title="The fork server: its memory opened in /proc",
        code="for pid in ZYGOTE: attempt(lambda: (os.open(f'/proc/{pid}/mem', os.O_RDWR), won()))",
        held_from="T1",
    ),
    Attack(
        title="The fork server: memory that it shares with nodes",
        code="for line in open('/proc/self/maps'):\n"
        "    where, rights, *_ = line.split()\n"
        "    if rights == 'rw-s':\n"
        "        won()\n"
        "        start, end = (int(part, 16) for part in where.split('-'))\n"
        "        ctypes.memset(start, 0x41, end - start)",
    ),
)  # fmt: skip
