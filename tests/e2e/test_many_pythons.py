"""Several versions of Python in one graph, each node in its own; and what is none that nodes can run in."""

import json
import math
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyflowd_client import RunFailed
from pyflowd_client.blocking import Client
from support.daemons import ADD, RunningDaemon, graph, node, pyflowctl
from support.environments import make_environment
from support.stand_in_python import make_python, make_script
from support.workplaces import Workplace, placed, requiring, was_built, workplace
from support.zygote import find_interpreters

SUPPORTED = ("3.8", "3.9", "3.10", "3.11", "3.12", "3.13", "3.14")
AS_PYPY = (
    "import platform, sys\nplatform.python_implementation = lambda: 'PyPy'\n"
    "sys.implementation.name = 'pypy'\nsys.pypy_version_info = (7, 3, 17, 'final', 0)\n"
)
HERE = node("import sys\nreturn '%d.%d' % sys.version_info[:2]", returns="str")
VALUES = [math.nan, math.inf, 2**200, -0.0, "\ud800é", {"a": [None, True]}, [1, [2.5]]]
PASS = node("import sys\nreturn [v[0] + ['%d.%d' % sys.version_info[:2]], v[1]]", "v: list", "list")


def _version(python: str) -> str:
    """Such as 3.11; "" of what does not start."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    command = [python, "-E", "-s", "-S", "-c", code]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()


FOUND = {_version(python): python for python in find_interpreters()}


@pytest.fixture(scope="module")
def place() -> Iterator[Workplace]:
    """Whose user has all Pythons of this machine on his PATH."""
    with workplace() as made:
        shims = made.folder / "bin"
        shims.mkdir(mode=0o755)
        for version, python in FOUND.items():
            (shims / f"python{version}").symlink_to(python)
        made.variables["PATH"] = f"{shims}{os.pathsep}{made.variables['PATH']}"
        yield made


@pytest.fixture(scope="module")
def daemon(place: Workplace) -> Iterator[RunningDaemon]:
    with place.daemon() as running:
        yield running


@pytest.mark.parametrize("version", SUPPORTED)
def test_a_node_runs_in_the_version_it_asks_for_beside_others(client: Client, version: str) -> None:
    if version not in FOUND:
        pytest.skip(f"CPython {version} is not installed")
    run = client.run_document(placed(graph(HERE, HERE), {"n0": version}))
    outputs = run.result()
    assert outputs["n0"]["output_1"] == version
    assert outputs["n1"]["output_1"] == _version(find_interpreters()[0])


def test_values_cross_all_versions_unchanged(client: Client) -> None:
    versions = [*FOUND, *reversed(FOUND)]
    start = node(f"nan, inf = float('nan'), float('inf')\nreturn [[], {VALUES!r}]", returns="list")
    edges = tuple((f"n{i}", "output_1", f"n{i + 1}", "v") for i in range(len(versions)))
    document = graph(start, *[PASS] * len(versions), edges=edges)
    run = client.run_document(placed(document, {f"n{i + 1}": version for i, version in enumerate(versions)}))
    passed, values = run.result()[f"n{len(versions)}"]["output_1"]
    assert passed == versions
    assert repr(values) == repr(VALUES)


def test_named_built_and_private_environments_work_together_in_one_graph(client: Client) -> None:
    client.environments.create("old", "apple<2").result()
    show = node("import apple\nreturn v + [apple.VERSION]", "v: list", "list")
    first = node("import apple\nreturn [apple.VERSION]", returns="list")
    edges = (("n0", "output_1", "n1", "v"), ("n1", "output_1", "n2", "v"))
    document = requiring(graph(first, show, show, edges=edges), "apple>=2")
    document = placed(document, {"n1": "old", "n2": {"requirements": ["banana"]}})
    run = client.run_document(document)
    assert was_built(run)
    assert run.outputs["n2"]["output_1"] == ["2.0", "1.0", "1.0"]
    again = client.run_document(document)
    assert not was_built(again)
    assert again.outputs["n2"]["output_1"] == ["2.0", "1.0", "1.0"]
    client.environments.remove("old")


@pytest.mark.parametrize("version", ["3.8", "3.13"])
def test_an_environment_is_built_for_the_version_that_is_asked_for(client: Client, version: str) -> None:
    if version not in FOUND:
        pytest.skip(f"CPython {version} is not installed")
    code = "import apple, sys\nreturn [apple.VERSION, '%d.%d' % sys.version_info[:2]]"
    run = client.run_document(requiring(graph(node(code, returns="list")), "apple", python=f"=={version}.*"))
    assert run.result()["n0"]["output_1"] == ["2.0", version]


def test_what_is_not_json_does_not_cross(client: Client) -> None:
    document = graph(node("return {1, 2}", returns="set"), ADD, edges=(("n0", "output_1", "n1", "x"),))
    version = [*FOUND][-1]
    with pytest.raises(RunFailed, match="set") as raised:
        client.run_document(placed(document, {"n1": version})).result()
    [failed] = raised.value.failures
    assert failed.error is not None
    assert failed.error.code == "not_json"


@pytest.mark.parametrize("asked", ["3.7", "2.7", "==3.99.*", "3.99"])
def test_a_version_that_nobody_has_or_that_is_too_old_is_refused(
    place: Workplace, daemon: RunningDaemon, asked: str
) -> None:
    file = str(place.graph_file(graph(ADD)))
    done = pyflowctl(daemon.socket, "run", file, "--python", asked)
    assert done.returncode in (65, 78)
    assert asked.strip("=.*") in done.stderr
    assert done.stdout == ""


def test_a_version_that_one_node_asks_for_in_vain_ends_the_run(place: Workplace, daemon: RunningDaemon) -> None:
    file = str(place.graph_file(placed(graph(ADD, ADD), {"n1": "3.99"})))
    done = pyflowctl(daemon.socket, "run", file)
    assert done.returncode == 78
    assert "3.99" in done.stderr


def test_pypy_is_refused_for_what_it_is(place: Workplace, daemon: RunningDaemon) -> None:
    pretends = {"pypy.pth": "import sys; sys.implementation.name = 'pypy'\n"}
    venv = make_environment(find_interpreters()[0], place.folder / "env", pretends)
    done = pyflowctl(daemon.socket, "run", str(place.graph_file(graph(ADD))), "--python", venv)
    assert done.returncode == 78
    assert "nodes need CPython 3.8 or newer, this is pypy" in done.stderr
    python = make_python(place.folder / "pypy", AS_PYPY)
    variables = {**os.environ, "PATH": str(python.parent)}
    detected = pyflowctl(daemon.socket, "env", "detect", str(place.folder), "--json", env=variables)
    found = [item for item in json.loads(detected.stdout)["environments"] if item["python"].startswith(str(python))]
    assert found
    assert all("PyPy" in item["problem"] for item in found)


@pytest.mark.parametrize(
    "kind", ["no interpreter", "a script that fails", "a script that lies", "an empty environment"]
)
def test_what_is_no_interpreter_is_refused_clearly(place: Workplace, daemon: RunningDaemon, kind: str) -> None:
    folder = place.folder / kind.replace(" ", "-")
    path = folder / "python3"
    if kind == "no interpreter":
        folder.mkdir()
        shutil.copy("/bin/true", path)
    elif kind == "an empty environment":
        folder.mkdir()
        path = folder
    else:
        make_script(path, "exit 3" if kind.endswith("fails") else f"echo {folder}/nowhere")
    done = pyflowctl(daemon.socket, "run", str(place.graph_file(graph(ADD))), "--python", str(path))
    assert done.returncode == 78
    assert str(folder) in done.stderr
    assert done.stdout == ""


@pytest.mark.parametrize("version", ["2.7", "3.6", "3.7"])
def test_an_old_python_is_refused_by_its_version(place: Workplace, daemon: RunningDaemon, version: str) -> None:
    candidates = [shutil.which(f"python{version}"), *Path.home().glob(f".pyenv/versions/{version}.*/bin/python")]
    found = next((str(path) for path in candidates if path and _version(str(path)) == version), None)
    if found is None:
        pytest.skip(f"CPython {version} is not installed")
    done = pyflowctl(daemon.socket, "run", str(place.graph_file(graph(ADD))), "--python", found)
    assert done.returncode == 78
    assert f"nodes need CPython 3.8 or newer, this is CPython {version}" in done.stderr
