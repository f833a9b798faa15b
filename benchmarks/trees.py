"""This tree of the project against another one, a worktree of an earlier commit: what a change costs or gains.

    git worktree add --detach ../before COMMIT
    python benchmarks/trees.py ../before --rounds 7 --json trees.json

Both run in this interpreter, in interleaved rounds of random order; a first round is not counted, for there the trees
compile their modules. Not part of run_all.py: it needs the other tree.
"""

import argparse
import random
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import bench
import recording
import report
from workloads import WORKLOADS as ALL

WORKLOADS = ("w1", "w1p", "w2", "w3")
THIS, OTHER = "this tree", "the other tree"
LIMIT_S = 120.0


def measure(trees: Mapping[str, Path], workloads: Sequence[str], rounds: int) -> dict[str, dict[str, Any]]:
    """Samples by tree and workload, one list for each round."""
    found: dict[str, dict[str, Any]] = {name: {workload: [] for workload in workloads} for name in trees}
    for number in range(rounds + 1):
        print(f"round {number} of {rounds}", file=sys.stderr, flush=True)
        for name in random.sample(list(trees), len(trees)):
            answers, complaints = bench.measure_once("pyflowd", workloads, LIMIT_S, trees[name])
            samples = {answer["workload"]: answer["samples"] for answer in answers if "samples" in answer}
            if not samples.keys() >= set(workloads):
                raise RuntimeError(f"{name}: {complaints or answers}")
            for workload in workloads if number else ():
                found[name][workload].append(samples[workload])
    return found


def commit(tree: Path) -> str:
    """What is checked out there."""
    command = ["git", "-C", str(tree), "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def main() -> None:
    """Measure, keep, show."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("other", type=Path, help="the folder of the other tree")
    parser.add_argument("--workloads", type=bench.names_of("workload", ALL), default=list(WORKLOADS))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep all samples")
    options = parser.parse_args()
    started = recording.header()
    trees = {THIS: bench.HERE.parent, OTHER: options.other.resolve()}
    commits = {name: commit(tree) for name, tree in trees.items()}
    figures = {"commits": commits, "trees": measure(trees, options.workloads, options.rounds)}
    recording.write(options.json, started, figures)
    print(report.trees_section({**started, **figures}))


if __name__ == "__main__":
    main()
