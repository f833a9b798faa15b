"""What every peer is asked to do. A workload returns its samples in seconds, and checks every result.

A node is source text that defines `node(...)`. A wrong result is a wrong figure, so it ends the workload.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from peers.base import Peer

ADD = "def node(x: int) -> int:\n    return x + 1\n"
NUMPY = "def node(x: int) -> int:\n    import numpy as np\n    return int(np.asarray([x, 1]).sum())\n"
PANDAS = "def node(x: int) -> int:\n    import pandas as pd\n    return int(pd.Series([x, 1]).sum())\n"

ITEMS = 123_000  # about 10 MB of JSON
MAKE_LIST = f"""def node() -> list:
    return [{{"id": i, "name": "item-%d" % i, "v": i * 0.37, "ok": True, "t": [i, "a", None]}} for i in range({ITEMS})]
"""
USE_LIST = 'def node(x: list) -> int:\n    return len(x) + x[-1]["id"]\n'
LIST_RESULT = ITEMS + ITEMS - 1

FLOATS = 12_500_000  # 100 MB
MAKE_ARRAY = f"def node() -> object:\n    import numpy as np\n    return np.ones({FLOATS})\n"
USE_ARRAY = "def node(x: object) -> int:\n    return int(x[0] + x[-1] + len(x))\n"
ARRAY_RESULT = FLOATS + 2

PAUSE_S = 0.005


class WrongResultError(Exception):
    """A peer answered, but not with the value that the nodes compute."""


def expect(wanted: object, got: object) -> None:
    """Refuse a wrong value."""
    if got != wanted:
        raise WrongResultError(f"wanted {str(wanted)[:80]}, got {str(got)[:80]}")


def timed(act: Callable[[], object], wanted: object) -> float:
    """Seconds that `act` took to give what is wanted."""
    begin = time.perf_counter()
    got = act()
    end = time.perf_counter()
    expect(wanted, got)
    return end - begin


def single(peer: Peer) -> list[float]:
    """One trivial node after the other; seconds per call."""
    calls = 40 if peer.is_slow else 170
    return [timed(partial(peer.call, ADD, {"x": i}), i + 1) for i in range(calls)]


def single_paused(peer: Peer) -> list[float]:
    """The same with 5 ms between the calls: what a person waits for; work done ahead can hide in the pause."""
    samples = []
    for i in range(20 if peer.is_slow else 80):
        time.sleep(PAUSE_S)
        samples.append(timed(partial(peer.call, ADD, {"x": i}), i + 1))
    return samples


def chain(peer: Peer) -> list[float]:
    """A chain of 100 trivial nodes; seconds per node."""
    nodes, times = (40, 1) if peer.is_slow else (100, 3)
    return [timed(partial(peer.chain, ADD, nodes), nodes) / nodes for _ in range(times)]


def fan(peer: Peer) -> list[float]:
    """1000 independent trivial nodes; seconds per node."""
    nodes, times = (100, 1) if peer.is_slow else (1000, 2)
    wanted = list(range(1, nodes + 1))
    return [timed(partial(peer.fan, ADD, nodes), wanted) / nodes for _ in range(times)]


def importing_chain(code: str) -> Callable[[Peer], list[float]]:
    """A chain of 10 nodes that each import a package; seconds per node.

    The first of three runs pays for what is not warm yet, so the median is the steady state.
    """

    def measure(peer: Peer) -> list[float]:
        nodes, times = (6, 1) if peer.is_slow else (10, 3)
        return [timed(partial(peer.chain, code, nodes), nodes) / nodes for _ in range(times)]

    return measure


def passing(make: str, use: str, wanted: int) -> Callable[[Peer], list[float]]:
    """A large value from one node to the next, the work of both nodes included; seconds.

    The first time is not counted.
    """

    def measure(peer: Peer) -> list[float]:
        return [timed(partial(peer.pass_value, make, use), wanted) for _ in range(2)][1:]

    return measure


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """`unit` is "us", "ms" or "nodes/s"; `needs` is the package that its nodes import."""

    title: str
    unit: str
    measure: Callable[[Peer], list[float]]
    needs: str | None = None


WORKLOADS = {
    "w1": Workload(title="one node", unit="us", measure=single),
    "w1p": Workload(title="one node, 5 ms apart", unit="us", measure=single_paused),
    "w2": Workload(title="chain of 100, per node", unit="us", measure=chain),
    "w3": Workload(title="fan of 1000", unit="nodes/s", measure=fan),
    "w4n": Workload(title="numpy node", unit="ms", measure=importing_chain(NUMPY), needs="numpy"),
    "w4p": Workload(title="pandas node", unit="ms", measure=importing_chain(PANDAS), needs="pandas"),
    "w5j": Workload(title="pass 10 MB JSON", unit="ms", measure=passing(MAKE_LIST, USE_LIST, LIST_RESULT)),
    "w5n": Workload(
        title="pass 100 MB array", unit="ms", measure=passing(MAKE_ARRAY, USE_ARRAY, ARRAY_RESULT), needs="numpy"
    ),
}
