"""What a node's code needs and would touch, as far as its syntax tree tells. Nothing is executed.

    missing_import NAME LINE   the interpreter has no such module
    reads_input input LINE     it would wait for an answer that cannot come
    network | files | processes NAME LINE   what it would touch, and by which module or function

It is advice: code can reach everything without naming it, and what is named need not be reached. An import that
stands in a `try`, or is for type checkers only, may fail.
"""

from __future__ import annotations

import ast
import importlib.util
import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Dict, Iterator, List, Tuple

    Remark = Dict[str, object]
    Found = Tuple[str, str, int]

MOST_OF_A_KIND = 10
LONGEST_NAME = 100
MISSING_IMPORT, READS_INPUT = "missing_import", "reads_input"
NETWORK, FILES, PROCESSES = "network", "files", "processes"
_MODULES = {
    NETWORK: (
        "aiohttp asyncssh boto3 botocore ftplib http httpx imaplib paramiko poplib psycopg psycopg2 pymongo redis"
        " requests smtplib socket socketserver ssl telnetlib urllib urllib3 websocket websockets xmlrpc zmq"
    ),
    FILES: "fileinput glob pathlib shutil sqlite3 tarfile tempfile zipfile",
    PROCESSES: "multiprocessing pexpect psutil pty subprocess",
}
_AREA_OF_MODULE = {name: area for area, names in _MODULES.items() for name in names.split()}
_FUNCTIONS_OF_OS = {
    FILES: (
        "chmod chown link listdir makedirs mkdir open readlink remove removedirs rename renames replace rmdir scandir"
        " symlink truncate unlink walk"
    ),
    PROCESSES: (
        "_exit abort execl execle execlp execlpe execv execve execvp execvpe fork forkpty kill killpg popen"
        " posix_spawn posix_spawnp spawnl spawnle spawnlp spawnlpe spawnv spawnve spawnvp spawnvpe system"
    ),
}
_AREA_IN_OS = {name: area for area, names in _FUNCTIONS_OF_OS.items() for name in names.split()}
_known: Dict[str, bool] = {}


def advise(tree: ast.Module) -> List[Remark]:
    """The remarks on a module, one for each kind and name, in the order of lines; ten of a kind at most."""
    seen: Dict[Tuple[str, str], int] = {}
    for kind, name, line in _read(tree):
        key = (kind, name[:LONGEST_NAME])
        seen[key] = min(line, seen.get(key, line))
    kept: List[Remark] = []
    counts: Dict[str, int] = {}
    for (kind, name), line in sorted(seen.items(), key=lambda item: item[1]):
        counts[kind] = counts.get(kind, 0) + 1
        if counts[kind] <= MOST_OF_A_KIND:
            kept.append({"kind": kind, "name": name, "line": line})
    return kept


def _read(tree: ast.Module) -> Iterator[Found]:
    """No recursion: a tree may be as deep as the parser lets it."""
    waiting: List[Tuple[ast.AST, bool]] = [(tree, False)]
    while waiting:
        node, may_fail = waiting.pop()
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for name in _modules(node):
                yield from _remarks_on_import(name, node.lineno, may_fail)
        elif isinstance(node, ast.Call):
            yield from _remarks_on_call(node)
        if isinstance(node, ast.If) and _is_for_type_checkers(node.test):
            waiting += [(child, may_fail) for child in node.orelse]
            continue
        if isinstance(node, ast.Try) and node.handlers:
            waiting += [(child, True) for child in node.body]
            waiting += [(child, may_fail) for child in (*node.handlers, *node.orelse, *node.finalbody)]
            continue
        waiting += [(child, may_fail) for child in ast.iter_child_nodes(node)]


def _modules(node: ast.Import | ast.ImportFrom) -> List[str]:
    """The top-level modules that an import names; none of a relative one, which fails in any node."""
    if isinstance(node, ast.Import):
        return [alias.name.partition(".")[0] for alias in node.names]
    return [node.module.partition(".")[0]] if node.module and not node.level else []


def _remarks_on_import(name: str, line: int, may_fail: bool) -> Iterator[Found]:
    if not may_fail and not _is_there(name):
        yield MISSING_IMPORT, name, line
    area = _AREA_OF_MODULE.get(name)
    if area is not None:
        yield area, name, line


def _remarks_on_call(node: ast.Call) -> Iterator[Found]:
    function = node.func
    if isinstance(function, ast.Name):
        if function.id == "input":
            yield READS_INPUT, "input", node.lineno
        elif function.id == "open":
            yield FILES, "open", node.lineno
    elif isinstance(function, ast.Attribute) and isinstance(function.value, ast.Name) and function.value.id == "os":
        area = _AREA_IN_OS.get(function.attr)
        if area is not None:
            yield area, "os.%s" % function.attr, node.lineno


def _is_for_type_checkers(test: ast.expr) -> bool:
    return getattr(test, "id", getattr(test, "attr", "")) == "TYPE_CHECKING"


def _is_there(name: str) -> bool:
    """Whether the interpreter would find a top-level module: its finders look, and execute nothing of it."""
    found = _known.get(name)
    if found is None:
        try:
            found = name in sys.modules or importlib.util.find_spec(name) is not None
        except Exception:  # a finder of the environment's own does not know what to say
            found = True
        _known[name] = found
    return found
