"""How figures are written: Markdown tables, digits that mean something, where and when they were taken."""

import statistics
from collections.abc import Mapping, Sequence
from typing import Any

MICROSECONDS, MILLISECONDS = 1e6, 1e3
Recorded = Mapping[str, Any]


def table(head: Sequence[str], rows: Sequence[Sequence[str]], *, words: int = 1) -> str:
    """A Markdown table; the first columns are words, the others are figures."""
    marks = ["---"] * words + ["---:"] * (len(head) - words)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in [head, marks, *rows])


def figure(value: float) -> str:
    """Two or three significant digits, thousands apart."""
    return f"{value:,.0f}" if value >= 10 else f"{value:.2g}"


def span(ratios: Sequence[float]) -> str:
    """The median of ratios near 1, and their range."""
    return f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})" if ratios else "-"


def origin(recorded: Recorded) -> str:
    """When, where and how."""
    machine = recorded["machine"]
    return (
        f"{recorded['time']}, {machine['cpus']} CPUs ({machine['cpu']}), Linux {machine['kernel']}, "
        f"Python {machine['python']}, load {machine['load']} before. `{recorded['command']}`"
    )
