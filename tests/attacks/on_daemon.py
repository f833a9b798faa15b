"""Attacks on the daemon by the channel that every node has to it, and on what it keeps for others."""

from attacks.attack import Attack

SECRETS = "import re\nSECRETS = re.compile(b'the-secret-of-[0-9a-f]' + b'{12}')\n"
CHANNEL = """
import array, gc
gc.unfreeze()
call_number = next((o for o in gc.get_objects() if type(o).__name__ == "Progress"), None).call
def channel():
    for number in range(3, 1024):
        try: is_socket = stat.S_ISSOCK(os.fstat(number).st_mode)
        except OSError: continue
        if is_socket: return socket.socket(fileno=os.dup(number))
ours = channel()
def frame(header, rest=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<I", len(text)) + text + rest
def answer(call=call_number, value=b"1", **more):
    return frame({"kind": "done", "call": call, "types": ["int"], "previews": [None], "warnings": [], "cpu_s": 0,
                  "peak_memory_bytes": 0, "segments": [len(value)], **more}, value)
def brief(call=call_number, value=b"1", kind=b"int", cpu_s=0.0, peak=0, count=1, size=None):
    head = struct.pack("<IQdQqH", 0, call, cpu_s, peak, -1, count)
    return head + struct.pack("<IH", len(value) if size is None else size, len(kind)) + kind + value
"""
AND_WAIT = "\ntime.sleep(0.2)"

FRAMES = (
    ("noise", "ours.send(os.urandom(1000))"),
    ("a header of 4 GB announced", "ours.send(struct.pack('<I', 0xFFFFFFFF) + b'x')"),
    ("JSON nested 200,000 deep", "ours.setsockopt(1, 7, 10**6)\nours.send(frame(b'[' * 200_000))"),
    ("JSON nested 50,000 deep", "ours.send(frame(b'{\"a\":' * 9_000))"),
    ("an integer of 50,000 digits", "ours.send(frame(b'{\"kind\":' + b'9' * 50_000 + b'}'))"),
    ("numbers that are none", "ours.send(answer(cpu_s=float('nan'), peak_memory_bytes=-1))"),
    ("two answers to one call", "ours.send(answer())\nours.send(answer(value=b'2'))"),
    ("an answer to the call of another", "for number in range(1, 300):\n"
     "    if number != call_number: attempt(ours.send, answer(number))"),
    ("an answer that says it was killed", "ours.send(frame({'kind': 'exited', 'workers': [[1, 1, 9, 0, 0]]}))"),
    ("an answer in brief to the call of another", "for number in range(1, 300):\n"
     "    if number != call_number: attempt(ours.send, brief(number))"),
    ("an answer in brief that is cut short", "ours.send(brief()[:-1])"),
    ("an answer in brief with 65,535 outputs", "ours.send(brief(count=65_535))"),
    ("an answer in brief with 4 GB announced", "ours.send(brief(size=0xFFFFFFFF))"),
    ("an answer in brief that used what cannot be", "ours.send(brief(cpu_s=float('nan'), peak=2**64 - 1))"),
    ("an answer in brief that says what it likes of its type", "ours.send(brief(kind=b'\\xff' * 60_000))"),
    ("an answer in brief with descriptors",
     "ours.sendmsg([brief()], [(1, 1, array.array('i', [os.open('/dev/null', 0)]))])"),
    ("a value in brief that is not whole", "ours.send(brief(value=b'1},\"state\":\"failed\"'))"),
    ("a value that is not whole", "ours.send(answer(value=b'[1', segments=[2]))"),
    ("a value in a memfd that is not sealed",
     "file = os.memfd_create('x', 2)\nos.write(file, b'[1]')\n"
     "ours.sendmsg([answer(value=b'', segments=[-4])], [(1, 1, array.array('i', [file]))])\nos.ftruncate(file, 0)"),
    ("imports that are none", "ours.send(answer(imports=[['os; import attacked', 1.0], ['../attacked', 1.0]]))"),
    ("imports of what does harm",
     "ours.send(answer(imports=[[name, 9.0] for name in ('antigravity', 'test.__main__', 'idlelib.run')]))"),
    ("imports without number", "ours.setsockopt(1, 7, 10**6)\nours.send(answer(imports=[['json', 1.0]] * 5000))"),
    ("a flood of descriptors",
     "null = os.open('/dev/null', 0)\n"
     "for _ in range(40): attempt(ours.sendmsg, [b'\\0'], [(1, 1, array.array('i', [null] * 250))])"),
    ("a flood of progress", "for step in range(20_000): progress(step / 20_000, 'x' * 500)"),
    ("silence", "os._exit(0)"),
    ("silence, and the channel closed", "os.closerange(3, 1024)\ntime.sleep(0.3)"),
    ("an answer never taken: its own orders read", "ours.settimeout(0.2)\nprint(ours.recv(100))"),
)  # fmt: skip

ATTACKS = (
    *(
        Attack(title=f"The channel: {name}", code=CHANNEL + code + AND_WAIT, limits={"timeout_s": 3})
        for name, code in FRAMES
    ),
    Attack(
        title="The fork server's memory: secrets in frames, modules and objects",
        code=SECRETS + "import gc\ngc.unfreeze()\n"
        "frame = sys._getframe()\n"
        "while frame: print(str((frame.f_locals, frame.f_globals))[:50_000]); frame = frame.f_back\n"
        "for thing in gc.get_objects():\n"
        "    if type(thing) in (dict, list, tuple) and SECRETS.search(str(thing)[:100_000].encode()): won()",
        limits={"output_bytes": 10**8},
    ),
    Attack(
        title="The fork server's memory: secrets anywhere in its pages",
        code=SECRETS + "memory = open('/proc/self/mem', 'rb', 0)\n"
        "def search(start, end):\n"
        "    memory.seek(start)\n"
        "    if SECRETS.search(memory.read(end - start)): won()\n"
        "for line in open('/proc/self/maps'):\n"
        "    if ' r' in line: attempt(search, *(int(part, 16) for part in line.split()[0].split('-')))",
    ),
    Attack(
        title="Its variables: what the daemon was started with",
        code="print(dict(os.environ), read('/proc/self/environ'))",
    ),
)
