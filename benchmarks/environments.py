"""Environments on demand: a new one with numpy, from the request to its first node; and one that is there.

    python benchmarks/environments.py --rounds 5 --json benchmarks/results/environments.json

Each round has a daemon of its own with an empty folder of environments. The first round is not counted: it fills uv's
cache. Then, in the same daemon, a trivial node runs in an environment like it, in which nothing was learnt, and in the
daemon's own interpreter, in turns; and what the daemon does to find the first is done here once more, alone.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import recording
from daemon_process import DaemonProcess
from environment_sections import environments_section
from peers.pyflowd_daemon import OUTPUT, independent_nodes
from pyflowd.environments.fingerprint import COARSEST_CLOCK_NS, Fingerprints
from pyflowd.environments.store import EnvironmentStore
from pyflowd.graph.environment_specs import EnvironmentSpec
from pyflowd_client import Client, connect
from pyflowd_client.location import locate
from pyflowd_client.protocol.events import EnvironmentProgress, EnvironmentReady, NodeFinished, NodeStarted
from workloads import ADD, NUMPY, expect, timed

REQUIREMENTS = ("numpy",)
ALIKE = ("numpy>=1",)  # the same packages, but another environment
TURNS = 150
INSIDE_TIMES = 500
AGED_NS = 60_000_000_000
Samples = dict[str, list[float]]


def run_one(client: Client, requirements: tuple[str, ...]) -> object:
    """The value of a trivial node."""
    run = client.run_document(
        independent_nodes(ADD, 1), name="bench.json", inputs={"n0.x": 1}, requirements=requirements
    )
    return run.result()["n0"][OUTPUT]


def build(client: Client) -> Samples:
    """Seconds from the request to the end of a node that uses numpy, and of the parts of that."""
    at: dict[type, float] = {}
    told: dict[type, Any] = {}
    begin = time.perf_counter()
    run = client.run_document(
        independent_nodes(NUMPY, 1), name="bench.json", inputs={"n0.x": 1}, requirements=REQUIREMENTS
    )
    for event in run:
        at.setdefault(type(event), time.perf_counter() - begin)
        told[type(event)] = event
    expect(2, run.result()["n0"][OUTPUT])
    return {
        "total": [at[NodeFinished]],
        "begun": [at[EnvironmentProgress]],
        "built": [told[EnvironmentReady].duration_s],
        "started": [at[NodeStarted] - at[EnvironmentReady]],
        "ran": [told[NodeFinished].duration_s],
    }


def take_turns(client: Client) -> Samples:
    """Seconds of a trivial node in an environment that was built and in the daemon's interpreter, in turns."""
    kinds: dict[str, tuple[str, ...]] = {"default": (), "built": ALIKE}
    for requirements in kinds.values():
        expect(2, run_one(client, requirements))
    time.sleep(COARSEST_CLOCK_NS / 1e9)  # until then all files are read for each fingerprint: shown apart
    found: Samples = {kind: [] for kind in kinds}
    for _ in range(TURNS):
        for kind, requirements in kinds.items():
            found[kind].append(timed(partial(run_one, client, requirements), 2))
    return found


def repeated(act: Callable[[], object], wanted: object) -> list[float]:
    return [timed(act, wanted) for _ in range(INSIDE_TIMES)]


def inside(root: Path) -> Samples:
    """Seconds that the daemon's own steps take. Fingerprints are asked as of a minute later, when nothing is young."""
    store = EnvironmentStore(root, sys.executable)
    spec = EnvironmentSpec(requirements=REQUIREMENTS)
    python = store.find(spec)
    if python is None:
        raise RuntimeError("the daemon has built another environment than was asked for")
    aged = Fingerprints(lambda: time.time_ns() + AGED_NS)
    path = str(python)
    stamp = aged.of(path)
    return {
        "find": repeated(partial(store.find, spec), python),
        "fingerprint": repeated(partial(aged.of, path), stamp),
        "young": [timed(partial(Fingerprints().of, path), stamp) for _ in range(20)],
    }


def measure_round() -> dict[str, Samples]:
    """The samples of one daemon: a node in its interpreter is done before."""
    with DaemonProcess("--python", sys.prefix) as daemon:
        with connect(daemon.socket, autostart=False) as client:
            expect(2, run_one(client, ()))
            built = build(client)
        with connect(daemon.socket, autostart=False) as client:
            return {
                "build": built,
                "existing": take_turns(client),
                "inside": inside(locate(daemon.socket).environments),
            }


def measure(rounds: int) -> Mapping[str, Any]:
    """Samples by part and what was measured: one list for each round; those of the inside of all rounds together."""
    found: dict[str, dict[str, list[Any]]] = {"build": {}, "existing": {}, "inside": {}}
    for number in range(rounds + 1):
        print(f"round {number} of {rounds}, load {os.getloadavg()[0]:.1f}", file=sys.stderr, flush=True)
        parts = measure_round()
        for part, figures in parts.items() if number else ():
            for name, samples in figures.items():
                found[part].setdefault(name, []).append(samples)
    inside_all = {name: [one for samples in rounds for one in samples] for name, rounds in found["inside"].items()}
    return {"requirements": list(REQUIREMENTS), **found, "inside": inside_all}


def main() -> None:
    """Measure, keep, show."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep all samples")
    options = parser.parse_args()
    started = recording.header()
    figures = measure(options.rounds)
    recording.write(options.json, started, figures)
    print(environments_section({**started, **figures}))


if __name__ == "__main__":
    main()
