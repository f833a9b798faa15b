"""The outline of a Markdown document: its headings down to level 3, and what stands under each.

Blocks are CommonMark's, found by markdown-it; inline text is left as it is written. A heading counts wherever
it stands, also inside a list or a quotation, and hides nowhere but in code and HTML: as PyFlowGraph sees it.
"""

import re
from dataclasses import dataclass, field
from typing import NamedTuple

from markdown_it import MarkdownIt
from markdown_it.rules_block import StateBlock

DEEPEST_LEVEL = 3
_ATX_HEADING = re.compile(r"(#{1,6})(?:[ \t]+|$)")


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


def read_outline(text: str) -> list[Section]:
    r"""The sections of a text that has only "\n" as line end and no NUL; the first has level 0."""
    sections = [Section(0, "", 0)]
    starts = [0]
    ends = []
    tokens = iter(_PARSER.parse(text))
    for token in tokens:
        first, last = token.map or (0, 0)
        if token.type == "fence":
            sections[-1].fences.append(Fence(token.info.strip(), token.content, first + 2))
        elif token.type == "heading_open" and int(token.tag[1]) <= DEEPEST_LEVEL:
            heading = next(tokens).content if token.nesting else token.content
            sections.append(Section(int(token.tag[1]), heading, first + 1))
            ends.append(first)
            starts.append(last)
    lines = text.split("\n")
    ends.append(len(lines))
    for section, start, end in zip(sections, starts, ends, strict=True):
        section.body = "\n".join(lines[start:end])
    return sections


def _read_atx_heading(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """markdown-it's rule for `# heading`, but with one token where its own makes three: most of a graph is headings."""
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


def _new_parser() -> MarkdownIt:
    parser = MarkdownIt("commonmark")
    parser.core.ruler.enableOnly(["normalize", "block"])
    parser.block.ruler.at("heading", _read_atx_heading, {"alt": ["paragraph", "reference", "blockquote"]})
    return parser


_PARSER = _new_parser()
