"""What an interpreter needs to see, found without starting it: enough for it to run, and nothing of the home."""

import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from pyflowd.core.paths import is_within
from pyflowd.environments.locks import Lock
from pyflowd.environments.roots import roots_of
from pyflowd.environments.store import EnvironmentRecord, EnvironmentStore, Kind, Place
from support.zygote import find_interpreters

WHERE = "import json, os, sys; print(json.dumps([sys.prefix, sys.base_prefix, os.__file__, *filter(None, sys.path)]))"


@pytest.mark.parametrize("python", find_interpreters())
def test_an_interpreter_sees_all_that_it_imports_from(python: str) -> None:
    done = subprocess.run([python, "-I", "-c", WHERE], capture_output=True, text=True, check=True)
    folders = roots_of(python).folders
    for path in filter(os.path.exists, json.loads(done.stdout)):
        assert is_within(os.path.realpath(path), [*map(os.path.realpath, folders), "/usr"]), (path, folders)


def test_a_virtual_environment_sees_the_one_below_and_what_is_installed_in_place(tmp_path: Path) -> None:
    home, project = tmp_path / "env", tmp_path / "project"
    venv.create(home, symlinks=True, with_pip=False)
    project.mkdir()
    [site] = home.glob("lib/python3*/site-packages")
    (site / "in_place.pth").write_text(f"# a remark\nimport sys\n{project}\n/nowhere\n")
    roots = roots_of(str(home / "bin" / "python"))
    assert str(home) in roots.folders
    assert str(project) in roots.folders
    assert any(is_within(os.path.realpath(sys.base_prefix), (os.path.realpath(folder),)) for folder in roots.folders)
    assert "/nowhere" not in roots.folders


def test_packages_that_a_graph_has_chosen_show_it_nothing(tmp_path: Path) -> None:
    """They could bring a file that says that they lie in a folder of secrets."""
    store, secrets = EnvironmentStore(tmp_path / "root"), tmp_path / "secrets"
    place = Place(Kind.BUILT, "abcd")
    folder = store.folder(place)
    venv.create(folder, symlinks=True, with_pip=False)
    secrets.mkdir()
    [site] = folder.glob("lib/python3*/site-packages")
    (site / "evil.pth").write_text(f"{secrets}\n")
    python = str(folder / "bin" / "python")
    assert str(secrets) in roots_of(python).folders
    with store.locked(place, Lock()):
        store.write(EnvironmentRecord(kind=place.kind, id=place.id, python=python, base="", version="", manager="uv"))
    assert str(secrets) not in roots_of(python).folders


def test_nothing_above_the_home_is_seen_for_the_sake_of_an_interpreter(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is installed into the home itself: bin/python and lib/python3.x beside everything else."""
    monkeypatch.setenv("HOME", str(tmp_path))
    library = tmp_path / "lib" / "python3.11"
    (library / "site-packages").mkdir(parents=True)
    (library / "site-packages" / "bad.pth").write_text(f"{tmp_path}\n/\n")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    roots = roots_of(str(tmp_path / "bin" / "python"))
    assert str(library) in roots.folders
    assert not {str(tmp_path), "/"} & set(roots.folders)
    assert (str(tmp_path / "bin" / "python"), sys.executable) in roots.links


def test_files_that_would_block_are_not_waited_for(tmp_path: Path) -> None:
    site = tmp_path / "env" / "lib" / "python3.11" / "site-packages"
    (site / "x-1.dist-info").mkdir(parents=True)
    (site / "__editable___x_finder.py").write_text("")
    for path in (tmp_path / "env" / "pyvenv.cfg", site / "x.pth", site / "x-1.dist-info" / "direct_url.json"):
        os.mkfifo(path)
    assert roots_of(str(tmp_path / "env" / "bin" / "python")).folders == (str(tmp_path / "env"),)
