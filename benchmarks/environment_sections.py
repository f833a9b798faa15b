"""The sections of RESULTS.md about environments."""

import statistics
from collections.abc import Mapping

import samples
from tables import MICROSECONDS, MILLISECONDS, Recorded, figure, origin, span, table

PRICED = {"w1": "one node", "w1p": "one node, 5 ms apart", "w3": "wide graph, per node"}
STEPS = {
    "begun": "until the job that builds says something",
    "built": "the build, as the daemon tells it",
    "started": "from there until the node starts: its fork server, and a look at the code",
    "ran": "the node, which imports numpy",
}


def median_and_range(rounds: samples.Rounds, unit: float) -> str:
    """The median over the rounds' medians, and their range."""
    found = sorted(statistics.median(values) * unit for values in rounds if values)
    return f"{figure(statistics.median(found))} ({figure(found[0])} to {figure(found[-1])})"


def times(slower: samples.Rounds, faster: samples.Rounds) -> str:
    """How many times longer: the median over the rounds, and the range."""
    found = samples.ratios(slower, faster)
    return f"{figure(statistics.median(found))} ({figure(found[0])} to {figure(found[-1])})"


def learning_section(recorded: Recorded) -> str:
    """Nodes with imports that were learnt, against an interpreter for each; what that costs the others."""
    cases: Mapping[str, Mapping[str, samples.Rounds]] = recorded["cases"]
    rows = [
        [
            name,
            *[
                median_and_range(case[what], MILLISECONDS)
                for what in ("subprocess", "first", "learnt", "second", "second_node", "later", "later_node")
            ],
            *[times(case["subprocess"], case[what]) for what in ("second", "later")],
        ]
        for name, case in cases.items()
    ]
    head = ["case, ms", "subprocess per node", "first run, per node", "then learnt after", "second run, per node"]
    head += ["its nodes", "later runs, per node", "their nodes", "subprocess / second", "subprocess / later"]
    prices: Mapping[str, Mapping[str, samples.Rounds]] = recorded["prices"]
    nothing = prices["nothing"]
    price_rows = [
        [name, *[cell for what in PRICED for cell in price_cells(price[what], nothing[what])]]
        for name, price in prices.items()
    ]
    price_head = ["preloaded", *[title for what in PRICED.values() for title in (f"{what}, us", "times nothing")]]
    return "\n\n".join(
        [
            origin(recorded),
            f"Graphs of {recorded['nodes']} nodes; median over the rounds, and the range. Per node: the wall time of "
            "the whole run, divided by its nodes. Its nodes: the time of one, as the daemon tells it.",
            table(head, rows),
            "What it costs nodes that import nothing.",
            table(price_head, price_rows),
        ]
    )


def price_cells(rounds: samples.Rounds, nothing: samples.Rounds) -> list[str]:
    """The median, and how many times that of a fork server that has nothing preloaded."""
    return [figure(samples.p50(rounds) * MICROSECONDS), span(samples.ratios(rounds, nothing))]


def environments_section(recorded: Recorded) -> str:
    """From nothing to the first node in a new environment; what one costs that is there."""
    build, existing, inside = recorded["build"], recorded["existing"], recorded["inside"]
    totals = [total for values in build["total"] for total in values]
    rows = [["from the request to the end of the node", *spread(totals)]]
    rows += [[title, *spread([one for values in build[step] for one in values])] for step, title in STEPS.items()]
    p50s = {name: samples.p50(rounds) for name, rounds in existing.items()}
    more = (p50s["built"] - p50s["default"]) * MICROSECONDS
    differences = sorted(
        (statistics.median(a) - statistics.median(b)) * MICROSECONDS
        for a, b in zip(existing["built"], existing["default"], strict=True)
    )
    existing_rows = [
        [title, figure(p50s[name] * MICROSECONDS), figure(samples.smallest(existing[name]) * MICROSECONDS)]
        for name, title in (("default", "the daemon's own interpreter"), ("built", "an environment that was built"))
    ]
    inside_rows = [
        [title, figure(statistics.median(inside[name]) * MICROSECONDS), figure(min(inside[name]) * MICROSECONDS)]
        for name, title in (
            ("find", "finding it in the store"),
            ("fingerprint", "its fingerprint"),
            ("young", "its fingerprint in the two seconds after a change"),
        )
    ]
    return "\n\n".join(
        [
            origin(recorded),
            f"An environment with {', '.join(recorded['requirements'])}, built by uv from its warm cache into a new "
            "folder, the daemon running.",
            table(["step, s", "median", "fastest", "slowest"], rows),
            f"One trivial node after the other, in turns: {more:+.0f} us for the environment in the median, "
            f"{differences[0]:+.0f} to {differences[-1]:+.0f} over the rounds.",
            table(["a node in", "median, us", "fastest, us"], existing_rows),
            "What a request for an environment takes in the daemon.",
            table(["step", "median, us", "fastest, us"], inside_rows),
        ]
    )


def spread(seconds: list[float]) -> list[str]:
    """Median, fastest and slowest."""
    return [f"{pick(seconds):.2f}" for pick in (statistics.median, min, max)]
