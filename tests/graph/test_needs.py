"""What a graph says it needs, in both formats, and what cannot be meant."""

import json
from typing import Any

import pytest

from pyflowd.graph.diagnostics import Diagnostic, DiagnosticCode, Severity
from pyflowd.graph.document import read_document, write_document
from pyflowd.graph.model import Graph
from pyflowd.graph.needs import LONGEST_REASON, Need, NeedKind, needs_of_graph
from pyflowd.graph.plan import Plan
from support.graphs import MAKE, graph, node, planned

FLOWSPEC = """# Graph

## Node: A (ID: a)

### Metadata

```json
{"title": "A", "permissions": {"net": true, "read": ["/data"], "reason": "the prices"}}
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
{"extra": {"permissions": {"env": ["TOKEN"], "read": ["/data/"], "write": ["out"]}}}
```
"""


def declaring(of_node: Any = None, of_graph: Any = None) -> tuple[Plan | None, tuple[Diagnostic, ...]]:
    nodes = graph(node("a", MAKE, extra={"permissions": of_node})).nodes
    return planned(Graph(title="t", nodes=nodes, extra={"permissions": of_graph}))


def test_both_formats_carry_them_and_each_thing_is_needed_once() -> None:
    read = read_document(FLOWSPEC, "g.md").graph
    assert read is not None
    for text, name in ((FLOWSPEC, "g.md"), (write_document(read, "json"), "g.json")):
        again = read_document(text, name).graph
        assert again is not None
        plan, diagnostics = planned(again)
        assert plan is not None
        assert not diagnostics
        assert plan.needs == (
            Need(kind=NeedKind.READ, target="/data/", path="/data"),
            Need(kind=NeedKind.WRITE, target="out"),
            Need(kind=NeedKind.ENV, target="TOKEN"),
            Need(kind=NeedKind.NET, reason="the prices", node=again.nodes[0].id, title="A"),
        )


@pytest.mark.parametrize(
    ("target", "path"),
    [
        ("/data", "/data"),
        ("//data//x/", "/data/x"),
        ("/data/../etc", "/etc"),
        ("~", "/home/me"),
        ("~/x", "/home/me/x"),
        ("~x", None),
        ("x", None),
        ("../x", None),
    ],
)
def test_paths_are_made_plain_as_far_as_that_can_be_said_without_looking(target: str, path: str | None) -> None:
    [need], _ = needs_of_graph(Graph(extra={"permissions": {"read": [target]}}), "/home/me")
    assert (need.target, need.path) == (target, path)


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ([], "it is not an object"),
        ("net", "it is not an object"),
        ({"network": True}, "unknown field: network. There are: net, read, write, env, reason."),
        ({"all": True}, "unknown field: all"),
        ({"net": 1}, "field `net`: must be bool, not int"),
        ({"read": "/data"}, "field `read`: must be a list"),
        ({"write": [1]}, "field `write`: must be str, not int"),
        ({"env": {"TOKEN": "1"}}, "field `env`: must be a list"),
        ({"read": [""]}, "'' is not a path or name that can be shown"),
        ({"read": ["/a\x1b[2J"]}, "'/a\\x1b[2J' is not a path"),
        ({"env": ["A\n"]}, "'A\\n' is not a path or name"),
        ({"env": ["A=1"]}, "'A=1' is not the name of a variable"),
        ({"reason": 1}, "field `reason`: must be str, not int"),
        ({"reason": "a\nb"}, '"reason" is not one line'),
        ({"reason": "x" * (LONGEST_REASON + 1)}, '"reason" is not one line'),
    ],
    ids=lambda value: json.dumps(value)[:30],
)
def test_permissions_that_cannot_be_meant_refuse_the_graph_or_the_node(declared: Any, words: str) -> None:
    plan, [diagnostic] = declaring(of_graph=declared)
    assert plan is None
    assert (diagnostic.code, diagnostic.severity) == (DiagnosticCode.BAD_PERMISSIONS, Severity.ERROR)
    assert diagnostic.node is None
    assert diagnostic.message.startswith('The "permissions" of the graph cannot be used: ')
    assert words in diagnostic.message
    plan, [diagnostic] = declaring(of_node=declared)
    assert plan is not None
    assert plan.nodes[0].problem == diagnostic
    assert (diagnostic.code, diagnostic.node) == (DiagnosticCode.BAD_PERMISSIONS, "a")
    assert words in diagnostic.message


@pytest.mark.parametrize("declared", [None, {}, {"net": False, "read": [], "reason": None}])
def test_nothing_may_be_needed(declared: Any) -> None:
    plan, diagnostics = declaring(declared, declared)
    assert plan is not None
    assert (plan.needs, diagnostics) == ((), ())


def test_bad_limits_and_bad_permissions_are_both_told() -> None:
    whole = Graph(title="t", nodes=graph(node("a", MAKE)).nodes, extra={"permissions": 1, "limits": 1})
    _, diagnostics = planned(whole)
    assert [item.code for item in diagnostics] == [DiagnosticCode.BAD_LIMITS, DiagnosticCode.BAD_PERMISSIONS]
