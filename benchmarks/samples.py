"""Samples of one workload on one peer, kept round by round, and what can honestly be said about them.

Rounds stay apart because a shared machine changes its speed between them: a ratio of two peers is taken
within each round first. A p99 of few samples is no p99, so it is refused.
"""

import statistics
from collections.abc import Sequence

ENOUGH_FOR_P99 = 300

Rounds = Sequence[Sequence[float]]


def pooled(rounds: Rounds) -> list[float]:
    """The samples of all rounds, ascending."""
    return sorted(sample for samples in rounds for sample in samples)


def p50(rounds: Rounds) -> float:
    """The median over all rounds."""
    return statistics.median(pooled(rounds))


def p99(rounds: Rounds) -> float | None:
    """The 99th percentile over all rounds; None where there are too few samples for one."""
    samples = pooled(rounds)
    if len(samples) < ENOUGH_FOR_P99:
        return None
    return samples[int(len(samples) * 0.99)]


def smallest(rounds: Rounds) -> float:
    """The fastest sample: the steadiest figure of a cost on a noisy machine."""
    return pooled(rounds)[0]


def ratios(slower: Rounds, faster: Rounds) -> list[float]:
    """How many times longer `slower` took, one figure per round that both took part in, ascending."""
    pairs = [(a, b) for a, b in zip(slower, faster, strict=False) if a and b]
    return sorted(statistics.median(a) / statistics.median(b) for a, b in pairs)
