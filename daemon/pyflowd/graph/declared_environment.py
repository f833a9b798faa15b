"""The environment that a graph or a node declares: "environment" beside its nodes, or in a node's Metadata.

    "environment": "plots"                                    one that the daemon keeps under that name
    "environment": "3.9"                                      a version of Python, or which will do: ">=3.10"
    "environment": {"requirements": [...], "python": ...}     one of its own, with exactly that

Where an interpreter lies is nothing that a graph may say. What is not understood is an error: a misspelling must not
be ignored.
"""

from dataclasses import dataclass
from typing import Any

from pyflowd.graph.dependencies import ENVIRONMENT, NOTHING, Dependencies, DependencyReader, Owner
from pyflowd.graph.diagnostics import DiagnosticCode
from pyflowd.graph.environment_specs import is_environment_name
from pyflowd.graph.model import Graph, Node
from pyflowd.graph.python_versions import PythonVersionError, read_python
from pyflowd.graph.requirements import shown

KEYS = ("requirements", "optional", "python")
PATH_MARKS = ("/", "\\")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeclaredEnvironment:
    """A name, or what the environment has."""

    name: str = ""
    dependencies: Dependencies = NOTHING


def environment_of_graph(graph: Graph, reader: DependencyReader, owner: Owner) -> DeclaredEnvironment | None:
    """What the graph declares for itself, or None; what cannot be used is told by the reader."""
    beside, within = graph.extra.get(ENVIRONMENT), (graph.dependencies or {}).get(ENVIRONMENT)
    if beside is not None and within is not None and beside != within:
        reader.error(
            owner, f'says "{ENVIRONMENT}" twice, and not the same. Delete one.', DiagnosticCode.BAD_ENVIRONMENT
        )
        return None
    return _read(within if beside is None else beside, reader, owner)


def environment_of_node(node: Node, reader: DependencyReader, owner: Owner) -> DeclaredEnvironment | None:
    """The same for a node."""
    return _read(node.extra.get(ENVIRONMENT), reader, owner)


def _read(value: Any, reader: DependencyReader, owner: Owner) -> DeclaredEnvironment | None:
    if value is None:
        return None
    problem = None
    if isinstance(value, dict):
        unknown = [key for key in value if key not in KEYS]
        if not unknown:
            return DeclaredEnvironment(dependencies=reader.of_object(value, owner))
        problem = f"it has {shown(unknown[0])}. There are: {', '.join(KEYS)}."
    elif not isinstance(value, str):
        problem = 'it is neither a text nor an object. Write "NAME", ">=3.10" or {"requirements": [...]}.'
    elif any(mark in value for mark in PATH_MARKS) or value.startswith((".", "~")):
        problem = "it is a path, which only who runs the graph may choose: --python."
    elif is_environment_name(value):
        return DeclaredEnvironment(name=value)
    else:
        try:
            return DeclaredEnvironment(dependencies=Dependencies(python=read_python(value)))
        except PythonVersionError:
            problem = f"{shown(value)} is neither the name of an environment nor a version of Python."
    reader.error(owner, f'has an "{ENVIRONMENT}" that cannot be used: {problem}', DiagnosticCode.BAD_ENVIRONMENT)
    return None
