"""Limits that a graph declares, in both formats, and those it cannot mean."""

import json
from typing import Any

import pytest

from pyflowd.graph.diagnostics import Diagnostic, DiagnosticCode
from pyflowd.graph.document import read_document, write_document
from pyflowd.graph.model import Graph
from pyflowd.graph.plan import Plan
from support.graphs import MAKE, graph, node, planned

FLOWSPEC = """# Graph

## Node: A (ID: a)

### Metadata

```json
{"title": "A", "limits": {"timeout_s": 5, "memory_bytes": 1000000}}
```

### Logic

```python
@node_entry
def f() -> int:
    return 1
```

## Connections

```json
[]
```

```json pyflowd
{"extra": {"limits": {"run_timeout_s": 60.5}}}
```
"""


def declaring(of_node: Any = None, of_graph: Any = None) -> tuple[Plan | None, tuple[Diagnostic, ...]]:
    nodes = graph(node("a", MAKE, extra={"limits": of_node})).nodes
    return planned(Graph(title="t", nodes=nodes, extra={"limits": of_graph}))


def test_both_formats_carry_them() -> None:
    read = read_document(FLOWSPEC, "g.md").graph
    assert read is not None
    for text, name in ((FLOWSPEC, "g.md"), (write_document(read, "json"), "g.json")):
        again = read_document(text, name).graph
        assert again is not None
        plan, _ = planned(again)
        assert plan is not None
        assert plan.limits == {"run_timeout_s": 60.5}
        assert plan.nodes[0].limits == {"timeout_s": 5, "memory_bytes": 1_000_000}


@pytest.mark.parametrize(
    ("limits", "words"),
    [
        ([], "it is not an object"),
        ({"memory": 1}, 'it has "memory". There are: cpu_s, file_bytes, '),
        ({"cpu_s": 1.5}, '"cpu_s" is not a whole number over 0'),
        ({"cpu_s": True}, '"cpu_s" is not a whole number over 0'),
        ({"timeout_s": 0}, '"timeout_s" is not a number over 0'),
        ({"timeout_s": float("inf")}, '"timeout_s" is not a number over 0'),
        ({"timeout_s": "5"}, '"timeout_s" is not a number over 0'),
    ],
    ids=json.dumps,
)
def test_limits_that_cannot_be_meant_refuse_the_graph_or_the_node(limits: Any, words: str) -> None:
    plan, [diagnostic] = declaring(of_graph=limits)
    assert plan is None
    assert (diagnostic.code, diagnostic.node) == (DiagnosticCode.BAD_LIMITS, None)
    assert words in diagnostic.message
    plan, [diagnostic] = declaring(of_node=limits)
    assert plan is not None
    assert plan.nodes[0].problem == diagnostic
    assert (diagnostic.code, diagnostic.node) == (DiagnosticCode.BAD_LIMITS, "a")
    assert words in diagnostic.message


def test_the_time_of_a_run_is_not_for_a_node_to_say() -> None:
    _, [diagnostic] = declaring(of_node={"run_timeout_s": 1})
    assert 'it has "run_timeout_s"' in diagnostic.message
