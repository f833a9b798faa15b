"""The section of RESULTS.md about live sessions."""

import statistics
from collections.abc import Mapping

import samples
from tables import MICROSECONDS, Recorded, figure, origin, table

TITLES = {
    "one": "one resident node",
    "executor": "the same in ProcessPoolExecutor(1)",
    "bare": "the same over the hops of a change, and nothing else",
    "chain": "a chain of resident nodes",
    "alone": "one resident node, for the next row",
    "beside": "the same beside batch work on all processors",
    "shared": "a chain in one process, per node",
    "here": "the same by exec in the client, per node",
}
RATIOS = (
    ("one", "executor", "one node against the executor"),
    ("one", "bare", "one node against the bare hops"),
    ("bare", "executor", "the bare hops against the executor"),
    ("chain", "one", "the chain against one node"),
    ("beside", "alone", "beside batch work against alone"),
    ("shared", "here", "one process against exec"),
)


def live_section(recorded: Recorded) -> str:
    """From a change to the new value at the client."""
    cases: Mapping[str, samples.Rounds] = recorded["cases"]
    rows = [
        [title, figure(samples.p50(cases[name]) * MICROSECONDS), figure(samples.smallest(cases[name]) * MICROSECONDS)]
        for name, title in TITLES.items()
    ]
    ratios = []
    for slower, faster, title in RATIOS:
        found = samples.ratios(cases[slower], cases[faster])
        ratios.append([title, f"{statistics.median(found):.2f} ({found[0]:.2f} to {found[-1]:.2f})"])
    return "\n\n".join(
        [
            origin(recorded),
            f"From a change to the new value at the client. Chains of {recorded['chain']} nodes, in one process of "
            f"{recorded['shared_chain']}.",
            table(["what", "median, us", "fastest, us"], rows),
            "Medians within a round: the median over the rounds, and their range.",
            table(["how many times longer", ""], ratios),
        ]
    )
