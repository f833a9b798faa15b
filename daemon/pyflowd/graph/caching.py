"""What a node says of its result: "cache" in its Metadata, true, false, or `{"files": [PATH, ...]}`.

What it does not understand is an error: whoever has written it must not believe that it counts.
"""

import posixpath
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pyflowd.graph.diagnostics import Diagnostic, DiagnosticCode, Severity
from pyflowd.graph.model import Node

KEY = "cache"
FILES_MOST = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheWish:
    """is_wanted: whether its result may be kept; None leaves that to who runs the graph.

    files: paths that it depends on, absolute, or relative to the folder that nodes start in.
    """

    is_wanted: bool | None = None
    files: tuple[str, ...] = ()


SILENT = CacheWish()


def cache_of_node(node: Node) -> tuple[CacheWish, Diagnostic | None]:
    """What a node declares, or why that cannot be used."""
    value = node.extra.get(KEY)
    if value is None:
        return SILENT, None
    if isinstance(value, bool):
        return CacheWish(is_wanted=value), None
    problem = _problem(value)
    if problem is None:
        return CacheWish(is_wanted=True, files=tuple(map(posixpath.normpath, value["files"]))), None
    message = f'The "{KEY}" of "{node.label}" cannot be used: {problem}'
    return SILENT, Diagnostic(
        severity=Severity.ERROR, code=DiagnosticCode.BAD_CACHE, message=message, node=node.id, title=node.label
    )


def _problem(value: Any) -> str | None:
    if not isinstance(value, Mapping) or set(value) != {"files"} or not isinstance(value["files"], list):
        return 'write true, false or {"files": [PATH, ...]}.'
    if len(value["files"]) > FILES_MOST:
        return f"it names {len(value['files'])} files, {FILES_MOST} are the most; name a folder."
    for path in value["files"]:
        if not isinstance(path, str) or not path or not path.isprintable() or ".." in path.split("/"):
            return f"{path!r} is no path of a file or folder."
    return None
