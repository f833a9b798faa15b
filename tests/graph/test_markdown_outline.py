"""The outline agrees with stock markdown-it on any text, although it shows it less and adds a rule of its own."""

from hypothesis import example, given, settings
from markdown_it import MarkdownIt

from pyflowd.graph.markdown_outline import Section, may_have_headings, read_outline
from support.graphs import blocks

STOCK = MarkdownIt("commonmark")


def stock_outline(text: str) -> list[tuple[int, str, int, list[tuple[str, str, int]]]]:
    outline: list[tuple[int, str, int, list[tuple[str, str, int]]]] = [(0, "", 0, [])]
    tokens = STOCK.parse(text)
    for number, token in enumerate(tokens):
        line = token.map[0] + 1 if token.map else 0
        if token.type == "heading_open" and token.tag in ("h1", "h2", "h3"):
            outline.append((int(token.tag[1]), tokens[number + 1].content, line, []))
        elif token.type == "fence":
            outline[-1][3].append((token.info.strip(), token.content, line + 1))
    return outline


def shape(sections: list[Section]) -> list[tuple[int, str, int, list[tuple[str, str, int]]]]:
    return [(part.level, part.heading, part.line, [tuple(fence) for fence in part.fences]) for part in sections]


@given(text=blocks)
@example(text="```\n# a\n```\n# b")
@example(text="````\n```\n# a\n````  \n# b")
@example(text="```python\n# never closed\n\n## a")
@example(text="<!--\n```\n-->\n# a\n```\n")
@example(text="- item\n  ```\n# a\n```\n# b")
@example(text="  ```\n# a\n```\n# b")
@example(text="~~~\n```\n~~~\n# a")
@example(text="``` a`b\n# a\n```\n# b")
@example(text="```\n\t```\n    ```\n   ````\n# a")
@example(text="# a #\n## b ## #\n### #\n####### c\n#d\n#\te")
@example(text="a\nb\n===\nc\n---\n\n    # code")
@settings(max_examples=500, deadline=None)
def test_headings_and_fences_are_those_of_stock_markdown(text: str) -> None:
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    assert shape(read_outline(text)) == stock_outline(text)


@given(text=blocks)
@example(text="- a\n  ===")
@example(text="> 1. a\n>    --- \t")
@settings(max_examples=500, deadline=None)
def test_a_text_with_headings_is_never_taken_for_one_without(text: str) -> None:
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\0", "")
    assert may_have_headings(text) or len(read_outline(text)) == 1


def test_most_texts_that_are_no_markdown_are_seen_to_have_none() -> None:
    texts = ["", "a,b\n1,-2\n", "- a\n- 1.5\n", "1. 2\n", "x = y\n \n", "name: =\n", "\x89PNG\n\x1a"]
    assert not any(map(may_have_headings, texts))


def test_bodies_are_the_lines_between_headings_as_they_are() -> None:
    outline = read_outline("before\n# a\n\n* b  \n```\nc\n\n```\n\n## d\n e\n")
    assert [part.body for part in outline] == ["before", "\n* b  \n```\nc\n\n```\n", " e\n"]
