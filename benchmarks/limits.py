"""What the machine itself takes: transports, forks, interpreter starts, large memory. The floor under every peer.

python benchmarks/limits.py --rounds 3 --json benchmarks/results/limits.json
"""

import argparse
import gc
import json
import mmap
import os
import random
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import zmq

import recording
import report
import samples

MESSAGE = b'{"x": 1}'
LARGE_BYTES = 100_000_000
WARM_UP = 100

FORK_SCRIPT = """
import gc, json, os, sys, time
for name in sys.argv[2:]:
    __import__(name)
gc.collect()
gc.freeze()
times = []
for _ in range(int(sys.argv[1])):
    begin = time.perf_counter()
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    times.append(time.perf_counter() - begin)
print(json.dumps(times))
"""


def fork_child(act: Callable[[], object]) -> int:
    """The pid of a child that runs `act` and never comes back."""
    pid = os.fork()
    if pid == 0:
        try:
            act()
        finally:
            os._exit(0)  # nothing of the parent's clean-up may run twice
    return pid


def end(pid: int) -> None:
    """Kill our child and reap it."""
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def timed(act: Callable[[], object], times: int, warm_up: int = WARM_UP) -> list[float]:
    """Seconds of each call, after some that do not count."""
    found = []
    for _ in range(warm_up + times):
        begin = time.perf_counter()
        act()
        found.append(time.perf_counter() - begin)
    return found[warm_up:]


def socket_pair(kind: socket.SocketKind) -> list[float]:
    """A round trip over a Unix socket pair."""
    here, there = socket.socketpair(socket.AF_UNIX, kind)

    def echo() -> None:
        while message := there.recv(65536):
            there.send(message)

    child = fork_child(echo)
    try:
        return timed(lambda: (here.send(MESSAGE), here.recv(65536)), 2000)
    finally:
        end(child)
        here.close()
        there.close()


def zmq_round_trip() -> list[float]:
    """A round trip from a DEALER to a ROUTER over ipc, both blocking."""
    with tempfile.TemporaryDirectory(prefix="limits-") as folder:
        address = f"ipc://{folder}/echo"

        def echo() -> None:
            router = zmq.Context().socket(zmq.ROUTER)
            router.bind(address)
            while True:
                router.send_multipart(router.recv_multipart())

        child = fork_child(echo)
        context = zmq.Context()
        dealer = context.socket(zmq.DEALER)
        dealer.connect(address)
        try:
            return timed(lambda: (dealer.send(MESSAGE), dealer.recv()), 2000)
        finally:
            end(child)
            dealer.close(0)
            context.term()


def fork(*packages: str) -> list[float]:
    """fork, leave, wait - in a bare interpreter with some packages imported."""
    flags = ["-I"] if packages else ["-I", "-S"]
    command = [sys.executable, *flags, "-c", FORK_SCRIPT, "200", *packages]
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(command, stdout=subprocess.PIPE, env=environment, check=True)
    return [float(seconds) for seconds in json.loads(done.stdout)]


def spawn(times: int, *arguments: str) -> list[float]:
    """A whole interpreter, from start to end."""
    command = [sys.executable, *arguments]
    return timed(lambda: os.waitpid(os.posix_spawn(command[0], command, os.environ), 0), times, warm_up=1)


def pass_memory() -> list[float]:
    """100 MB in a memfd, written, handed over and looked at by another process."""
    here, there = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    data = memoryview(bytes(LARGE_BYTES))

    def look() -> None:
        while True:
            _, (descriptor,), _, _ = socket.recv_fds(there, 100, 1)
            with mmap.mmap(descriptor, LARGE_BYTES, prot=mmap.PROT_READ) as memory, memoryview(memory) as view:
                view[:: mmap.PAGESIZE].tobytes()
            os.close(descriptor)
            there.send(b"seen")

    def hand_over() -> None:
        descriptor = os.memfd_create("limits")
        written = 0
        while written < LARGE_BYTES:
            written += os.write(descriptor, data[written:])
        socket.send_fds(here, [b"look"], [descriptor])
        os.close(descriptor)
        here.recv(10)

    child = fork_child(look)
    try:
        return timed(hand_over, 4, warm_up=1)
    finally:
        end(child)
        here.close()
        there.close()


LIMITS: dict[str, Callable[[], list[float]]] = {
    "round trip, socket pair SEQPACKET": lambda: socket_pair(socket.SOCK_SEQPACKET),
    "round trip, socket pair STREAM": lambda: socket_pair(socket.SOCK_STREAM),
    "round trip, zmq ipc DEALER to ROUTER": zmq_round_trip,
    "fork and wait, bare": fork,
    "fork and wait, numpy imported": lambda: fork("numpy"),
    "python -I -S -c pass": lambda: spawn(20, "-I", "-S", "-c", "pass"),
    "python -c pass": lambda: spawn(20, "-c", "pass"),
    "python -c 'import zmq'": lambda: spawn(10, "-c", "import zmq"),
    "python -c 'import numpy'": lambda: spawn(6, "-c", "import numpy"),
    "100 MB by memfd to another process": pass_memory,
}


def main() -> None:
    """Measure in interleaved rounds, keep, show."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep all samples")
    options = parser.parse_args()
    started = recording.header()
    found: dict[str, list[list[float]]] = {name: [] for name in LIMITS}
    for _ in range(options.rounds):
        for name in random.sample(list(LIMITS), len(LIMITS)):
            gc.collect()
            found[name].append(LIMITS[name]())
    limits = {name: rounds for name, rounds in found.items() if samples.pooled(rounds)}
    recording.write(options.json, started, {"limits": limits})
    print(report.limits_section({**started, "limits": limits}))


if __name__ == "__main__":
    main()
