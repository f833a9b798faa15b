"""Which pip works on an environment, when none is installed in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pyflowd.environments import default_manager
from pyflowd.environments.default_manager import find_pip
from pyflowd.environments.failures import EnvironmentFailed
from pyflowd.environments.interpreters import Interpreter, examine
from support.environment_jobs import Bench, version_of
from support.zygote import find_interpreters

TOO_OLD_FOR_OURS = "3.1.0"


def test_without_any_it_says_how_to_get_one(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailed, match="there is no pip for /usr/bin/python3") as caught:
        find_pip(Interpreter("/usr/bin/python3.1", TOO_OLD_FOR_OURS, str(tmp_path)), folders=())
    assert "apt install python3-venv" in (caught.value.hint or "")


def test_the_newest_wheel_is_taken(tmp_path: Path) -> None:
    bundled, system = tmp_path / "ensurepip" / "_bundled", tmp_path / "wheels"
    for folder, version in ((bundled, "9.0.1"), (bundled, "22.3"), (system, "20.3.4")):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"pip-{version}-py3-none-any.whl").touch()
    found = find_pip(Interpreter("/usr/bin/python3.1", TOO_OLD_FOR_OURS, str(tmp_path)), folders=[system])
    assert found.name == "pip-22.3-py3-none-any.whl"


@pytest.mark.parametrize("python", find_interpreters())
def test_the_wheel_that_the_interpreter_brings_will_do(
    bench: Bench, python: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if bench.manager != "venv":
        pytest.skip("uv needs no pip")
    if not [*Path(examine(python).library, "ensurepip", "_bundled").glob("pip-*.whl")]:
        pytest.skip(f"{python} has no ensurepip")
    monkeypatch.setattr(default_manager, "_own_pip", lambda _: None)
    made = bench.ask("create", name="mine", python=python, requirements=["banana"])
    assert version_of(made["python"], "apple") == "1.0"
    bench.ask("uninstall", name="mine", requirements=["banana"])
