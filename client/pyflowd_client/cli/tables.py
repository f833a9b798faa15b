"""Columns of text, as wide as the terminal; whole lines where nobody looks, so that other programs can cut them."""

import shutil
import sys
from collections.abc import Sequence

WIDEST = 120
GAP = 2
INDENT = "  "
CUT = "..."
FIGURES = frozenset({"PACKAGES", "SIZE"})  # columns that read better to the right


def terminal_width() -> int | None:
    """How many columns there are for people to read; None when standard output is no terminal."""
    return min(shutil.get_terminal_size().columns, WIDEST) if sys.stdout.isatty() else None


def table(
    headings: Sequence[str], rows: Sequence[Sequence[str]], width: int | None, *, cuts: bool = False
) -> list[str]:
    """Lines with columns under headings, figures to the right.

    What is too wide for `width`: the last column is cut (`cuts`), or it moves to a line of its own under each row.
    """
    widths = [max(map(len, column)) for column in zip(headings, *rows, strict=True)]
    is_right = [heading in FIGURES for heading in headings]
    before = sum(widths[:-1]) + GAP * len(widths[:-1])
    is_too_wide = width is not None and before + widths[-1] > width
    lines = []
    for row in (headings, *rows):
        cells = [
            cell.rjust(w) if right else cell.ljust(w) for cell, w, right in zip(row, widths, is_right, strict=True)
        ]
        begin = (" " * GAP).join(cells[:-1]) + " " * GAP
        if not is_too_wide:
            lines.append((begin + cells[-1]).rstrip())
        elif cuts:
            lines.append((begin + cut(row[-1], max(0, (width or 0) - before))).rstrip())
        else:
            lines += [begin.rstrip()] if row is headings else [begin.rstrip(), INDENT + row[-1]]
    return lines


def cut(text: str, width: int) -> str:
    """The beginning of a text that is too long."""
    return text if len(text) <= width else text[: max(0, width - len(CUT))] + CUT


def packed(cells: Sequence[str], width: int | None) -> list[str]:
    """Texts of about the same length, in as many columns as fit, read downwards; one per line without a width."""
    if width is None or not cells:
        return list(cells)
    column = max(map(len, cells)) + GAP
    count = max(1, (width + GAP) // column)
    height = -(-len(cells) // count)
    return ["".join(cell.ljust(column) for cell in cells[start::height]).rstrip() for start in range(height)]
