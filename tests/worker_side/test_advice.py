"""What is noticed in code without executing it."""

from pathlib import Path
from typing import Any

import pytest

from pyflowd.worker_side.inspection import inspect_source
from support.zygote import Zygote

ENTRY = "@node_entry\ndef f():\n    pass\n"


def remarks(source: str) -> list[tuple[str, str, int]]:
    return found_in(inspect_source(source + ENTRY, "<node: test>")[0])


def found_in(interface: dict[str, Any]) -> list[tuple[str, str, int]]:
    return [(remark["kind"], remark["name"], remark["line"]) for remark in interface["remarks"]]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("import nowhere, json\n", [("missing_import", "nowhere", 1)]),
        ("from nowhere.deep import x\nimport nowhere.other\n", [("missing_import", "nowhere", 1)]),
        ("def g():\n    import nowhere as n\n", [("missing_import", "nowhere", 2)]),
        ("try:\n    import nowhere\nexcept ImportError:\n    nowhere = None\n", []),
        ("try:\n    pass\nexcept ImportError:\n    import nowhere\n", [("missing_import", "nowhere", 4)]),
        ("try:\n    import nowhere\nfinally:\n    pass\n", [("missing_import", "nowhere", 2)]),
        ("if TYPE_CHECKING:\n    import nowhere\nelse:\n    import other\n", [("missing_import", "other", 4)]),
        ("from . import sibling\n", []),
        ("from json.nothing import x\n", []),  # only an import could tell
        ("a = input('?')\n", [("reads_input", "input", 1)]),
        ("import urllib.request\n", [("network", "urllib", 1)]),
        ("import os, socket\nopen('a'); os.remove('a')\nos.fork()\nos.getpid()\n", [
            ("network", "socket", 1), ("files", "open", 2), ("files", "os.remove", 2), ("processes", "os.fork", 3)
        ]),
        ("x.open('a'); self.input(); y.os.system('ls')\n", []),
    ],
)  # fmt: skip
def test_what_code_names_is_noticed_once(source: str, expected: list[tuple[str, str, int]]) -> None:
    assert sorted(remarks(source)) == sorted(expected)


def test_of_each_kind_the_first_ten_are_kept() -> None:
    found = remarks("".join(f"import nowhere{number}\n" for number in range(30)) + "input()\n")
    assert [name for _, name, _ in found] == [*(f"nowhere{number}" for number in range(10)), "input"]


def test_a_long_name_is_cut() -> None:
    [(_, name, _)] = remarks(f"import {'a' * 5000}\n")
    assert len(name) == 100


def test_looking_for_a_module_executes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "loud_module.py").write_text("raise SystemExit('executed')")
    (tmp_path / "loud_package").mkdir()
    (tmp_path / "loud_package" / "__init__.py").write_text("raise SystemExit('executed')")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert remarks("import loud_module\nimport loud_package.inner\n") == []


def test_every_interpreter_looks_for_its_own_modules(anywhere: Zygote) -> None:
    found, _ = anywhere.inspect(f"import nowhere, json, subprocess, frames\n{ENTRY}")
    assert sorted(found_in(found)) == [
        ("missing_import", "frames", 1),  # a neighbour of ours, which no node can see
        ("missing_import", "nowhere", 1),
        ("processes", "subprocess", 1),
    ]
