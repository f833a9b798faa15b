"""A value that was handed over is the same for all who get it, whatever its maker or another reader does."""

from attacks.attack import PRELUDE
from attacks.on_daemon import CHANNEL
from pyflowd_client.blocking import Client
from support.daemons import graph, node

COUNT = 50_000
MAKE = f"""
NODE = ZYGOTE = ()
{PRELUDE}
{CHANNEL}
text = json.dumps([1] * {COUNT}).encode()
file = os.memfd_create("x", os.MFD_ALLOW_SEALING)
os.write(file, text)
fcntl.fcntl(file, 1033, 15)
ours.sendmsg([answer(value=b"", segments=[-len(text) - 1])], [(1, 1, array.array("i", [file]))])
until = time.monotonic() + 0.2
while time.monotonic() < until:
    attempt(os.pwrite, file, b"[2", 0)
    attempt(os.ftruncate, file, 0)
    attempt(write, f"/proc/self/fd/{{file}}", b"[2")
    attempt(lambda: mmap.mmap(file, 100).write(b"[2"))
    attempt(call, "fallocate", file, 3, 0, 4096)
"""
READ = """
import gc, os
for number in range(3, 1024):
    for act in (os.ftruncate, lambda n, _: os.pwrite(n, b"[2", 0)):
        try:
            if "memfd" in os.readlink(f"/proc/self/fd/{number}"): act(number, 0)
        except OSError: pass
value_sum = sum(value)
value[:] = []
return value_sum
"""


def test_a_value_is_the_same_for_all_readers(client: Client) -> None:
    readers = [node(READ, "value: list")] * 4
    edges = tuple(("n0", "output_1", f"n{number}", "value") for number in range(1, 5))
    run = client.run_document(graph(node(MAKE, returns="list"), *readers, edges=edges))
    outputs = run.result()
    assert [outputs[f"n{number}"]["output_1"] for number in range(1, 5)] == [COUNT] * 4
