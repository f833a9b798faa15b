"""Code for workers is compiled by the interpreter that will run it."""

import shutil
import sys
from pathlib import Path

import pytest

from pyflowd.sandbox.sandboxes import WORKER_SIDE
from pyflowd.shell.bytecode import compile_folder
from support.zygote import find_interpreters


@pytest.mark.parametrize("python", find_interpreters())
def test_an_interpreter_finds_afterwards_what_it_needs(python: str, tmp_path: Path) -> None:
    folder = tmp_path / "worker_side"
    shutil.copytree(WORKER_SIDE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    compile_folder(python, str(folder))
    sources = {path.stem for path in folder.glob("*.py")}
    assert {path.name.partition(".")[0] for path in folder.glob("__pycache__/*.pyc")} == sources


def test_where_nothing_can_be_compiled_nothing_happens(tmp_path: Path) -> None:
    compile_folder(sys.executable, str(tmp_path / "nowhere"))
    compile_folder("/nowhere/python", str(tmp_path))
    assert list(tmp_path.iterdir()) == []
