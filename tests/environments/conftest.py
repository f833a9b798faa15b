"""An index with a few packages, and two managers that shall do the same with it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from support.environment_jobs import Bench
from support.packages import PackageIndex, make_wheel

OWN = ("HOME", "UV_", "PIP_", "PYTHON", "VIRTUAL_ENV", "XDG_", "http", "HTTP", "ALL_PROXY", "all_proxy", "NO_PROXY")


@pytest.fixture
def index(tmp_path: Path) -> Iterator[PackageIndex]:
    """Serves `apple` 1.0 and 2.0, and `banana` 1.0, which requires apple below 2."""
    folder = tmp_path / "index"
    folder.mkdir()
    make_wheel(folder, "apple", "1.0")
    make_wheel(folder, "apple", "2.0")
    make_wheel(folder, "banana", "1.0", requires=["apple<2"])
    with PackageIndex(folder).serving() as serving:
        yield serving


@pytest.fixture
def variables(index: PackageIndex, tmp_path: Path) -> dict[str, str]:
    """Those of a user who has set the index, and nothing else."""
    home = tmp_path / "home"
    home.mkdir()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OWN)}
    return {
        **kept,
        "HOME": str(home),
        "UV_DEFAULT_INDEX": index.url,
        "UV_CACHE_DIR": str(tmp_path / "uv-cache"),
        "PIP_INDEX_URL": index.url,
        "PIP_CACHE_DIR": str(tmp_path / "pip-cache"),
        "PIP_CONFIG_FILE": os.devnull,
    }


@pytest.fixture(params=["uv", "venv"])
def bench(request: pytest.FixtureRequest, tmp_path: Path, put_on: Callable[[Mapping[str, str]], None],
          variables: dict[str, str]) -> Bench:  # fmt: skip
    """With either manager."""
    put_on(variables)
    return Bench(tmp_path / "root", request.param)


@pytest.fixture
def put_on(monkeypatch: pytest.MonkeyPatch) -> Callable[[Mapping[str, str]], None]:
    """Makes these the variables of this process."""

    def put(variables: Mapping[str, str]) -> None:
        for name in set(os.environ) - set(variables) - {"PYTEST_CURRENT_TEST"}:
            monkeypatch.delenv(name)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)

    return put
