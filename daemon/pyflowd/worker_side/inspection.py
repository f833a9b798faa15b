"""What a node's code takes and gives, read from its source, and the code compiled.

Pins by PyFlowGraph's newest rules: the parameters of the first top-level function decorated with the bare name
`node_entry`; one output per element of a `Tuple[...]` return, else one; names from a docstring line `@outputs: a, b`.
Refuses to execute anything.
"""

from __future__ import annotations

import ast
import marshal
import warnings

from .advice import advise

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict

    Interface = Dict[str, Any]

ENTRY = "node_entry"
ANY = "any"


def inspect_source(source: str, filename: str) -> tuple[Interface, bytes | None]:
    """(interface, compiled node) of a source text; the second is None when the first has a problem.

    The compiled node is marshalled (entry name, positional-only names, code), for `node_module` in this interpreter.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the author's SyntaxWarnings are not for the daemon's log
            tree = compile(source, filename, "exec", ast.PyCF_ONLY_AST, dont_inherit=True)
            assert isinstance(tree, ast.Module)
            code = compile(tree, filename, "exec", dont_inherit=True)
            entry = _entry(tree)
            if entry is None:
                return _problem(*_missing_entry(tree)), None
            positional = [argument.arg for argument in entry.args.posonlyargs]
            return _interface(entry, advise(tree)), marshal.dumps((entry.name, positional, code))
    except SyntaxError as error:
        return _problem("syntax_error", str(error.msg), error.lineno), None
    except ValueError as error:
        return _problem("syntax_error", "the code is not text that Python can read: %s" % error), None
    except (RecursionError, MemoryError):
        return _problem("syntax_error", "the code is nested too deeply to be compiled"), None


def _interface(entry: ast.FunctionDef, remarks: list[Any]) -> Interface:
    return {"inputs": _inputs(entry.args), "outputs": _outputs(entry), "problem": None, "remarks": remarks}


def _problem(code: str, message: str, line: int | None = None) -> Interface:
    return {"inputs": [], "outputs": [], "problem": {"code": code, "message": message, "line": line}, "remarks": []}


def _entry(tree: ast.Module) -> ast.FunctionDef | None:
    for statement in tree.body:
        if isinstance(statement, ast.FunctionDef) and _is_decorated(statement):
            return statement
    return None


def _is_decorated(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(isinstance(name, ast.Name) and name.id == ENTRY for name in function.decorator_list)


def _missing_entry(tree: ast.Module) -> tuple[str, str, int | None]:
    """The (code, message, line) of the reason why there is no entry function."""
    for statement in tree.body:
        if isinstance(statement, ast.AsyncFunctionDef) and _is_decorated(statement):
            message = "%s is an async function: @node_entry needs a plain one" % statement.name
            return "async_entry", message, statement.lineno
        if not isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            continue
        for decorator in statement.decorator_list:
            called = isinstance(decorator, ast.Call) and getattr(decorator.func, "id", "") == ENTRY
            if called:
                message = "%s is decorated with @node_entry(): write @node_entry without parentheses" % statement.name
                return "no_entry", message, decorator.lineno
    return "no_entry", "no top-level function is decorated with @node_entry", None


def _inputs(arguments: ast.arguments) -> list[dict[str, Any]]:
    plain = arguments.posonlyargs + arguments.args
    defaults: list[Any] = [None] * (len(plain) - len(arguments.defaults)) + list(arguments.defaults)
    parameters = list(zip(plain, defaults)) + list(zip(arguments.kwonlyargs, arguments.kw_defaults))
    return [
        {"name": argument.arg, "type": _type_text(argument.annotation), "required": default is None}
        for argument, default in parameters
    ]


def _outputs(entry: ast.FunctionDef) -> list[dict[str, str]]:
    if entry.returns is None:
        return []
    types = _output_types(entry.returns)
    names = ["output_%d" % number for number in range(1, len(types) + 1)]
    for index, name in enumerate(_documented_names(entry)[: len(names)]):
        if name not in names:
            names[index] = name
    return [{"name": name, "type": kind} for name, kind in zip(names, types)]


def _output_types(returns: ast.expr) -> list[str]:
    if not isinstance(returns, ast.Subscript) or getattr(returns.value, "id", "").lower() != "tuple":
        return [_type_text(returns)]
    return [_type_text(element) for element in _elements(returns)]


def _documented_names(entry: ast.FunctionDef) -> list[str]:
    for line in (ast.get_docstring(entry) or "").split("\n"):
        label, _, rest = line.strip().partition(":")
        if label == "@outputs":
            return [name.strip() for name in rest.split(",") if name.strip()]
    return []


def _type_text(annotation: ast.expr | None) -> str:
    if isinstance(annotation, ast.Name):
        return annotation.id.lower()
    if isinstance(annotation, ast.Subscript):
        inner = ", ".join(_type_text(element) for element in _elements(annotation))
        return "%s[%s]" % (_type_text(annotation.value), inner)
    return ANY


def _elements(subscript: ast.Subscript) -> list[ast.expr]:
    index: Any = subscript.slice
    if type(index).__name__ == "Index":  # Python 3.8 wraps it
        index = index.value
    return list(index.elts) if isinstance(index, ast.Tuple) else [index]
