"""The block of PEP 723 in a node's code: comments that say, in TOML, what the code requires.

    # /// script
    # requires-python = ">=3.10"
    # dependencies = ["numpy>=2"]
    # ///

Found line by line, so that no code takes longer than its length; which lines are a block is as in the PEP's regular
expression. The code itself is not read.
"""

import re
from dataclasses import dataclass
from typing import Any

OPENING = "# /// script"
CLOSING = "# ///"
LONGEST_BLOCK = 20_000
_OPENING_OF_ANY = re.compile(r"# /// [a-zA-Z0-9-]+")
_LINE_OF_ERROR = re.compile(r"\(at line ([0-9]+), column [0-9]+\)|\(at end of document\)")


class ScriptBlockError(ValueError):
    """It is broken; `line` of the code, counted from 1."""

    def __init__(self, reason: str, line: int) -> None:
        super().__init__(reason)
        self.line = line


@dataclass(frozen=True, slots=True)
class ScriptBlock:
    """The line of the code that it begins in, counted from 1, and its TOML."""

    line: int
    text: str


def has_script_block(code: str) -> bool:
    """False for nearly all code, at the cost of one search."""
    return OPENING in code


def find_script_block(code: str) -> ScriptBlock | None:
    """The block, or None; ScriptBlockError when it does not end, is too long, or not alone."""
    lines = code.split("\n")
    blocks, unclosed = _blocks(lines)
    if len(blocks) > 1:
        raise ScriptBlockError("there is another one before it. One must say it all.", blocks[1][0] + 1)
    if not blocks:
        if unclosed:
            raise ScriptBlockError(f"it does not end. Close it with `{CLOSING}`.", unclosed[0] + 1)
        return None
    opening, closing = blocks[0]
    text = "\n".join(line[2:] for line in lines[opening + 1 : closing])
    if len(text) > LONGEST_BLOCK:
        raise ScriptBlockError(f"it has more than {LONGEST_BLOCK:,} characters.", opening + 1)
    return ScriptBlock(opening + 1, text + "\n")


def parse_script_block(block: ScriptBlock) -> dict[str, Any]:
    """What it says; ScriptBlockError when that is not TOML."""
    import tomllib

    try:
        return tomllib.loads(block.text)
    except RecursionError:
        raise ScriptBlockError("it is nested too deep.", block.line) from None
    except ValueError as error:
        place = _LINE_OF_ERROR.search(str(error))
        line = block.line + (int(place[1]) if place and place[1] else 0)
        raise ScriptBlockError("it is not TOML there.", line) from None


def _blocks(lines: list[str]) -> tuple[list[tuple[int, int]], list[int]]:
    """(opening, closing) of each script block, as indices; and the openings of those that never end."""
    blocks, unclosed, index = [], [], 0
    while index < len(lines):
        if not _OPENING_OF_ANY.fullmatch(lines[index]):
            index += 1
            continue
        after = _end_of_comment(lines, index + 1)
        closing = next((at for at in range(after - 1, index + 1, -1) if lines[at] == CLOSING), None)
        if closing is not None and lines[index] == OPENING:
            blocks.append((index, closing))
        if closing is None:
            unclosed += [at for at in range(index, after) if lines[at] == OPENING]
        index = after if closing is None else closing + 1
    return blocks, unclosed


def _end_of_comment(lines: list[str], index: int) -> int:
    while index < len(lines) and (lines[index] == "#" or lines[index].startswith("# ")):
        index += 1
    return index
