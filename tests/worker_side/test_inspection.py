"""Pins from code, by PyFlowGraph's newest rules."""

import json
import marshal
import warnings
from typing import Any

import pytest

from pyflowd.worker_side import orders
from pyflowd.worker_side.inspection import inspect_source
from support.zygote import Zygote


def interface(source: str) -> dict[str, Any]:
    return inspect_source(source, "<node: test>")[0]


def outputs(returns: str, docstring: str = "") -> list[tuple[str, str]]:
    source = f'@node_entry\ndef f(){returns}:\n    """{docstring}"""\n'
    return [(pin["name"], pin["type"]) for pin in interface(source)["outputs"]]


def problem(source: str) -> dict[str, Any]:
    found = interface(source)
    assert found["inputs"] == found["outputs"] == []
    problem: dict[str, Any] = found["problem"]
    return problem


def test_parameters_become_inputs_with_their_types() -> None:
    parameters = "a, b: Int, /, c: Dict[str, List[X]] = {}, *r: int, d: 'q', e: a.b = 1, g: int | str = 2, **k"
    pins = interface(f"@node_entry\ndef f({parameters}): pass\n")["inputs"]
    found = [(pin["name"], pin["type"], pin["required"]) for pin in pins]
    assert found == [
        ("a", "any", True),
        ("b", "int", True),
        ("c", "dict[str, list[x]]", False),
        ("d", "any", True),
        ("e", "any", False),
        ("g", "any", False),
    ]


@pytest.mark.parametrize(
    ("returns", "docstring", "expected"),
    [
        ("", "", []),
        (" -> None", "", [("output_1", "any")]),
        (" -> Str", "@outputs: text", [("text", "str")]),
        (" -> list[int]", "", [("output_1", "list[int]")]),
        (" -> Tuple[int]", "", [("output_1", "int")]),
        (" -> tuple", "", [("output_1", "tuple")]),
        (" -> typing.Tuple[int, str]", "", [("output_1", "any[int, str]")]),
        (" -> Tuple[int, ...]", "", [("output_1", "int"), ("output_2", "any")]),
        (" -> Tuple[int, List[str]]", "Adds.\n\n    @outputs: a , b, c", [("a", "int"), ("b", "list[str]")]),
        (" -> tuple[int, str, x]", "@outputs: a", [("a", "int"), ("output_2", "str"), ("output_3", "x")]),
        (" -> tuple[int, str]", "@outputs: a, a", [("a", "int"), ("output_2", "str")]),
    ],
)
def test_returns_become_outputs(returns: str, docstring: str, expected: list[tuple[str, str]]) -> None:
    assert outputs(returns, docstring) == expected


def test_the_first_decorated_top_level_function_is_the_entry() -> None:
    source = """
class A:
    @node_entry
    def no(self): pass

@other
@node_entry
def yes(a): pass

@node_entry
def late(b): pass
"""
    _, compiled = inspect_source(source.encode(), "<node: test>")
    assert compiled is not None
    entry, positional, code = marshal.loads(compiled)
    assert (entry, positional, code.co_filename) == ("yes", [], "<node: test>")


def test_inspection_executes_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    interface("print('executed')\n@node_entry\ndef f(x=print('default')): pass\n")
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("source", "code", "line"),
    [
        ("def f(:\n", "syntax_error", 1),
        ("\n\nreturn 1\n", "syntax_error", 3),
        ("x = '\0'", "syntax_error", None),
        ("x = '\ud800'", "syntax_error", None),
        ("", "no_entry", None),
        ("def f(): pass", "no_entry", None),
        ("@node_entry()\ndef f(): pass", "no_entry", 1),
        ("@m.node_entry\ndef f(): pass", "no_entry", None),
        ("@node_entry\nasync def f(): pass", "async_entry", 2),
    ],
)
def test_code_that_cannot_be_a_node_has_a_problem(source: str, code: str, line: int | None) -> None:
    found = problem(source)
    assert found["code"] == code
    assert found["message"]
    if line is not None:
        assert found["line"] == line


def test_a_syntax_warning_of_the_author_is_no_warning_of_ours() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert interface("@node_entry\ndef f():\n    return 1 is 1\n")["problem"] is None
    assert caught == []


def test_code_nested_too_deeply_has_a_problem(anywhere: Zygote) -> None:
    found, compiled = anywhere.inspect("@node_entry\ndef f():\n    return " + "(" * 5000 + ")" * 5000 + "\n")
    assert found["problem"]["code"] == "syntax_error"
    assert compiled == b""


def test_every_interpreter_reads_the_same_pins(anywhere: Zygote) -> None:
    source = "@node_entry\ndef f(a: List[int], b: Dict[str, int] = {}) -> Tuple[int, List[str]]:\n    pass\n"
    found, compiled = anywhere.inspect(source)
    assert found == interface(source)
    assert compiled


def test_one_worker_inspects_many_sources_in_one_frame(zygote: Zygote) -> None:
    (worker,) = zygote.fork()
    sources = [("1", "@node_entry\ndef f(a): pass\n"), ("2", "def f(:"), ("3", "@node_entry\ndef g(b): pass\n")]
    orders.send(worker.link, (orders.INSPECT, 9, orders.WAIT, sources))
    header, (interfaces, *compiled) = worker.receive()
    assert (header["kind"], header["call"]) == ("inspected", 9)
    assert [found["problem"] is None for found in json.loads(interfaces)] == [True, False, True]
    assert [bool(code) for code in compiled] == [True, False, True]


def test_a_node_may_have_more_pins_than_a_packet_holds(zygote: Zygote) -> None:
    parameters = ", ".join(f"p{number}=0" for number in range(5000))
    found, compiled = zygote.inspect(f"@node_entry\ndef f({parameters}): pass\n")
    assert len(found["inputs"]) == 5000
    assert compiled
