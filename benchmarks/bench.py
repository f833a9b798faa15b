"""Every peer on every workload, in interleaved rounds of random order.

    python benchmarks/bench.py --list
    python benchmarks/bench.py --rounds 3 --json benchmarks/results/peers.json
    python benchmarks/bench.py --peers pyflowd,subprocess,ppe-fork --workloads w1,w2,w3

Each peer of each round runs in its own process, which is ended together with whatever it left behind.
"""

import argparse
import contextlib
import importlib.util
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

import recording
import report
from peers import PEERS
from peers.base import Peer
from workloads import WORKLOADS

HERE = Path(__file__).parent
START = "start"


@dataclass(slots=True)
class PeerRecord:
    """What became of one peer: samples by workload and round, why workloads were left out, errors."""

    note: str
    isolation: str
    rounds: dict[str, list[list[float]]] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)


def is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def missing_packages(peer: Peer) -> list[str]:
    """Packages without which the peer cannot start."""
    return [package for package in peer.requires if not is_installed(package)]


def skipped_workloads(peer: Peer, names: Sequence[str]) -> dict[str, str]:
    """The workloads that this peer, or this installation, cannot do, and why."""
    skipped = {name: peer.skips[name] for name in names if name in peer.skips}
    for name in names:
        package = WORKLOADS[name].needs
        if package and not is_installed(package):
            skipped[name] = f"{package} is not installed"
    return skipped


def child_environment(temporary: Path, tree: Path | None) -> dict[str, str]:
    """One thread per numerical library, bytecode caches as usual, temporary files where we remove them."""
    code = [] if tree is None else [tree / "client", tree / "daemon"]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, [HERE, *code])),
        "PYTHONWARNINGS": "ignore",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "TMPDIR": str(temporary),
    }
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    return environment


def end(process: "subprocess.Popen[str]") -> None:
    """Kill the process, its descendants by pid, and what is left of its process group."""
    with contextlib.suppress(psutil.NoSuchProcess):
        for descendant in psutil.Process(process.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                descendant.kill()
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def without_paths(text: str) -> str:
    """The text without the place where this copy of the project lies: results are published."""
    return text.strip().replace(f"{HERE.parent}{os.sep}", "")


def measure_once(
    name: str, workloads: Sequence[str], limit_s: float, tree: Path | None = None
) -> tuple[list[dict[str, Any]], str]:
    """The answers of one process of measure_peer.py, and what it wrote to stderr. tree: where pyflowd's code is."""
    temporary = Path(tempfile.mkdtemp(prefix="bench-"))
    process = subprocess.Popen(
        [sys.executable, str(HERE / "measure_peer.py"), name, *workloads],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=child_environment(temporary, tree),
        start_new_session=True,
        text=True,
    )
    try:
        answers, complaints = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        end(process)
        answers, complaints = process.communicate()
        complaints += f"\nnot done after {limit_s:.0f} s"
    finally:
        end(process)
        shutil.rmtree(temporary, ignore_errors=True)
    return [json.loads(line) for line in answers.splitlines() if line.endswith("}")], without_paths(complaints)


def measure_round(name: str, record: PeerRecord, workloads: Sequence[str], limit_s: float) -> None:
    """Add one round of a peer to its record. Every workload gets an entry, so that rounds stay aligned."""
    begin = time.perf_counter()
    todo = [workload for workload in workloads if workload not in record.skipped]
    answers, complaints = measure_once(name, todo, limit_s)
    by_workload = {answer["workload"]: answer for answer in answers}
    for workload in (START, *todo):
        answer = by_workload.get(workload, {})
        record.rounds.setdefault(workload, []).append(answer.get("samples", []))
        if "error" in answer:
            record.errors[workload] = answer["error"]
            print(f"  {name} {workload}: {answer['error']}", file=sys.stderr)
    if len(answers) < 1 + len(todo):
        record.errors[[START, *todo][len(answers)]] = complaints[-300:] or "ended without a word"
        print(f"  {name}: {complaints}", file=sys.stderr)
    elapsed_s = time.perf_counter() - begin
    print(f"  {name:18} {elapsed_s:6.1f} s, load {os.getloadavg()[0]:.1f}", file=sys.stderr, flush=True)


def chosen_records(names: Sequence[str], workloads: Sequence[str]) -> dict[str, PeerRecord]:
    """Empty records of the peers that can run here; the others are named on stderr."""
    records = {}
    for name in names:
        peer = PEERS[name]()
        missing = missing_packages(peer)
        if missing:
            print(f"{name} is left out: {', '.join(missing)} not installed", file=sys.stderr)
            continue
        records[name] = PeerRecord(peer.note, str(peer.isolation), skipped=skipped_workloads(peer, workloads))
    return records


def measure_all(records: Mapping[str, PeerRecord], workloads: Sequence[str], rounds: int, limit_s: float) -> None:
    """Rounds in turn, the peers of each in another order."""
    for number in range(1, rounds + 1):
        print(f"round {number} of {rounds}", file=sys.stderr)
        for name in random.sample(list(records), len(records)):
            measure_round(name, records[name], workloads, limit_s)


def list_peers() -> None:
    """Print every row with its note."""
    for name, make in PEERS.items():
        peer = make()
        missing = missing_packages(peer)
        print(f"{name:18} {peer.isolation:15} {peer.note}" + (f" (needs {', '.join(missing)})" if missing else ""))


def names_of(kind: str, known: Mapping[str, object]) -> Any:
    """A parser of comma-separated names that refuses unknown ones."""

    def parse(text: str) -> list[str]:
        names = text.split(",")
        unknown = [name for name in names if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"no {kind} {', '.join(unknown)}; there are {', '.join(known)}")
        return names

    return parse


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--peers", type=names_of("peer", PEERS), default=list(PEERS), help="names, comma-separated")
    parser.add_argument("--workloads", type=names_of("workload", WORKLOADS), default=list(WORKLOADS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--limit", type=float, default=150.0, metavar="SECONDS", help="for one peer in one round")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep all samples")
    parser.add_argument("--list", action="store_true", help="show the peers and leave")
    return parser.parse_args()


def main() -> None:
    """Measure, keep, show."""
    options = arguments()
    if options.list:
        list_peers()
        return
    started = recording.header()
    records = chosen_records(options.peers, options.workloads)
    measure_all(records, options.workloads, options.rounds, options.limit)
    peers = {name: {key: getattr(record, key) for key in PeerRecord.__slots__} for name, record in records.items()}
    recording.write(options.json, started, {"peers": peers})
    print(report.peers_section({**started, "peers": peers}))


if __name__ == "__main__":
    main()
