"""RESULTS.md from the JSON files of a run: `python benchmarks/report.py benchmarks/results`.

Ratios are taken within a file and within a round, never across files.
"""

import argparse
import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import environment_sections
import live_section
import samples
from tables import MICROSECONDS, MILLISECONDS, Recorded, figure, origin, span, table
from workloads import WORKLOADS

OURS = "pyflowd"
REFERENCES = {
    "subprocess": "subprocess per node",
    "ppe-fork": "ProcessPoolExecutor(fork)",
    "mp-fork": "multiprocessing fork per node",
}


def duration(seconds: float, unit: str) -> str:
    """A figure in the unit of the workload."""
    if unit == "nodes/s":
        return figure(1 / seconds)
    return figure(seconds * (MICROSECONDS if unit == "us" else MILLISECONDS))


def has_samples(rounds: samples.Rounds | None) -> bool:
    return rounds is not None and any(rounds)


def cell(peer: Recorded, workload: str, unit: str) -> str:
    """The median, and the p99 where there are enough samples for one."""
    rounds = peer["rounds"].get(workload)
    if not has_samples(rounds):
        return "error" if workload in peer["errors"] else "-"
    text = duration(samples.p50(rounds), unit)
    tail = samples.p99(rounds) if unit == "us" else None
    return f"{text} / {duration(tail, unit)}" if tail is not None else text


def times_table(peers: Mapping[str, Recorded], workloads: Sequence[str]) -> str:
    """One row per peer."""
    titles = [f"{WORKLOADS[name].title}, {WORKLOADS[name].unit}" for name in workloads]
    rows = [
        [
            name,
            peer["isolation"],
            *[cell(peer, workload, WORKLOADS[workload].unit) for workload in workloads],
            cell(peer, "start", "ms"),
        ]
        for name, peer in peers.items()
    ]
    return table(["peer", "isolation", *titles, "start, ms"], rows, words=2)


def ratio_cell(slower: Recorded, faster: Recorded, workload: str) -> str:
    """The median over the rounds, and the range."""
    found = samples.ratios(slower["rounds"].get(workload, []), faster["rounds"].get(workload, []))
    if not found:
        return "-"
    span = f" ({figure(found[0])} to {figure(found[-1])})" if len(found) > 1 else ""
    return f"{figure(statistics.median(found))}{span}"


def ratios_table(peers: Mapping[str, Recorded], workloads: Sequence[str]) -> str:
    """How many times longer the references take than pyflowd."""
    rows = [
        [title, *[ratio_cell(peers[name], peers[OURS], workload) for workload in workloads]]
        for name, title in REFERENCES.items()
        if name in peers
    ]
    return table(["against", *[WORKLOADS[name].title for name in workloads]], rows)


def remarks(peers: Mapping[str, Recorded]) -> list[str]:
    """What was left out, what failed, and what each peer is."""
    lines = [f"- {name}: {peer['note']}" for name, peer in peers.items()]
    for name, peer in peers.items():
        lines += [f"- {name} left {workload} out: {why}" for workload, why in peer["skipped"].items()]
        lines += [
            f"- {name} failed at {workload}: `{error.splitlines()[-1]}`" for workload, error in peer["errors"].items()
        ]
    return lines


def peers_section(recorded: Recorded) -> str:
    """The peers, the ratios, and the remarks."""
    peers = recorded["peers"]
    workloads = [name for name in WORKLOADS if any(name in peer["rounds"] for peer in peers.values())]
    parts = [
        origin(recorded),
        "Median of all samples; `/ p99` where there are enough of them.",
        times_table(peers, workloads),
    ]
    if OURS in peers:
        parts += [
            "How many times longer than pyflowd: median over the rounds, and their range.",
            ratios_table(peers, workloads),
        ]
    return "\n\n".join([*parts, "\n".join(remarks(peers))])


def cold_section(recorded: Recorded) -> str:
    """Wall time of whole commands, and their ratio to importing zmq."""
    commands = recorded["commands"]
    bare = commands[recorded["reference"]]
    rows = [
        [
            f"`{name}`" if name.startswith("python") else name,
            figure(statistics.median(times) * MILLISECONDS),
            figure(min(times) * MILLISECONDS),
            figure(statistics.median(a / b for a, b in zip(times, bare, strict=True))),
        ]
        for name, times in commands.items()
    ]
    return f"{origin(recorded)}\n\n" + table(["command", "median, ms", "fastest, ms", "times the zmq import"], rows)


def idle_section(recorded: Recorded) -> str:
    """What a daemon costs that does nothing."""
    rows = [
        [part["part"], str(part["processes"]), figure(part["pss_bytes"] / 1e6), f"{part['cpu_s'] * 1000:.0f}"]
        for part in recorded["parts"]
    ]
    head = ["part", "processes", "memory (PSS), MB", f"CPU in {recorded['seconds']:.0f} s, ms"]
    return f"{origin(recorded)}\n\n" + table(head, rows)


def large_section(recorded: Recorded) -> str:
    """What a graph of many nodes takes until it can run."""
    rows = [
        [
            kind["form"],
            "one" if kind["codes"] == 1 else f"{kind['codes']:,}",
            figure(kind["size_bytes"] / 1e6),
            *[figure(statistics.median(kind[step]) * MILLISECONDS) for step in ("read", "plan", "check")],
            figure(min(kind["check"]) * MILLISECONDS),
        ]
        for kind in recorded["documents"]
    ]
    head = ["document", "codes", "size, MB", "read, ms", "plan, ms", "check by a daemon, ms", "fastest, ms"]
    return f"{origin(recorded)}\n\nA chain of {recorded['nodes']:,} nodes; medians.\n\n{table(head, rows)}"


SANDBOX_COLUMNS = {"w1": ("one node, us", MICROSECONDS), "w3": ("wide graph, us per node", MICROSECONDS)}
SANDBOX_COLUMNS["start"] = ("first run in a new folder, ms", MILLISECONDS)


def sandbox_section(recorded: Recorded) -> str:
    """What the tiers cost, and how many times as much as none: the median over the rounds, and the range."""
    tiers = recorded["tiers"]
    head, rows = ["tier"], [[name] for name in tiers]
    for column, (title, unit) in SANDBOX_COLUMNS.items():
        head += [title, "times T0"]
        for row in rows:
            rounds = tiers[row[0]].get(column, [])
            found = samples.ratios(rounds, tiers["T0"].get(column, []))
            row += [figure(samples.p50(rounds) * unit) if rounds else "-", span(found)]
    remarks = "".join(f"\n- {tier} is not to be had here: {why}" for tier, why in recorded["missing"].items())
    return f"{origin(recorded)}\n\n{table(head, rows)}\n{remarks}"


def trees_section(recorded: Recorded) -> str:
    """Two trees of the project; how many times longer this one takes: the median over the rounds, and the range."""
    this, other = recorded["trees"].values()
    rows = [
        [
            WORKLOADS[name].title,
            *[
                figure(pick(tree[name]) * MICROSECONDS)
                for pick in (samples.p50, samples.smallest)
                for tree in (this, other)
            ],
            span(samples.ratios(this[name], other[name])),
        ]
        for name in this
    ]
    head = [
        "workload, us per node",
        "this tree, median",
        "other tree, median",
        "this tree, fastest",
        "other, fastest",
        "ratio",
    ]
    commits = ", ".join(f"{name}: {commit}" for name, commit in recorded["commits"].items())
    return f"{origin(recorded)}\n\n{commits}.\n\n{table(head, rows)}"


def limits_section(recorded: Recorded) -> str:
    """What the machine itself takes."""
    rows = [
        [name, *[figure(pick(rounds) * MICROSECONDS) for pick in (samples.p50, samples.smallest)]]
        for name, rounds in recorded["limits"].items()
    ]
    return f"{origin(recorded)}\n\n" + table(["limit", "median, us", "fastest, us"], rows)


SECTIONS = {
    "peers": ("Peers", peers_section),
    "cold": ("Cold command line", cold_section),
    "idle": ("Idle", idle_section),
    "large": ("Large graphs", large_section),
    "sandbox": ("Sandbox tiers", sandbox_section),
    "learning": ("Imports that are learnt", environment_sections.learning_section),
    "environments": ("Environments on demand", environment_sections.environments_section),
    "live": ("Live sessions", live_section.live_section),
    "trees": ("This tree and another", trees_section),
    "limits": ("Limits of the machine", limits_section),
}


def results(folder: Path) -> str:
    """The whole document, from whichever files there are."""
    parts = [
        "# Results",
        "Written by `report.py`. Compare figures of one section only; see README.md for what they mean.",
    ]
    for name, (title, section) in SECTIONS.items():
        path = folder / f"{name}.json"
        if path.exists():
            parts += [f"## {title}", section(json.loads(path.read_text(encoding="utf-8")))]
    return "\n\n".join(parts) + "\n"


def main() -> None:
    """Write RESULTS.md, or another file, or standard output for `-`."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where peers.json, cold.json, idle.json, ... are")
    parser.add_argument("--output", default=str(Path(__file__).with_name("RESULTS.md")))
    options = parser.parse_args()
    text = results(options.folder)
    if options.output == "-":
        sys.stdout.write(text)
    else:
        Path(options.output).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
