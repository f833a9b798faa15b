"""What both managers do: the same, with the same index."""

from __future__ import annotations

import json
import os
import shutil
import stat
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pyflowd.environments.selection import select_manager
from pyflowd.graph.environment_specs import EnvironmentSpec
from support.environment_jobs import Bench, run
from support.packages import PackageIndex, make_wheel, sha256
from support.zygote import find_interpreters

PYTHONS = find_interpreters()
CLOSED = "http://127.0.0.1:9/simple"  # nobody listens at the port of "discard"


def test_an_environment_is_built_with_what_is_required(bench: Bench) -> None:
    made = bench.build("banana")
    assert made["packages"] == 2
    assert not made["was_there"]
    assert run(made["python"], "import banana, apple; print(banana.VERSION, apple.VERSION)") == "1.0 1.0"
    assert Path(made["python"]).is_relative_to(made["folder"])


def test_a_manager_has_all_roles_that_are_not_about_making(bench: Bench, tmp_path: Path) -> None:
    python = bench.build("banana")["python"]
    manager = select_manager(bench.manager, sys.executable, lambda _: None)
    folder = Path(python).parents[1]
    assert manager.select("").path == os.path.realpath(sys._base_executable)  # type: ignore[attr-defined]
    assert [package.name for package in manager.describe(python)] == ["apple", "banana"]
    lacks = manager.verify(python, EnvironmentSpec(requirements=("apple>=2", "banana"), optional=("cherry",)))
    assert [text.partition(":")[0] for text in lacks.missing] == ["apple>=2"]
    assert [text.partition(":")[0] for text in lacks.optional_missing] == ["cherry"]
    assert python in [found.python for found in manager.detect("", str(folder), ())]
    manager.remove(folder)
    assert not folder.exists()


def test_its_progress_is_told_in_a_few_words(bench: Bench) -> None:
    bench.build("apple")
    version = run(sys.executable, "import platform; print(platform.python_version())")
    assert bench.progress[0] == f"Creating an environment with Python {version}"
    assert "Resolving apple" in bench.progress
    assert any(line.startswith("Installed 1 package") for line in bench.progress)
    assert not any("\x1b" in line or len(line) > 120 for line in bench.progress)


def test_one_that_is_there_is_not_built_again(bench: Bench) -> None:
    first = bench.build("apple")
    second = bench.build("apple")
    assert second["was_there"]
    assert second["python"] == first["python"]
    assert bench.progress == []


def test_bytecode_is_there_before_anything_runs(bench: Bench) -> None:
    made = bench.build("apple")
    assert [*Path(made["folder"]).glob("lib/python3*/site-packages/__pycache__/apple.*.pyc")]


def test_others_can_read_it_although_the_cache_is_private(bench: Bench) -> None:
    before = os.umask(0o077)
    try:
        bench.build("apple")
    finally:
        os.umask(before)
    shutil.rmtree(bench.root)
    made = bench.build("apple")
    paths = [Path(made["folder"]), *Path(made["folder"]).rglob("*")]
    modes = [stat.S_IMODE(path.lstat().st_mode) for path in paths if not path.is_symlink()]
    assert len(modes) > 5
    assert all(mode & 0o044 == 0o044 for mode in modes)


def test_a_package_that_nobody_has_is_named_and_nothing_is_left(bench: Bench) -> None:
    error = bench.fail_to_build("apple", "nosuchthing==3")
    assert error["package"] == "nosuchthing"
    assert error["message"].startswith("'nosuchthing' cannot be installed: ")
    assert "\x1b" not in error["message"]


def test_requirements_that_contradict_each_other_show_the_words_of_the_resolver(bench: Bench) -> None:
    error = bench.fail_to_build("apple>=2", "banana")
    assert error["package"] in {"apple", "banana"}
    assert "apple<2" in error["message"].replace(" ", "")


def test_an_index_that_cannot_be_reached_is_told_at_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", CLOSED)
    monkeypatch.setenv("PIP_INDEX_URL", CLOSED)
    began = time.monotonic()
    error = bench.fail_to_build("apple")
    assert time.monotonic() - began < 10.0
    assert error["package"] == "apple"
    assert "cannot be reached" in error["message"]
    assert "127.0.0.1:9" in error["message"]
    assert "refused" in error["message"].lower()


def test_a_wheel_by_its_path_is_installed(bench: Bench, tmp_path: Path) -> None:
    wheel = make_wheel(tmp_path, "damson")
    made = bench.build(f"damson @ file://{wheel}")
    assert run(made["python"], "import damson; print(damson.VERSION)") == "1.0"


def test_what_is_optional_is_there_if_it_can_be(bench: Bench) -> None:
    made = bench.build("apple", optional=["nosuchthing", "banana"])
    [missing, unfit] = sorted(made["warnings"], reverse=True)
    assert "nosuchthing (optional) was not installed" in missing
    assert "banana (optional) was not installed" in unfit  # it would need another apple
    assert run(made["python"], "import apple; print(apple.VERSION)") == "2.0"


def test_what_is_optional_is_there_beside_what_is_not(bench: Bench, index: PackageIndex) -> None:
    make_wheel(index.folder, "damson")
    made = bench.build("apple<2", optional=["nosuchthing", "banana", "damson"])
    assert len(made["warnings"]) == 1
    assert run(made["python"], "import apple, banana, damson; print(apple.VERSION)") == "1.0"


def test_without_network_what_is_optional_is_only_missed(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_DEFAULT_INDEX", CLOSED)
    monkeypatch.setenv("PIP_INDEX_URL", CLOSED)
    made = bench.build(optional=["apple", "banana"])
    assert made["packages"] == 0
    assert len(made["warnings"]) == 2


def test_uv_takes_what_it_has_kept_when_there_is_no_network(
    bench: Bench, index: PackageIndex, monkeypatch: pytest.MonkeyPatch
) -> None:
    if bench.manager != "uv":
        pytest.skip("pip asks the index in any case")
    bench.build("apple==1.0")
    shutil.rmtree(bench.root)
    for wheel in index.folder.iterdir():
        wheel.unlink()
    index.silent.add("apple")
    monkeypatch.setenv("UV_HTTP_TIMEOUT", "1")
    assert bench.build("apple==1.0")["packages"] == 1


@pytest.mark.parametrize("python", PYTHONS)
def test_it_is_made_with_the_interpreter_that_was_asked_for(bench: Bench, python: str) -> None:
    made = bench.build("apple", python=python)
    version = run(python, "import platform; print(platform.python_version())")
    assert made["version"] == version
    assert run(made["python"], "import apple, platform; print(platform.python_version())") == version


def test_versions_are_looked_for(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if len(PYTHONS) < 2:
        pytest.skip("there is only one version of Python")
    versions = {run(python, "import sys; print('%d.%d' % sys.version_info[:2])"): python for python in PYTHONS}
    folder = tmp_path / "bin"
    folder.mkdir()
    for minor, python in versions.items():
        (folder / f"python{minor}").symlink_to(python)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    for minor in versions:
        assert bench.build("apple", python=minor)["version"].startswith(f"{minor}.")
    second, newest = sorted(versions, key=lambda text: int(text.split(".")[1]))[-2:]
    assert bench.build("apple", python=f"<{newest}")["version"].startswith(f"{second}.")


@pytest.mark.parametrize("python", ["3.99", ">=4", "==2.7.*"])
def test_a_version_that_nobody_has_is_told(bench: Bench, python: str) -> None:
    error = bench.fail_to_build("apple", python=python)
    assert f"no Python {python}" in error["message"]
    assert "none is downloaded" in error["hint"]


def test_what_names_no_version_is_told(bench: Bench) -> None:
    assert "write a version (3.12)" in bench.fail_to_build("apple", python="the newest")["message"]


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ('{"version": "7.3.1", "implementation": "PyPy"}', "is PyPy"),
        ('{"version": "3.7.16", "implementation": "CPython"}', "this is CPython 3.7.16"),
        ("nonsense", "is no Python that works"),
    ],
)
def test_an_interpreter_that_no_node_can_run_in_is_refused(
    bench: Bench, tmp_path: Path, answer: str, said: str
) -> None:
    stand_in = tmp_path / "python"
    stand_in.write_text(f'#!/bin/sh\ncase "$*" in *json*) echo \'{answer}\';; *) echo "$0";; esac\n')
    stand_in.chmod(0o755)
    error = bench.fail_to_build("apple", python=str(stand_in))
    assert said in error["message"]
    assert str(stand_in) in error["message"]


def test_the_settings_of_a_project_do_not_count(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "uv.toml").write_text(f'index-url = "{CLOSED}"\nno-index = true\n')
    (tmp_path / "pyproject.toml").write_text('[project]\nname = "x"\nrequires-python = ">=99"\n')
    monkeypatch.chdir(tmp_path)
    bench.build("apple")


def test_the_settings_of_the_user_count(bench: Bench, variables: dict[str, str], tmp_path: Path,
                                        monkeypatch: pytest.MonkeyPatch) -> None:  # fmt: skip
    make_wheel(tmp_path, "elder")
    config = Path(variables["HOME"], ".config", "uv")
    config.mkdir(parents=True)
    (config / "uv.toml").write_text(f'find-links = ["{tmp_path}"]\n[pip]\ncompile-bytecode = true\n')
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("PIP_TARGET", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("UV_COMPILE_BYTECODE", "1")
    made = bench.build("elder")
    assert run(made["python"], "import elder; print(elder.VERSION)") == "1.0"


def test_an_environment_is_locked_with_hashes(bench: Bench, index: PackageIndex) -> None:
    text = bench.ask("lock", spec={"requirements": ["banana"]})["text"]
    assert text.index("apple==1.0") < text.index("banana==1.0")
    assert f"--hash=sha256:{sha256(index.folder / 'banana-1.0-py3-none-any.whl')}" in text


def test_the_lock_of_an_environment_keeps_its_versions(bench: Bench, index: PackageIndex) -> None:
    bench.ask("create", name="mine", requirements=["apple"])
    make_wheel(index.folder, "apple", "3.0")
    text = bench.ask("lock", environment="mine")["text"]
    assert "apple==2.0" in text
    assert "3.0" not in text


def test_an_environment_is_exported(bench: Bench) -> None:
    bench.ask("create", name="mine", requirements=["banana"])
    exported = {form: bench.ask("export", environment="mine", format=form)["text"]
                for form in ("requirements", "json", "dependencies")}  # fmt: skip
    assert exported["requirements"] == "apple==1.0\nbanana==1.0\n"
    assert json.loads(exported["json"])["packages"][1] == {"name": "banana", "version": "1.0"}
    dependencies: dict[str, Any] = json.loads(exported["dependencies"])
    assert dependencies["requirements"] == ["apple==1.0", "banana==1.0"]
    assert dependencies["python"] == f"=={sys.version_info[0]}.{sys.version_info[1]}.*"
    assert "there are requirements" in bench.fail("export", environment="mine", format="toml")["message"]
