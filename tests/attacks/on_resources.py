"""Attacks on what all share: processes, memory, disk, the time of the daemon. Each is given limits to break."""

from attacks.attack import Attack

MEMORY = {"memory_bytes": 200_000_000}
# `left` waits until who stays has become somebody whom one can recognize: what execs, or ends, closes its end.
LEAVE = (
    "ends = os.pipe()\n"
    "def stay(): os.execv('/bin/sleep', ['attacked', '600'])\n"
    "def left(): os.close(ends[1]); os.read(ends[0], 1)\n"
)

ATTACKS = (
    Attack(
        title="A fork bomb: more processes than its limit",
        code="children = []\n"
        "def bear():\n    pid = os.fork()\n    if not pid: time.sleep(60)\n    return pid\n"
        "for _ in range(150): children.append(attempt(bear))\n"
        "if None not in children: time.sleep(4); won()",
        limits={"processes": 60},
    ),
    Attack(
        title="A fork bomb: more threads than its limit",
        code="import threading\n"
        "def wait(): time.sleep(60)\n"
        "started = [attempt(threading.Thread(target=wait, daemon=True).start) for _ in range(150)]\n"
        "if len(os.listdir('/proc/self/task')) > 100: time.sleep(4); won()",
        limits={"processes": 60},
    ),
    Attack(
        title="Memory: private, more than its limit",
        code="kept = [bytearray(b'x' * 10_000_000) for _ in range(40)]\nwon()",
        limits=MEMORY,
        control=True,
    ),
    Attack(
        title="Memory: shared, more than its limit",
        code="kept = mmap.mmap(-1, 400_000_000)\n"
        "for at in range(0, len(kept), 4096): kept[at] = 1\n"
        "time.sleep(1)\nwon()",
        limits=MEMORY,
        control=True,
    ),
    Attack(
        title="Memory: shared with children that are told apart",
        code="def hold():\n    kept = bytearray(b'x' * 90_000_000)\n    time.sleep(4)\n    os._exit(0)\n"
        "for _ in range(3):\n    if not os.fork(): hold()\n"
        "time.sleep(2.5)\nwon()",
        limits=MEMORY,
        control=True,
    ),
    Attack(
        title="Memory: files that have no name (memfd), more than its limit",
        code="file = os.memfd_create('x')\nfor _ in range(40): os.write(file, bytes(10_000_000))\ntime.sleep(4)\nwon()",
        held_from="T0",
        limits=MEMORY,
    ),
    Attack(
        title="Disk: more in its scratch folder than its limit",
        code="for name in range(8):\n    with open(str(name), 'wb') as file: file.write(bytes(5_000_000))\n"
        "time.sleep(1)\nwon()",
        held_from="T3",
        limits={"scratch_bytes": 20_000_000},
    ),
    Attack(
        title="Disk: more files in its scratch folder than its limit",
        code="for name in range(400): open(str(name), 'w').close()\ntime.sleep(0.7)\nwon()",
        held_from="T3",
        limits={"scratch_files": 200},
    ),
    Attack(
        title="Disk: a file longer than its limit",
        code="signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "with open('long', 'wb') as file:\n    for _ in range(10): file.write(bytes(1_000_000)); file.flush()\n"
        "won()",
        limits={"file_bytes": 2_000_000},
        control=True,
    ),
    Attack(
        title="Descriptors: more than its limit",
        code="kept = [open('/dev/null') for _ in range(200)]\nwon()",
        limits={"open_files": 64},
        control=True,
    ),
    Attack(
        title="Processors: more time than its limit",
        code="signal.signal(signal.SIGXCPU, signal.SIG_IGN)\n"
        "until = time.process_time() + 3.5\n"
        "while time.process_time() < until: pass\nwon()",
        limits={"cpu_s": 1},
        control=True,
    ),
    Attack(
        title="The daemon: a flood of output",
        code="for _ in range(300): os.write(1, b'x' * 1_000_000)\nfor _ in range(50_000): os.write(2, b'\\n')",
        limits={"memory_bytes": 10**9},
    ),
    Attack(
        title="Time: it ignores every wish that it end",
        code="for number in set(signal.valid_signals()) - {9, 19}: attempt(signal.signal, number, signal.SIG_IGN)\n"
        "until = time.monotonic() + 4\n"
        "while time.monotonic() < until: attempt(time.sleep, 1)\nwon()",
        limits={"timeout_s": 0.3},
        control=True,
    ),
    Attack(
        title="After its end: a process of a session of its own, twice forked",
        code=LEAVE + "if not os.fork():\n    os.setsid()\n    if not os.fork(): stay()\n    os._exit(0)\nleft()",
        control=True,
    ),
    Attack(
        title="After its end: a child of the fork server (CLONE_PARENT)",
        code=LEAVE + "if not call((56, 220), 0x8000 | 17, 0, 0, 0, 0): stay()\nleft()",
        control=True,
    ),
    Attack(
        title="After its end: a process that adopts no orphans and does not die with its parent",
        code=LEAVE + "for option in (1, 36): call('prctl', option, 0, 0, 0, 0)\n"
        "if not os.fork():\n    os.setsid()\n    if not os.fork(): stay()\n    os._exit(0)\n"
        "left()\nos._exit(0)",
        control=True,
    ),
    Attack(
        title="After its end: a process that is stopped",
        code=LEAVE + "child = os.fork()\nif not child: stay()\nleft()\nos.kill(child, 19)",
        control=True,
    ),
)
