"""What FlowSpec's plain form can say of a text, and the nearest it can say where it cannot carry all of it.

A heading is one line, a description must not read as structure, and Markdown has no NUL. What is lost in the
plain form goes into the document's JSON besides; it counts as long as the plain form still says what these
functions make of it, so that an edit by hand or by PyFlowGraph wins.
"""

import re
from collections.abc import Iterable

from pyflowd.graph.json_graph import trim_text
from pyflowd.graph.markdown_outline import read_outline

OWN_INFO = "json pyflowd"  # the info of a fence that PyFlowGraph passes over
_NOT_IN_MARKDOWN = re.compile("[\0\ud800-\udfff]")
_FIRST_MARK = re.compile(r"^[ \t]*(?=[!-/:-@\[-`{-~])", re.MULTILINE)


def node_heading(title: str, node_id: str) -> str:
    """The text of a node's heading, as PyFlowGraph writes it."""
    return f"Node: {title} (ID: {node_id})"


def split_node_heading(heading: str) -> tuple[str, str] | None:
    """(title, id) of a node's heading, as PyFlowGraph reads it: up to the first "(ID:", and what follows is ignored."""
    before, mark, after = heading.partition("(ID:")
    node_id, end, _ = after.partition(")")
    if not (before.startswith("Node:") and mark and end):
        return None
    return before.removeprefix("Node:").strip(), node_id.strip()


def plain_node_title(title: str) -> str:
    """The title, if a heading can carry it, or else its words."""
    return title if _fits_heading(title, "") else _one_line(title).replace("(ID:", "(ID")


def is_plain_id(node_id: str) -> bool:
    """True when a heading can carry the id."""
    return _fits_heading("", node_id)


def plain_title(title: str) -> str:
    """The graph's title as a heading can carry it."""
    words = _one_line(title)
    return next(text for text in (title, words, words.rstrip("# ")) if _is_heading(text))


def plain_code(code: str) -> str:
    """Code without the characters that Markdown cannot hold."""
    return trim_text(_NOT_IN_MARKDOWN.sub("\ufffd", code))


def plain_description(text: str) -> str:
    """The description if it reads as nothing else, or else with its marks escaped, or else nothing."""
    visible = _NOT_IN_MARKDOWN.sub("\ufffd", text)
    escaped = _FIRST_MARK.sub(r"\\", visible)
    return next((candidate for candidate in (visible, escaped) if _is_description(candidate)), "")


def _fits_heading(title: str, node_id: str) -> bool:
    heading = node_heading(title, node_id)
    return split_node_heading(heading) == (title, node_id) and not _holds_any("\n\r", heading)


def _is_heading(title: str) -> bool:
    if _holds_any("\n\r", title):
        return False
    return [section.heading for section in read_outline(f"# {title}")[1:]] == [title]


def _is_description(text: str) -> bool:
    if trim_text(text) != text:
        return False
    sections = read_outline(f"{text}\n\n# end")
    is_one_part = [section.heading for section in sections] == ["", "end"]
    return is_one_part and not any(fence.info == OWN_INFO for fence in sections[0].fences)


def _one_line(text: str) -> str:
    return " ".join(_NOT_IN_MARKDOWN.sub("\ufffd", text).split())


def _holds_any(characters: Iterable[str], text: str) -> bool:
    return any(character in text for character in characters) or _NOT_IN_MARKDOWN.search(text) is not None
