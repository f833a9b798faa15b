"""Graphs for tests: short ways to write nodes and edges, random whole graphs, and plans with really read pins."""

import json
from typing import Any

from hypothesis import strategies as st

from pyflowd.graph.diagnostics import Diagnostic
from pyflowd.graph.interface import CodeInterface, CodeProblem, CodeRemark, InputPin, OutputPin
from pyflowd.graph.json_graph import EDGE_KEYS, GRAPH_KEYS, NODE_KEYS, graph_to_json, trim_text
from pyflowd.graph.model import Edge, Graph, Node
from pyflowd.graph.plan import Plan
from pyflowd.graph.planning import build_plan, code_sources
from pyflowd.worker_side.inspection import inspect_source
from pyflowd_client.protocol.ids import NodeId

ADD = "@node_entry\ndef add(a: int, b: int = 1) -> int:\n    return a + b"
MAKE = "@node_entry\ndef make() -> int:\n    return 1"
PAIR = '@node_entry\ndef pair() -> Tuple[int, str]:\n    """@outputs: count, name"""\n    return 1, "a"'


def node(node_id: str, code: str = ADD, title: str = "", **fields: Any) -> Node:
    """A node; its title is the id in capitals unless given."""
    return Node(id=NodeId(node_id), title=title or node_id.upper(), code=code, **fields)


def reroute(node_id: str) -> Node:
    """A reroute, without a title as in PyFlowGraph's own documents."""
    return Node(id=NodeId(node_id), title="", is_reroute=True)


def edge(text: str) -> Edge:
    """An edge from "source.pin > target.pin"; "source > target" is an execution edge."""
    source, target = text.split(" > ")
    source_id, _, source_pin = source.partition(".")
    target_id, _, target_pin = target.partition(".")
    return Edge(
        source=NodeId(source_id),
        source_pin=source_pin or "exec_out",
        target=NodeId(target_id),
        target_pin=target_pin or "exec_in",
    )


def graph(*parts: Node | str) -> Graph:
    """A graph of nodes, and of edges as `edge` reads them."""
    nodes = tuple(part for part in parts if isinstance(part, Node))
    return Graph(title="test", nodes=nodes, edges=tuple(edge(part) for part in parts if isinstance(part, str)))


def interface_of(code: str) -> CodeInterface:
    """The pins of a source, as this interpreter reads them."""
    read, _ = inspect_source(code.encode("utf-8", "surrogatepass"), "node")
    return CodeInterface(
        inputs=tuple(InputPin(**pin) for pin in read["inputs"]),
        outputs=tuple(OutputPin(**pin) for pin in read["outputs"]),
        problem=CodeProblem(**read["problem"]) if read["problem"] else None,
        remarks=tuple(CodeRemark(**remark) for remark in read["remarks"]),
    )


def planning_of(*parts: Node | str) -> tuple[Plan | None, tuple[Diagnostic, ...]]:
    """The plan of a graph written as in `graph`, and the diagnostics."""
    return planned(graph(*parts))


def planned(whole: Graph) -> tuple[Plan | None, tuple[Diagnostic, ...]]:
    """The plan of a graph, and the diagnostics."""
    planning = build_plan(whole, {code: interface_of(source) for code, source in code_sources(whole).items()})
    return planning.plan, planning.diagnostics


def plan_of(*parts: Node | str) -> Plan:
    """The plan of a graph that must not be refused."""
    plan, diagnostics = planning_of(*parts)
    assert plan is not None, diagnostics
    return plan


def facts(whole: Graph) -> str:
    """A text that is equal for equal graphs: unlike ==, it takes NaN for itself, and 1, 1.0 and True for different."""
    return json.dumps(graph_to_json(whole), sort_keys=True)


# What Markdown, JSON, Python's str methods and UTF-8 treat specially. Surrogates are low ones only: JSON joins pairs.
_SPECIAL = "#`~<>!-=*+_.:()[]{}|\\/&%\"' \t\n\r\0\ufeff\u2028\x85\x0b\x0c\x1c\u00a0\udc80ID😀e1"
_LINES = (
    "# x",
    "## Node: a (ID: b)",
    "### Logic",
    "## Connections",
    "```",
    "````",
    "```json",
    "```python",
    "```json pyflowd",
    "  ```",
    "~~~",
    "===",
    "---",
    "- a",
    "1. # a",
    "> ## b",
    "    code",
    "<!--",
    "-->",
    "<div>",
    "<pre>",
    "[a]: b",
    "[a]:",
    "\tx",
    "plain text ",
    '{"a": 1}',
    "",
    " ",
)
_characters = st.sampled_from(_SPECIAL) | st.characters()
texts = st.text(_characters, max_size=20)
blocks = st.lists(st.sampled_from(_LINES) | texts, max_size=6).map("\n".join)
_scalars = st.none() | st.booleans() | st.integers() | st.just(10**40) | st.floats() | texts
_values = st.recursive(
    _scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=5
)
_ids = st.sampled_from(["a", "b", "x)y", " ", "node-1", "node-2"]) | texts.filter(bool)


def _objects(without: frozenset[str] = frozenset()) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(texts.filter(lambda key: key not in without), _values, max_size=3)


_nodes = st.builds(
    Node,
    id=_ids,
    title=texts | st.sampled_from(["Node: x (ID: y)", "a (ID: b)", "C #", "a\nb", "#", "Connections"]),
    code=blocks.map(trim_text),
    description=blocks.map(trim_text),
    is_reroute=st.booleans(),
    gui_state=_objects(),
    gui_code=blocks.map(trim_text),
    gui_get_values_code=blocks.map(trim_text),
    extra=_objects(NODE_KEYS),
)
_edges = st.builds(
    Edge,
    source=_ids,
    source_pin=texts,
    target=_ids,
    target_pin=texts,
    extra=_objects(frozenset(EDGE_KEYS)),
)
_dependencies = _objects(frozenset({"requirements"})) | st.builds(
    lambda others, requirements: {**others, "requirements": requirements},
    _objects(),
    st.lists(texts, max_size=3),
)
whole_graphs = st.builds(
    Graph,
    title=texts | st.sampled_from(["a #", "# #", "a\nb", "x ", "Node: a (ID: b)"]),
    description=blocks.map(trim_text),
    nodes=st.lists(_nodes, max_size=4).map(tuple),
    edges=st.lists(_edges, max_size=4).map(tuple),
    groups=st.lists(_objects(), max_size=2).map(tuple),
    dependencies=st.none() | _dependencies,
    extra=_objects(GRAPH_KEYS),
)
