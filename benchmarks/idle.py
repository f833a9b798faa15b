"""A daemon that does nothing: CPU time and memory of its processes, with one warm environment and its spares.

    python benchmarks/idle.py --seconds 10 --json benchmarks/results/idle.json

Memory is PSS: a page shared by n processes counts 1/n in each, so the sum is what the machine really gave.
"""

import argparse
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

import recording
import report
from daemon_process import DaemonProcess
from peers.pyflowd_daemon import independent_nodes
from pyflowd_client import connect
from workloads import ADD

SETTLE_S = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Some of the daemon's processes."""

    part: str
    processes: int
    pss_bytes: int
    cpu_s: float


def pss_bytes(pid: int) -> int:
    """The proportional set size of a process."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"the kernel does not tell the PSS of process {pid}")


def cpu_s(pid: int) -> float:
    """Seconds that all threads of a process have been on a CPU, by the scheduler's nanoseconds."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(thread.read_text(encoding="ascii").split()[0]) for thread in threads) / 1e9


def parts_of(daemon_pid: int) -> dict[str, list[int]]:
    """The pids of the daemon, of the zygotes it started, and of what these forked."""
    daemon = psutil.Process(daemon_pid)
    zygotes = daemon.children()
    spares = [spare.pid for zygote in zygotes for spare in zygote.children(recursive=True)]
    return {"daemon": [daemon_pid], "zygote": [zygote.pid for zygote in zygotes], "spares": spares}


def observe(daemon_pid: int, seconds: float) -> list[Part]:
    """What each part used in so many seconds, and what memory it has at the end."""
    pids = parts_of(daemon_pid)
    before = {name: sum(map(cpu_s, members)) for name, members in pids.items()}
    time.sleep(seconds)
    return [
        Part(
            part=name,
            processes=len(members),
            pss_bytes=sum(map(pss_bytes, members)),
            cpu_s=sum(map(cpu_s, members)) - before[name],
        )
        for name, members in pids.items()
    ]


def measure(seconds: float) -> list[Part]:
    """Warm one environment by a run, let the spares come up, then watch."""
    with DaemonProcess() as daemon:
        with connect(daemon.socket, autostart=False) as client:
            client.run_document(independent_nodes(ADD, 1), name="one.json", inputs={"n0.x": 1}).result()
        time.sleep(SETTLE_S)
        return observe(daemon.pid, seconds)


def main() -> None:
    """Measure, keep, show."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the figures")
    options = parser.parse_args()
    started = recording.header()
    figures = {"seconds": options.seconds, "parts": [asdict(part) for part in measure(options.seconds)]}
    recording.write(options.json, started, figures)
    print(report.idle_section({**started, **figures}))


if __name__ == "__main__":
    main()
