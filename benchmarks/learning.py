"""Nodes that import numpy or pandas: the first run, the second with the imports learnt, and one subprocess per node.

    python benchmarks/learning.py --rounds 5 --json benchmarks/results/learning.json

Each case is a daemon of its own that has learnt nothing; the cases of a round come in random order. The second run is
the next one as soon as the daemon says that the module is preloaded. What that costs nodes that need no such module is
measured then: the workloads w1, w1p and w3.
"""

import argparse
import os
import random
import sys
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import recording
from environment_sections import learning_section
from peers.base import Peer
from peers.interpreters import SubprocessPeer
from peers.pyflowd_daemon import OUTPUT, PyflowdPeer, chained_nodes, independent_nodes
from pyflowd_client.protocol.events import NodeFinished
from workloads import ADD, NUMPY, PANDAS, WORKLOADS, expect, timed

CODES = {"numpy": NUMPY, "pandas": PANDAS}
SHAPES = ("chain", "wide")
CASES = [(module, shape) for module in CODES for shape in SHAPES]
NODES = 8
LATER_RUNS = 5
PRICED = ("w1", "w1p", "w3")
PRELOAD_LIMIT_S, LOOK_S = 30.0, 0.01
Samples = dict[str, list[float]]


class LearningPeer(PyflowdPeer):
    """pyflowd, asked what its fork servers have learnt, and how long its nodes took."""

    def run(self, code: str, shape: str) -> tuple[float, list[float]]:
        """Seconds of a whole run of `NODES` nodes, and of each node."""
        is_chain = shape == "chain"
        text = (chained_nodes if is_chain else independent_nodes)(code, NODES)
        inputs = {f"n{i}.x": i for i in range(1 if is_chain else NODES)}
        begin = time.perf_counter()
        run = self._client.run_document(text, name="bench.json", inputs=inputs, python=sys.prefix)
        nodes = [event.duration_s for event in run if isinstance(event, NodeFinished)]
        elapsed_s = time.perf_counter() - begin
        expect(NODES, run.outputs[f"n{NODES - 1}"][OUTPUT])
        return elapsed_s, nodes

    def wait_until_preloaded(self, module: str) -> float:
        """Seconds until the daemon says that a fork server has it imported."""
        begin = time.perf_counter()
        while module not in self._preloaded():
            if time.perf_counter() - begin > PRELOAD_LIMIT_S:
                raise TimeoutError(f"{module} is not preloaded after {PRELOAD_LIMIT_S:g} s")
            time.sleep(LOOK_S)
        return time.perf_counter() - begin

    def _preloaded(self) -> list[str]:
        servers = self._client.environments.show(sys.prefix).fork_servers
        return [item.module for server in servers for item in server.preloaded]


def per_node(peer: Peer, code: str, shape: str) -> float:
    """Seconds per node of a peer without events."""
    if shape == "chain":
        return timed(partial(peer.chain, code, NODES), NODES) / NODES
    return timed(partial(peer.fan, code, NODES), list(range(1, NODES + 1))) / NODES


def learn(module: str, shape: str) -> Samples:
    """One daemon from its first run on, and what a fresh interpreter for each node takes."""
    code = CODES[module]
    peer = LearningPeer()
    peer.start()
    try:
        expect(1, peer.call(ADD, {"x": 0}))
        first_s, first_nodes = peer.run(code, shape)
        learnt_s = peer.wait_until_preloaded(module)
        second_s, second_nodes = peer.run(code, shape)
        later = [peer.run(code, shape) for _ in range(LATER_RUNS)]
    finally:
        peer.stop()
    return {
        "first": [first_s / NODES],
        "first_node": first_nodes,
        "learnt": [learnt_s],
        "second": [second_s / NODES],
        "second_node": second_nodes,
        "later": [elapsed_s / NODES for elapsed_s, _ in later],
        "later_node": [duration_s for _, nodes in later for duration_s in nodes],
        "subprocess": [per_node(SubprocessPeer(), code, shape) for _ in range(2)],
    }


def price(module: str | None) -> Samples:
    """Nodes that import nothing, beside a fork server that has imported the module; None: nothing."""
    peer = LearningPeer()
    peer.start()
    try:
        expect(1, peer.call(ADD, {"x": 0}))
        if module is not None:
            expect(1, peer.call(CODES[module], {"x": 0}))
            peer.wait_until_preloaded(module)
        return {name: WORKLOADS[name].measure(peer) for name in PRICED}
    finally:
        peer.stop()


def measure(rounds: int) -> Mapping[str, Any]:
    """Samples by case and what was measured, one list for each round."""
    modules = (None, *CODES)
    cases: dict[str, dict[str, list[list[float]]]] = {" ".join(case): {} for case in CASES}
    prices: dict[str, dict[str, list[list[float]]]] = {module or "nothing": {} for module in modules}
    todo = [(cases[" ".join(case)], partial(learn, *case)) for case in CASES]
    todo += [(prices[module or "nothing"], partial(price, module)) for module in modules]
    for number in range(1, rounds + 1):
        print(f"round {number} of {rounds}, load {os.getloadavg()[0]:.1f}", file=sys.stderr, flush=True)
        for found, act in random.sample(todo, len(todo)):
            for name, samples in act().items():
                found.setdefault(name, []).append(samples)
    return {"nodes": NODES, "cases": cases, "prices": prices}


def main() -> None:
    """Measure, keep, show. One thread of BLAS for all, as workers have it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep all samples")
    options = parser.parse_args()
    os.environ |= {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    started = recording.header()
    figures = measure(options.rounds)
    recording.write(options.json, started, figures)
    print(learning_section({**started, **figures}))


if __name__ == "__main__":
    main()
