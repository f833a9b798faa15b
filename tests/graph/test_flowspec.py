"""FlowSpec by hand: what PyFlowGraph reads is read, and what it loses in silence is told."""

import pytest

from pyflowd.graph.diagnostics import DiagnosticCode
from pyflowd.graph.document import Reading, read_document, write_document
from pyflowd.graph.model import Graph, Node
from support.graphs import graph, node

BY_HAND = """\
# Prices

From net to gross.

## Node: Net (ID: net)

One number.

Over *two* paragraphs.

### Metadata

```json
{"uuid": "ignored", "title": "Old title", "pos": [1, 2], "gui_state": {"amount": NaN}, "future": 1}
```

### LOGIC

Some words about it.

~~~ python

    indented = 1

~~~

### GUI Definition

```python
widgets
```

### GUI State Handler

```python
handler
```

Node: Gross (ID: gross) and more
--------------------------------

### Logic ###

1. In a list:

   ````python
   ```
   ````

## Groups

```json
[{"uuid": "g"}]
```

## Dependencies

```json
{"requirements": ["numpy"]}
```

## Connections

```json
[{"start_node_uuid": "net", "start_pin_name": "output_1", "end_node_uuid": "gross", "end_pin_name": "a", "k": 1}]
"""


def read(text: str) -> tuple[Graph, list[DiagnosticCode]]:
    reading: Reading = read_document(text)
    assert reading.graph is not None
    return reading.graph, [diagnostic.code for diagnostic in reading.diagnostics]


def one_node(*components: str, heading: str = "Node: A (ID: a)") -> str:
    return "\n\n".join([f"# t\n\n## {heading}", *components, ""])


def test_a_document_written_by_hand_is_read_as_pyflowgraph_reads_it() -> None:
    whole, codes = read(BY_HAND)
    assert codes == []
    assert (whole.title, whole.description) == ("Prices", "From net to gross.")
    net, gross = whole.nodes
    assert (net.id, net.title, net.description) == ("net", "Net", "One number.\n\nOver *two* paragraphs.")
    assert (net.code, net.gui_code, net.gui_get_values_code) == ("    indented = 1", "widgets", "handler")
    assert (str(net.gui_state["amount"]), net.extra) == ("nan", {"pos": [1, 2], "future": 1})
    assert (gross.id, gross.title, gross.code) == ("gross", "Gross", "```")
    assert (whole.groups, whole.requirements) == (({"uuid": "g"},), ("numpy",))
    (edge,) = whole.edges
    assert (edge.source, edge.source_pin, edge.target, edge.target_pin) == ("net", "output_1", "gross", "a")
    assert edge.extra == {"k": 1}


@pytest.mark.parametrize("section", ["### Metadata", "## Connections", "## Groups", "## Dependencies"])
def test_invalid_json_is_an_error_that_names_block_and_line(section: str) -> None:
    text = one_node(section, '```json\n{\n  "a": 1,\n}\n```')
    reading = read_document(text)
    (diagnostic,) = reading.diagnostics
    line = text.split("\n").index("}") + 1
    assert diagnostic.code is DiagnosticCode.INVALID_JSON
    assert diagnostic.message.startswith(f"Line {line}: ")
    assert section in diagnostic.message


@pytest.mark.parametrize(
    ("section", "block"),
    [("### Metadata", "[]"), ("## Connections", "{}"), ("## Groups", "1"), ("## Dependencies", "[]")],
)
def test_json_of_the_wrong_kind_is_an_error(section: str, block: str) -> None:
    assert read(one_node(section, f"```json\n{block}\n```"))[1] == [DiagnosticCode.INVALID_FIELD]


def test_two_nodes_of_one_id_are_both_kept_for_the_plan_to_refuse() -> None:
    whole, _ = read("# t\n## Node: A (ID: a)\n## Node: B (ID: a)\n")
    assert [item.title for item in whole.nodes] == ["A", "B"]


def test_code_under_an_unknown_section_does_not_become_the_code_of_the_node_before() -> None:
    text = one_node("### Logic", "```python\nmine\n```", "## Notes", "### Logic", "```python\nother\n```")
    whole, codes = read(text)
    assert (whole.nodes[0].code, codes) == ("mine", [DiagnosticCode.IGNORED_SECTION])


def test_a_node_heading_without_an_id_is_an_error() -> None:
    whole, codes = read(one_node("### Logic", "```python\nmine\n```", heading="Node: A"))
    assert (whole.nodes, codes) == ((), [DiagnosticCode.INVALID_HEADING])


@pytest.mark.parametrize("info", ["", "py", "Python", "python x"])
def test_a_fence_that_pyflowgraph_would_pass_over_is_told(info: str) -> None:
    whole, codes = read(one_node("### Logic", f"```{info}\ncode\n```"))
    assert (whole.nodes[0].code, codes) == ("", [DiagnosticCode.IGNORED_BLOCK])


def test_of_two_blocks_the_last_one_counts_with_a_warning() -> None:
    whole, codes = read(one_node("### Logic", "```python\nfirst\n```", "```python\nlast\n```"))
    assert (whole.nodes[0].code, codes) == ("last", [DiagnosticCode.REPEATED_BLOCK])


def test_a_title_that_pyflowgraph_would_cut_is_read_whole_when_its_metadata_agrees() -> None:
    metadata = '```json\n{"uuid": "real", "title": "T (ID: b)"}\n```'
    whole, _ = read(one_node("### Metadata", metadata, heading="Node: T (ID: b) (ID: real)"))
    assert (whole.nodes[0].id, whole.nodes[0].title) == ("real", "T (ID: b)")


def test_an_edit_of_the_heading_wins_over_the_metadata() -> None:
    written = write_document(Graph(nodes=(Node(id=node("x)y").id, title="two\nlines"),)), "md")
    assert "## Node: two lines (ID: node-1)" in written
    edited, _ = read(written.replace("## Node: two lines (ID: node-1)", "## Node: one line (ID: new)"))
    assert (edited.nodes[0].id, edited.nodes[0].title) == ("new", "one line")


def test_an_edit_of_a_description_wins_over_the_exact_one_kept_beside_it() -> None:
    written = write_document(Graph(nodes=(node("a", description="## Not a heading"),)), "md")
    assert "\\## Not a heading" in written
    edited, _ = read(written.replace("\\## Not a heading", "Plain now."))
    assert edited.nodes[0].description == "Plain now."


def test_a_heading_is_written_so_that_pyflowgraph_finds_the_right_id() -> None:
    assert "## Node: A (ID b) (ID: a)\n" in write_document(graph(node("a", title="A (ID: b)")), "md")


def test_html_comments_hide_what_is_inside() -> None:
    whole, _ = read("# t\n\n<!--\n## Node: A (ID: a)\n-->\n\n## Node: B (ID: b)\n")
    assert [item.id for item in whole.nodes] == ["b"]


def test_what_our_writer_adds_stands_where_pyflowgraph_passes_over_it() -> None:
    written = write_document(Graph(title="a\nb", nodes=graph(node("a")).nodes, extra={"k": 1}), "md")
    before, own = written.split("```json pyflowd\n")
    assert before.startswith("# a b\n")
    assert before.rstrip().endswith("```json\n[]\n```")
    assert '"graph_title": "a\\nb"' in own
