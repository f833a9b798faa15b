"""How well nodes are kept from what is not theirs, in four tiers, and what each has to withstand.

A tier is not what was switched on, but what was tried: every fork server of a new profile first runs the attacks of
`worker_side/probes.py`, and has the tier whose attacks, and those of all tiers below, have failed.
"""

from collections.abc import Iterable, Mapping
from enum import IntEnum

from pyflowd.core.profiles import Profile

# The names are those of the probes.
NEEDED: Mapping[str, tuple[str, ...]] = {
    "T1": (
        "reads files",
        "writes files",
        "writes into its environment",
        "enters the scratch of another",
        "signals another node",
        "signals its fork server",
        "reads the memory of another node",
        "traces another node",
        "uses the network",
        "connects to sockets",
        "makes namespaces",
        "mounts",
        "leaves IPC objects behind",
    ),
    "T2": ("sees files", "sees processes of the user"),
    "T3": ("sees other nodes", "sees the scratch of another"),
}
OF_FILES = frozenset(
    {
        "reads files",
        "writes files",
        "writes into its environment",
        "enters the scratch of another",
        "sees files",
        "sees the scratch of another",
    }
)
OF_NETWORK = frozenset({"uses the network", "connects to sockets"})


class Tier(IntEnum):
    """T0: processes of their own, limits, and the floor. T1: also no files and sockets of others, by Landlock and
    seccomp. T2: also a view of the system with nothing else in it, by bubblewrap. T3: also a view of its own for each
    node.
    """

    T0 = 0
    T1 = 1
    T2 = 2
    T3 = 3


def tier_of(successes: Iterable[str], profile: Profile) -> Tier:
    """The best tier that no attack is in the way of; `successes` are those that did not fail."""
    return max((tier for tier in Tier if not in_the_way(successes, profile, tier)), default=Tier.T0)


def in_the_way(successes: Iterable[str], profile: Profile, tier: Tier) -> list[str]:
    """The attacks that a tier must withstand and did not, but for what the profile permits."""
    needed = {attack for name, attacks in NEEDED.items() if Tier[name] <= tier for attack in attacks}
    return sorted(needed.intersection(successes) - _permitted(profile))


def _permitted(profile: Profile) -> frozenset[str]:
    of_network = OF_NETWORK if profile.net or profile.everything else frozenset[str]()
    return of_network | (OF_FILES if profile.everything else frozenset())
