"""Attacks on the kernel and by it: privileges, namespaces, mounts, objects that outlive a node, its depths."""

from attacks.attack import Attack

NAMESPACES = {
    "user": 0x10000000,
    "mount": 0x20000,
    "process": 0x20000000,
    "network": 0x40000000,
    "IPC": 0x08000000,
    "host name": 0x04000000,
    "control group": 0x02000000,
}
# Names and numbers on x86_64 and elsewhere, arguments: calls that give a descriptor or have an effect at once.
CALLS = (
    ("io_uring", "(425, 425), 8, ctypes.create_string_buffer(120)"),
    ("userfaultfd", "(323, 282), 1"),
    ("perf events", "(298, 241), ctypes.create_string_buffer(b'\\1\\0\\0\\0\\x70\\0\\0\\0', 112), 0, -1, -1, 0"),
    ("bpf", "(321, 280), 0, ctypes.create_string_buffer(struct.pack('5I', 1, 4, 4, 1, 0), 120), 120"),
    ("fanotify", "'fanotify_init', 0x200, 0"),
    ("secret memory", "(447, 447), 0"),
    ("keys", "(248, 217), b'user', b'attacked', b'x', 1, -3"),
    ("a key ring of the session", "(250, 219), 1, 0"),
    ("handles of files", "'name_to_handle_at', -100, b'/usr', ctypes.create_string_buffer(b'\\x80', 200),"
     " ctypes.byref(ctypes.c_int()), 0"),
    ("the kernel's log", "'klogctl', 3, ctypes.create_string_buffer(100), 100"),
    ("a comparison of kernel objects", "(312, 272), os.getpid(), os.getpid(), 0, 1, 1"),
    ("pages moved between nodes of memory", "(279, 239), os.getpid(), 0, None, None, None, 0"),
)  # fmt: skip

ATTACKS = (
    *(
        Attack(
            title=f"Namespaces: a {kind} namespace of its own",
            code=f"attempt(lambda: (call('unshare', {flag}), won()))",
            control=True,
        )
        for kind, flag in NAMESPACES.items()
    ),
    Attack(
        title="Namespaces: made with clone",
        code="stack = ctypes.create_string_buffer(65536)\n"
        "top = ctypes.c_void_p(ctypes.addressof(stack) + 65536 - 64)\n"
        "libc.clone.argtypes = [ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int, ctypes.c_void_p]\n"
        "attempt(lambda: (call('clone', ctypes.cast(libc._exit, ctypes.c_void_p), top, 0x10000000 | 17, None), won()))",
        control=True,
    ),
    Attack(
        title="Namespaces: made with clone3",
        code="def born():\n"
        "    given = struct.pack('11Q', 0x10000000, *[0] * 3, 17, *[0] * 6)\n"
        "    pid = call((435, 435), ctypes.create_string_buffer(given), 88)\n"
        "    if not pid: os._exit(0)\n"
        "    won()\n"
        "attempt(born)",
        control=True,
    ),
    Attack(
        title="Namespaces: those of others entered",
        code="for pid in ('self', 1, *NODE, *ZYGOTE, *DAEMON):\n"
        "    for kind in ('user', 'mnt', 'pid', 'net', 'ipc', 'uts'):\n"
        "        attempt(lambda: (call('setns', os.open(f'/proc/{pid}/ns/{kind}', 0), 0), won()))",
    ),
    Attack(
        title="Mounts: a file system of its own, a folder mounted elsewhere",
        code="os.mkdir('at')\n"
        "attempt(lambda: (call('mount', b'tmpfs', b'at', b'tmpfs', 0, None), won()))\n"
        "attempt(lambda: (call('mount', b'/usr', b'at', None, 4096, None), won()))\n"
        "attempt(lambda: (call('mount', b'proc', b'at', b'proc', 0, None), won()))",
    ),
    Attack(
        title="Mounts: the same by the newer calls",
        code="attempt(lambda: (call((430, 430), b'tmpfs', 0), won()))\n"
        "attempt(lambda: (call((428, 428), -100, b'/usr', 1), won()))\n"
        "attempt(lambda: (call((442, 442), -100, b'/', 0x8000, struct.pack('4Q', 0, 1, 0, 0), 32), won()))",
    ),
    Attack(
        title="Mounts: removed, to see what lies below",
        code="for at in (b'/proc', b'/dev', b'/tmp', b'.', b'..', b'/'):\n"
        "    attempt(lambda: (call('umount2', at, 2), won()))",
    ),
    Attack(
        title="Mounts: another root, and out of it",
        code="os.mkdir('root')\n"
        "attempt(lambda: (os.chroot('root'), won()))\n"
        "attempt(lambda: (call((155, 41), b'.', b'.'), won()))",
    ),
    *(Attack(title=f"The kernel: {name}", code=f"attempt(lambda: (call({given}), won()))") for name, given in CALLS),
    Attack(
        title="The kernel: calls of another architecture (int 0x80, x32)",
        code="if not IS_X86: return\n"
        "attempt(lambda: libc.syscall(0x40000000 + 39) > 0 and won())\n"
        "page = mmap.mmap(-1, 4096, prot=7)\n"
        "page.write(bytes.fromhex('53b814000000cd805bc3'))\n"
        "at = ctypes.addressof(ctypes.c_char.from_buffer(page))\n"
        "if ctypes.CFUNCTYPE(ctypes.c_int)(at)() > 0: won()",
    ),
    Attack(
        title="Objects that outlive it: shared memory, messages, semaphores",
        code="for name, given in (('shmget', (KEY, 4096, 0o1666)), ('msgget', (KEY, 0o1666)),"
        " ('semget', (KEY, 1, 0o1666))):\n    attempt(call, name, *given)",
    ),
    Attack(
        title="Shared memory of another program's: read and written by its number",
        code="libc.shmat.restype = ctypes.c_void_p\n"
        "at = libc.shmat(SEGMENT, None, 0)\n"
        "if at not in (None, ctypes.c_void_p(-1).value):\n"
        "    print(ctypes.string_at(at, 60))\n"
        "    ctypes.memset(at, 0x41, 60)",
        control=True,
    ),
    Attack(
        title="Shared memory of another program's: removed by its number",
        code="attempt(call, 'shmctl', SEGMENT, 0, None)",
        control=True,
    ),
    Attack(
        title="A queue of messages of another program's: opened, removed",
        code="attempt(lambda: (call('mq_open', QUEUE.encode(), 2), won()))\nattempt(call, 'mq_unlink', QUEUE.encode())",
        control=True,
    ),
    Attack(
        title="A terminal: words typed into it (TIOCSTI)",
        code="terminal = os.open(TERMINAL, os.O_RDWR | os.O_NOCTTY)\n"
        "for key in (b'x', b'\\n'): attempt(fcntl.ioctl, terminal, 0x5412, key)",
    ),
    Attack(
        title="Privileges: those of a program with the set-uid bit",
        code="for program in ('mount', 'passwd', 'ping', 'newgrp'):\n"
        "    for folder in ('/bin/', '/usr/bin/'):\n"
        "        attempt(subprocess.run, [folder + program, '-c', 'id'], capture_output=True, timeout=5, stdin=-3)\n"
        "status = open('/proc/self/status').read()\n"
        "if 'NoNewPrivs:\\t1' not in status: won()",
    ),
    Attack(
        title="Privileges: another user, or more groups",
        code="before = os.getresuid(), os.getresgid(), os.getgroups()\n"
        "for number in (0, 1, 1000, 65534):\n"
        "    for become in (os.setuid, os.seteuid, os.setgid, os.setegid): attempt(become, number)\n"
        "attempt(os.setgroups, [0, 27])\n"
        "if (os.getresuid(), os.getresgid(), os.getgroups()) != before: won()",
    ),
    Attack(
        title="Privileges: capabilities taken, or kept for what it starts",
        code="full = struct.pack('6I', *[0xFFFFFFFF] * 2, 0, *[0xFFFFFFFF] * 2, 0)\n"
        "attempt(call, 'capset', struct.pack('Ii', 0x20080522, 0), full)\n"
        "attempt(call, 'prctl', 47, 2, 21, 0, 0)\n"
        "of_child = subprocess.run(['cat', '/proc/self/status'], capture_output=True, text=True).stdout\n"
        "for status in (open('/proc/self/status').read(), of_child):\n"
        "    for line in status.splitlines():\n"
        "        if line.startswith(('CapEff', 'CapPrm', 'CapAmb')) and int(line.split()[1], 16): won()",
    ),
    Attack(
        title="Privileges: users mapped into its namespace",
        code="for file in ('uid_map', 'gid_map', 'setgroups', 'projid_map'):\n"
        "    before = read(f'/proc/self/{file}')\n"
        "    attempt(write, f'/proc/self/{file}', b'deny' if file == 'setgroups' else b'0 0 1')\n"
        "    if read(f'/proc/self/{file}') != before: won()",
    ),
    Attack(
        title="Privileges: limits raised",
        code="for which in (resource.RLIMIT_FSIZE, resource.RLIMIT_NOFILE, resource.RLIMIT_DATA):\n"
        "    before = resource.getrlimit(which)\n"
        "    for more in ((10**15, 10**15), (-1, -1), (before[1] + 1,) * 2):\n"
        "        attempt(resource.setrlimit, which, more)\n"
        "    if resource.getrlimit(which)[1] not in (before[1], 0): won()",
        limits={"memory_bytes": 10**9},
    ),
    Attack(
        title="Privileges: the filter of system calls taken off what it starts",
        code="shown = subprocess.run(['cat', '/proc/self/status'], capture_output=True, text=True).stdout\n"
        "if 'Seccomp:\\t2' not in shown or 'NoNewPrivs:\\t1' not in shown: won()",
    ),
    Attack(
        title="The machine: its name changed",
        code="attempt(call, 'sethostname', b'attacked', 8)\nattempt(call, 'setdomainname', b'attacked', 8)",
    ),
    Attack(
        title="The machine: its clock changed",
        code="attempt(lambda: (time.clock_settime(time.CLOCK_REALTIME, time.time()), won()))\n"
        "attempt(lambda: (call('clock_adjtime', 0, ctypes.create_string_buffer(208)), won()))",
    ),
)
