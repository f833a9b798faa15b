"""What a node's Metadata says of its result."""

from typing import Any

import pytest

from pyflowd.graph.caching import FILES_MOST, SILENT, CacheWish, cache_of_node
from pyflowd.graph.document import read_document
from support.graphs import node, plan_of, planned

MARKDOWN = """# G

## Node: A (ID: a)

### Metadata

```json
{"uuid": "a", "title": "A", "cache": {"files": ["data/./a.csv"]}}
```

### Logic

```python
@node_entry
def a() -> int:
    return 1
```
"""


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ({}, SILENT),
        ({"cache": None}, SILENT),
        ({"cache": True}, CacheWish(is_wanted=True)),
        ({"cache": False}, CacheWish(is_wanted=False)),
        ({"cache": {"files": []}}, CacheWish(is_wanted=True)),
        ({"cache": {"files": ["/a//b/", "c/./d"]}}, CacheWish(is_wanted=True, files=("/a/b", "c/d"))),
    ],
)
def test_it_is_a_wish_or_none(said: dict[str, Any], meant: CacheWish) -> None:
    assert cache_of_node(node("a", extra=said)) == (meant, None)
    plan = plan_of(node("a", extra=said), node("b"))
    assert [item.cache for item in plan.nodes] == [meant, SILENT]
    assert plan.wants_cache is bool(meant.is_wanted)


@pytest.mark.parametrize(
    "said",
    [
        "yes",
        1,
        [],
        {},
        {"file": []},
        {"files": [], "seed": 1},
        {"files": "/a"},
        {"files": [""]},
        {"files": [1]},
        {"files": ["a/../b"]},
        {"files": ["a\0"]},
        {"files": ["a"] * (FILES_MOST + 1)},
    ],
    ids=repr,
)
def test_what_cannot_be_meant_keeps_the_node_from_running(said: object) -> None:
    plan = plan_of(node("a", extra={"cache": said}))
    problem = plan.nodes[0].problem
    assert problem is not None
    assert (problem.code, problem.node) == ("bad_cache", "a")
    assert problem.message.startswith('The "cache" of "A" cannot be used: ')


def test_it_stands_in_markdown_as_in_json() -> None:
    reading = read_document(MARKDOWN, "g.md")
    assert reading.graph is not None
    plan, _ = planned(reading.graph)
    assert plan is not None
    assert plan.nodes[0].cache == CacheWish(is_wanted=True, files=("data/a.csv",))
