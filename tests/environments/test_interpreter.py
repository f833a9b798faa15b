"""Which interpreter a path means."""

import os
import sys
import venv
from pathlib import Path

import pytest

from pyflowd.environments.interpreter import InterpreterError, find_interpreter


def script(path: Path, text: str) -> Path:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


def test_a_virtual_environment_is_its_interpreter_by_its_own_path(tmp_path: Path) -> None:
    venv.create(tmp_path, symlinks=True, with_pip=False)
    assert find_interpreter(str(tmp_path)) == str(tmp_path / "bin" / "python")


def test_a_script_that_stands_for_an_interpreter_is_asked_which(tmp_path: Path) -> None:
    shim = script(tmp_path / "python", f'exec {sys.executable} "$@"')
    assert os.path.samefile(find_interpreter(str(shim)), sys.executable)


@pytest.mark.parametrize("name", ["", "bin/python"])
def test_a_script_in_the_place_of_the_interpreter_of_an_environment_is_not_run(tmp_path: Path, name: str) -> None:
    venv.create(tmp_path, symlinks=True, with_pip=False)
    (tmp_path / "bin" / "python").unlink()
    script(tmp_path / "bin" / "python", f'touch {tmp_path}/told; exec {sys.executable} "$@"')
    with pytest.raises(InterpreterError, match="is a script, where an environment has an interpreter"):
        find_interpreter(str(tmp_path / name))
    assert not (tmp_path / "told").exists()


@pytest.mark.parametrize("text", ["exit 3", "echo /nowhere/python", "echo python"])
def test_a_script_that_leads_nowhere_is_told(tmp_path: Path, text: str) -> None:
    with pytest.raises(InterpreterError, match="does not lead to an interpreter"):
        find_interpreter(str(script(tmp_path / "python", text)))
