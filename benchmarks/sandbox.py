"""What each sandbox tier costs, against none (T0): a node, a wide graph, the start of a fork server.

    python benchmarks/sandbox.py --rounds 5 --json benchmarks/results/sandbox.json

One daemon for each tier, in interleaved rounds of random order. The start of a fork server is the whole first run in a
folder where none has been, with the attacks that a new fork server has to withstand first.
"""

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import recording
import report
from daemon_process import DaemonProcess
from peers.pyflowd_daemon import OUTPUT, PyflowdPeer, independent_nodes
from pyflowd_client import connect
from workloads import ADD, WORKLOADS, expect

TIERS = ("T0", "T1", "T2", "T3")
MEASURED = ("w1", "w3")
STARTS = 5


class TierPeer(PyflowdPeer):
    """pyflowd in one tier and no other."""

    def __init__(self, tier: str, folder: Path) -> None:
        self._folder = folder
        self._settings = folder / "config.toml"
        self._settings.write_text(f'[sandbox]\nminimum_tier = "{tier}"\nmaximum_tier = "{tier}"\n', encoding="utf-8")

    def start(self) -> None:
        self._daemon = DaemonProcess("--python", sys.prefix, "--config", str(self._settings))
        try:
            self._client = connect(socket=self._daemon.socket, autostart=False)
            expect(1, self.call(ADD, {"x": 0}))
        except BaseException:
            self._daemon.stop()
            raise

    def start_fork_server(self, number: int) -> float:
        """Seconds until a node is done in a new folder."""
        workdir = self._folder / str(number)
        workdir.mkdir()
        begin = time.perf_counter()
        run = self._client.run_document(
            independent_nodes(ADD, 1), name="bench.json", inputs={"n0.x": 0}, python=sys.prefix, workdir=workdir
        )
        expect(1, run.result()["n0"][OUTPUT])
        return time.perf_counter() - begin


def measure_round(tier: str) -> dict[str, list[float]]:
    """The samples of one daemon; it ends with the round."""
    with tempfile.TemporaryDirectory(prefix="pyflowd-sandbox-") as folder:
        peer = TierPeer(tier, Path(folder))
        peer.start()
        try:
            found = {name: WORKLOADS[name].measure(peer) for name in MEASURED}
            return found | {"start": [peer.start_fork_server(number) for number in range(STARTS)]}
        finally:
            peer.stop()


def measure(rounds: int) -> Mapping[str, Any]:
    """Samples by tier and what was measured, one list for each round; why a tier is not to be had here."""
    found: dict[str, dict[str, list[list[float]]]] = {tier: {} for tier in TIERS}
    missing: dict[str, str] = {}
    for _ in range(rounds):
        for tier in random.sample(TIERS, len(TIERS)):
            try:
                figures = measure_round(tier) if tier not in missing else {}
            except Exception as error:
                missing[tier] = str(error)[:300]
                continue
            for name, samples in figures.items():
                found[tier].setdefault(name, []).append(samples)
    return {"tiers": found, "missing": missing}


def main() -> None:
    """Measure, keep, show."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep all samples")
    options = parser.parse_args()
    started = recording.header()
    figures = measure(options.rounds)
    recording.write(options.json, started, figures)
    print(report.sandbox_section({**started, **figures}))


if __name__ == "__main__":
    main()
