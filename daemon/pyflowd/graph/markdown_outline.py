"""The outline of a Markdown document: its headings down to level 3, and what stands under each.

Blocks are CommonMark's, found by markdown-it; inline text is left as it is written. A heading counts wherever
it stands, also inside a list or a quotation, and hides nowhere but in code and HTML: as PyFlowGraph sees it.
"""

import re
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_block import StateBlock
    from markdown_it.token import Token

DEEPEST_LEVEL = 3
_ATX_HEADING = re.compile(r"(#{1,6})(?:[ \t]+|$)")
_OPENING = re.compile(r"(`{3,})[^`]*")
_CLOSING = re.compile(r" {0,3}(`{3,})[ \t]*")
# Of a heading, whatever it stands in. Not with possessive quantifiers, which are broken before Python 3.11.5.
_UNDERLINE = re.compile(r"^[ \t>*+\-=\d.)]*[-=][ \t]*$", re.MULTILINE)
_UNFOLDABLE = re.compile(r"[ \t>*+\-\d.)]*(?:<|~~~)|[ \t>*+\-\d.)]+```")


class Fence(NamedTuple):
    """A fenced code block; `line` is where its content begins, counted from 1."""

    info: str
    content: str
    line: int


@dataclass(slots=True)
class Section:
    """A heading and what follows up to the next one; level 0 is what comes before the first."""

    level: int
    heading: str
    line: int
    body: str = ""
    fences: list[Fence] = field(default_factory=list)


def may_have_headings(text: str) -> bool:
    """False for most texts that are no graph, which need not be parsed to know that."""
    return "#" in text or _UNDERLINE.search(text) is not None


def read_outline(text: str) -> list[Section]:
    r"""The sections of a text that has only "\n" as line end and no NUL; the first has level 0."""
    lines = text.split("\n")
    numbers = _fold(lines)
    sections, starts, ends = [Section(0, "", 0)], [0], []
    tokens = iter(_parser().parse("\n".join([lines[number] for number in numbers])))
    for token in tokens:
        if token.type == "fence":
            sections[-1].fences.append(_unfold(token, lines, numbers))
        elif token.type == "heading_open" and int(token.tag[1]) <= DEEPEST_LEVEL:
            heading = next(tokens).content if token.nesting else token.content
            start, end = token.map or (0, 0)
            sections.append(Section(int(token.tag[1]), heading, numbers[start] + 1))
            ends.append(numbers[start])
            starts.append(numbers[end - 1] + 1)
    ends.append(len(lines))
    for section, start, end in zip(sections, starts, ends, strict=True):
        section.body = "\n".join(lines[start:end])
    return sections


def _fold(lines: list[str]) -> list[int]:
    """The numbers of the lines that markdown-it has to see: not the contents of fences, which are most of a graph.

    A line that opens a fence in the first column does so wherever it stands, except in another fence or in HTML.
    So a text that may have either elsewhere than in such a fence is seen whole.
    """
    seen: list[int] = []
    opened, mark = 0, ""
    for number, line in enumerate(lines):
        if mark:
            closing = _CLOSING.fullmatch(line) if mark in line else None
            if closing is None:
                continue
            mark = ""
        elif line.startswith("```"):
            opening = _OPENING.fullmatch(line)
            opened, mark = number, opening[1] if opening else ""
        elif _UNFOLDABLE.match(line):
            return list(range(len(lines)))
        seen.append(number)
    if mark:
        seen += range(opened + 1, len(lines))
    return seen


def _unfold(token: "Token", lines: list[str], numbers: list[int]) -> Fence:
    start, end = token.map or (0, 0)
    first, last = numbers[start], numbers[end - 1]
    is_folded = last - first != end - 1 - start
    content = "\n".join([*lines[first + 1 : last], ""]) if is_folded else token.content
    return Fence(token.info.strip(), content, first + 2)


def _read_atx_heading(state: "StateBlock", start: int, end: int, silent: bool) -> bool:
    """markdown-it's rule for `# heading`, but tried first, and with one token where its own makes three."""
    if state.is_code_block(start):
        return False
    opening = _ATX_HEADING.match(state.src, state.bMarks[start] + state.tShift[start], state.eMarks[start])
    if opening is None:
        return False
    if silent:
        return True
    content = state.src[opening.end() : state.eMarks[start]].strip(" \t")
    unclosed = content.rstrip("#")
    if not unclosed or unclosed[-1] in " \t":
        content = unclosed
    state.line = start + 1
    token = state.push("heading_open", f"h{len(opening[1])}", 0)
    token.content = content.strip()
    token.map = [start, state.line]
    return True


@cache
def _parser() -> "MarkdownIt":
    from markdown_it import MarkdownIt  # a tenth of a daemon's start, and nothing to those who send JSON

    parser = MarkdownIt("commonmark")
    parser.core.ruler.enableOnly(["normalize", "block"])
    parser.block.ruler.disable("heading")
    what_it_ends = ["paragraph", "reference", "blockquote"]
    parser.block.ruler.before("code", "outline_heading", _read_atx_heading, {"alt": what_it_ends})
    return parser
