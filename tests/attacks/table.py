"""The table of attacks and tiers in docs/security.md: made from what happened, compared with what is expected."""

from collections.abc import Mapping
from pathlib import Path

from attacks.attack import TIERS
from attacks.catalogue import ATTACKS

DOCUMENT = Path(__file__).parents[2] / "docs" / "security.md"
BEGIN, END = "<!-- attacks: made by `make attacks` -->", "<!-- attacks: end -->"

Outcomes = Mapping[tuple[str, str], str]  # by title and tier


def expected() -> Outcomes:
    """How all attacks are expected to end."""
    return {(attack.title, tier): attack.expected(tier) for attack in ATTACKS for tier in TIERS}


def table(outcomes: Outcomes) -> str:
    """In Markdown."""
    lines = [f"| attack | {' | '.join(TIERS)} |", f"|---|{'---|' * len(TIERS)}"]
    lines += [
        f"| {attack.title} | {' | '.join(outcomes[attack.title, tier] for tier in TIERS)} |" for attack in ATTACKS
    ]
    return "\n".join(lines)


def shown() -> str:
    """The table that the document has."""
    _, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
    return rest.partition(END)[0].strip()


def write(outcomes: Outcomes) -> None:
    """Put a table in the place of the document's."""
    before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    DOCUMENT.write_text(f"{before}{BEGIN}\n\n{table(outcomes)}\n\n{END}{after}", encoding="utf-8")
