"""One peer, some workloads, in a process of their own: `measure_peer.py PEER WORKLOAD...`, one JSON line per workload.

A line is `{"workload", "samples"}` or `{"workload", "error"}`. Only bench.py starts this.
"""

import json
import os
import sys
import time
from typing import TextIO

from peers import PEERS
from peers.base import Peer
from workloads import ADD, WORKLOADS, expect

FIRST_CALLS = 5


def own_stdout() -> TextIO:
    """Our answers' stream; whatever else is printed goes to stderr."""
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    return answers


def measure(name: str, peer: Peer) -> dict[str, object]:
    """The answer for one workload; a peer that fails at one may still do the others."""
    try:
        return {"workload": name, "samples": WORKLOADS[name].measure(peer)}
    except Exception as error:
        return {"workload": name, "error": f"{type(error).__name__}: {error}"[:300]}


def main() -> None:
    """Start the peer, measure, and report each workload when it is done."""
    answers = own_stdout()
    peer = PEERS[sys.argv[1]]()
    begin = time.perf_counter()
    peer.start()
    try:
        for i in range(FIRST_CALLS):
            expect(i + 1, peer.call(ADD, {"x": i}))
        print(json.dumps({"workload": "start", "samples": [time.perf_counter() - begin]}), file=answers)
        for name in sys.argv[2:]:
            print(json.dumps(measure(name, peer)), file=answers)
    finally:
        peer.stop()


if __name__ == "__main__":
    main()
