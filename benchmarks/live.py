"""Live sessions: from a change to the new value at the client, alone and beside batch work; nodes in one process.

    python benchmarks/live.py --rounds 5 --json benchmarks/results/live.json

Each round has a daemon of its own. What is compared is measured in turns: a change, a round trip of a
ProcessPoolExecutor that has one process, one over the hops of a change without anything else, a change beside a batch
run that has more work than there are processors. In each turn the order is drawn anew, always in the same way: what
comes after much work finds processors awake, and is faster for that.
"""

import argparse
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import recording
from bare_transport import bare_transport
from daemon_process import DaemonProcess
from peers.base import run_json
from peers.interpreters import InProcessPeer
from peers.pyflowd_daemon import OUTPUT, chained_nodes, independent_nodes
from pyflowd_client import Client, connect
from pyflowd_client.live import Live
from pyflowd_client.protocol.events import NodeStarted
from workloads import ADD, expect

TURNS = 200
LONG_TURNS = 60
CHAIN, SHARED_CHAIN = 10, 100
BUSY = "def node(x: int) -> int:\n    total = 0\n    for i in range(3_000_000):\n        total += i\n    return total\n"
Samples = dict[str, list[float]]


def change(live: Live, value: int, last: str) -> object:
    """Give the first node a value; what the last one gives for it, as soon as that is known here."""
    name = live.set("n0", "x", value)
    while True:
        record = live.next_event()
        if record is None:
            raise RuntimeError("the session has ended")
        wire = record.wire
        if wire["event"] == "node_finished" and wire["node"] == last and wire.get("change") == name:
            return wire["outputs"][OUTPUT]


def timed_change(live: Live, value: int, nodes: int) -> float:
    """Seconds of a change through so many nodes."""
    begin = time.perf_counter()
    got = change(live, value, f"n{nodes - 1}")
    end = time.perf_counter()
    expect(value + nodes, got)
    return end - begin


@contextmanager
def session(client: Client, document: str, isolation: str = "resident") -> Iterator[Live]:
    """One that has settled."""
    with client.live_document(document, name="bench.json", isolation=isolation, python=sys.prefix) as live:
        live.settle()
        yield live


def resident(client: Client) -> Samples:
    """One node, a chain, the executor, and the bare hops, in turns."""
    found: Samples = {"one": [], "chain": [], "executor": [], "bare": []}
    with (
        ProcessPoolExecutor(1) as pool,
        bare_transport(ADD) as bare,
        session(client, independent_nodes(ADD, 1)) as one,
        session(client, chained_nodes(ADD, CHAIN)) as chain,
    ):
        cases: dict[str, Callable[[int], float]] = {
            "one": lambda turn: timed_change(one, turn + 100, 1),
            "chain": lambda turn: timed_change(chain, turn + 100, CHAIN),
            "executor": lambda turn: timed_submit(pool, turn),
            "bare": lambda turn: timed_bare(bare, turn),
        }
        chance = random.Random(0)
        for turn in range(-10, TURNS):
            for name in chance.sample(list(cases), len(cases)):
                seconds = cases[name](turn)
                if turn >= 0:
                    found[name].append(seconds)
    return found


def timed_submit(pool: ProcessPoolExecutor, value: int) -> float:
    """Seconds of the same node in the executor."""
    begin = time.perf_counter()
    got = pool.submit(run_json, ADD, f'{{"x": {value}}}').result()
    end = time.perf_counter()
    expect(str(value + 1), got)
    return end - begin


def timed_bare(call: Callable[[dict[str, Any]], Any], value: int) -> float:
    """Seconds of the same node, over the hops alone."""
    begin = time.perf_counter()
    got = call({"x": value})
    end = time.perf_counter()
    expect(value + 1, got)
    return end - begin


def loaded(client: Client, other: Client) -> Samples:
    """One node alone, and then beside a batch run with more work than there are processors."""
    found: Samples = {"alone": [], "beside": []}
    with session(client, independent_nodes(ADD, 1)) as live:
        found["alone"] = [timed_change(live, value, 1) for value in range(1, LONG_TURNS)]
        batch = other.run_document(
            independent_nodes(BUSY, 400), name="busy.json", inputs={f"n{i}.x": 0 for i in range(400)}
        )
        next(event for event in batch if isinstance(event, NodeStarted))
        found["beside"] = [timed_change(live, value, 1) for value in range(100, 100 + LONG_TURNS)]
        batch.cancel()
        list(batch)
    return found


def shared(client: Client) -> Samples:
    """A chain in one process, per node, and the same code executed here, in turns."""
    found: Samples = {"shared": [], "here": []}
    with session(client, chained_nodes(ADD, SHARED_CHAIN), "shared") as live:
        for turn in range(-5, LONG_TURNS):
            taken = {
                "shared": timed_change(live, turn + 100, SHARED_CHAIN) / SHARED_CHAIN,
                "here": timed_here(turn) / SHARED_CHAIN,
            }
            if turn >= 0:
                for name, seconds in taken.items():
                    found[name].append(seconds)
    return found


def timed_here(value: int) -> float:
    """Seconds of the chain in this process, each node as the editor of PyFlowGraph executes it."""
    peer = InProcessPeer()
    begin = time.perf_counter()
    for _ in range(SHARED_CHAIN):
        value = peer.call(ADD, {"x": value})
    return time.perf_counter() - begin


def measure_round(parts: dict[str, Callable[[Client, Client], Samples]]) -> Samples:
    """The samples of one daemon."""
    found: Samples = {}
    with DaemonProcess("--python", sys.prefix) as daemon:
        for part in parts.values():
            with connect(daemon.socket, autostart=False) as client, connect(daemon.socket, autostart=False) as other:
                found |= part(client, other)
    return found


PARTS: dict[str, Callable[[Client, Client], Samples]] = {
    "resident": lambda client, _: resident(client),
    "loaded": loaded,
    "shared": lambda client, _: shared(client),
}


def main() -> None:
    """Measure, and write what came out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    started = recording.header()
    cases: dict[str, list[list[float]]] = {}
    for number in range(options.rounds):
        print(f"round {number + 1} of {options.rounds}, load {os.getloadavg()[0]:.1f}", file=sys.stderr, flush=True)
        for name, values in measure_round(PARTS).items():
            cases.setdefault(name, []).append(values)
    recording.write(options.json, started, {"cases": cases, "chain": CHAIN, "shared_chain": SHARED_CHAIN})


if __name__ == "__main__":
    main()
