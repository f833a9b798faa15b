"""Large graphs: what it takes to read and plan 10,000 nodes, in this process and until a daemon says: they can run.

    python benchmarks/large.py --times 5 --json benchmarks/results/large.json

The nodes are a chain. Their code is one text for all, which is looked at once, or a text of its own for each, which is
what a worker has to look at 10,000 times. Every sample has a document of its own: a daemon remembers plans and code.
"""

import argparse
import gc
import random
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TypeVar

import recording
import report
from daemon_process import DaemonProcess
from peers.pyflowd_daemon import document, edge, node
from pyflowd.graph.document import Format, read_document, write_document
from pyflowd.graph.interface import CodeHash, CodeInterface, InputPin, OutputPin
from pyflowd.graph.planning import build_plan, code_sources
from pyflowd_client import Client, connect
from workloads import expect

T = TypeVar("T")
NODES = 10_000
FORMATS: Mapping[str, Format] = {"FlowSpec": "md", "JSON": "json"}
INTERFACE = CodeInterface(
    inputs=(InputPin(name="x", type="int", required=False),), outputs=(OutputPin(name="output_1", type="int"),)
)


@dataclass(slots=True)
class Figures:
    """One kind of document: its size, and seconds of each sample."""

    form: str
    codes: int
    size_bytes: int = 0
    read: list[float] = field(default_factory=list)
    plan: list[float] = field(default_factory=list)
    check: list[float] = field(default_factory=list)


def text_of(figures: Figures) -> str:
    """A document like no other."""
    mark = random.randrange(2**64)
    codes = [f"def node(x: int = 0) -> int:\n    return x + 1  # {mark} {i}\n" for i in range(figures.codes)]
    nodes = [node(f"n{i}", codes[i % len(codes)]) for i in range(NODES)]
    text = document(nodes, [edge(f"n{i}", f"n{i + 1}") for i in range(NODES - 1)])
    graph = read_document(text).graph
    assert graph is not None
    return write_document(graph, FORMATS[figures.form])


def seconds(act: Callable[[], T]) -> tuple[float, T]:
    """How long it took, and what came of it; without the garbage collector, as in the daemon."""
    gc.collect()
    gc.disable()
    begin = time.perf_counter()
    try:
        result = act()
        return time.perf_counter() - begin, result
    finally:
        gc.enable()


def sample(figures: Figures, client: Client) -> None:
    """One more sample of each step."""
    text = text_of(figures)
    figures.size_bytes = len(text.encode())
    read_s, reading = seconds(lambda: read_document(text))
    graph = reading.graph
    assert graph is not None
    interfaces: dict[CodeHash, CodeInterface] = dict.fromkeys(code_sources(graph), INTERFACE)
    plan_s, planning = seconds(lambda: build_plan(graph, interfaces))
    check_s, checked = seconds(lambda: client.check(text, python=sys.prefix))
    assert planning.plan is not None
    expect(NODES, len(planning.plan.nodes))
    expect((True, NODES), (checked.runnable, len(checked.nodes)))
    figures.read.append(read_s)
    figures.plan.append(plan_s)
    figures.check.append(check_s)


def measure(times: int) -> list[Figures]:
    """Every kind in turn, in random order; a first round is not counted."""
    kinds = [Figures(form, codes) for form in FORMATS for codes in (1, NODES)]
    with DaemonProcess() as daemon, connect(daemon.socket, autostart=False) as client:
        for figures in kinds:
            sample(Figures(figures.form, figures.codes), client)
        for _ in range(times):
            for figures in random.sample(kinds, len(kinds)):
                sample(figures, client)
    return kinds


def main() -> None:
    """Measure, keep, show."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=5)
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep all samples")
    options = parser.parse_args()
    started = recording.header()
    figures = {"nodes": NODES, "documents": [asdict(kind) for kind in measure(options.times)]}
    recording.write(options.json, started, figures)
    print(report.large_section({**started, **figures}))


if __name__ == "__main__":
    main()
