"""Which Pythons there are: found everywhere, told once, and never executed where somebody else may have made them."""

import os
import subprocess
import sys
import time
import venv
from pathlib import Path

import psutil
import pytest

from pyflowd.environments import interrogation
from pyflowd.environments.discovery import detect, find_python
from pyflowd_client.protocol.replies import DetectedEnvironment
from support.stand_in_python import NAME, REAL, VERSION, make_python, make_script, surroundings
from support.tiny_wheels import install, make_environment, make_wheel
from support.zygote import find_interpreters, is_alive

AS_PYPY = (
    "import platform, sys\n"
    "platform.python_implementation = lambda: 'PyPy'\n"
    "sys.pypy_version_info = (7, 3, 17, 'final', 0)\n"
)
RELEASE = ".".join(VERSION.split(".")[:2])


@pytest.fixture(autouse=True)
def nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(interrogation, "_answers", {})


def look(
    home: Path, search_path: object = "", virtual_env: str | None = None, **more: object
) -> list[DetectedEnvironment]:
    """Detects with a home of its own, so that this machine's version managers are not found."""
    folders = [str(folder) for folder in more.pop("folders", [])]  # type: ignore[attr-defined]
    managed = [str(folder) for folder in more.pop("managed", [])]  # type: ignore[attr-defined]
    around = surroundings(home, **{name: str(value) for name, value in more.items()})
    return detect(str(search_path), virtual_env, folders, managed, around=around, cache_folder=str(home / "cache"))


def traps(environment: Path, told: Path) -> None:
    """Everything by which an environment could have its code run, each of which leaves a file behind."""
    write = f"open({str(told)!r}, 'a').write('it ran')"
    for site in environment.glob("lib/python3*/site-packages"):
        (site / "trap.pth").write_text(f"import os; {write}\n")
        (site / "sitecustomize.py").write_text(write)
        (site / "usercustomize.py").write_text(write)
    for name in ("python", "python3", NAME):
        (environment / "bin" / name).unlink(missing_ok=True)
        make_script(environment / "bin" / name, f'echo it ran >> {told}; exec {REAL} "$@"')


@pytest.mark.parametrize("python", find_interpreters())
def test_an_interpreter_on_the_path_is_found_with_its_version(python: str, tmp_path: Path) -> None:
    code = "import sys; print(sys.executable); print(sys.version)"
    done = subprocess.run([python, "-c", code], capture_output=True, text=True, check=True)
    executable, version, *_ = done.stdout.split()
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3").symlink_to(executable)
    [found] = look(tmp_path, tmp_path / "bin")
    assert (found.kind, found.source, found.problem) == ("interpreter", "PATH", None)
    assert (found.version, found.implementation) == (version.rstrip("+"), "CPython")
    assert found.fingerprint
    assert found.python == f"{tmp_path}/bin/python3"


def test_one_that_is_found_twice_is_told_once_and_by_its_first_source(tmp_path: Path) -> None:
    python = make_python(tmp_path / ".pyenv" / "versions" / "9.9")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3").symlink_to(python)
    (tmp_path / "other").symlink_to(tmp_path / "bin")
    make_script(tmp_path / "script" / "python", f'exec {python} "$@"')
    found = look(tmp_path, f"{tmp_path}/bin:{tmp_path}/other:{tmp_path}/script:{python.parent}")
    assert [(one.source, one.python) for one in found] == [("PATH", f"{tmp_path}/bin/python3")]


def test_a_script_alone_is_told_as_the_interpreter_that_it_leads_to(tmp_path: Path) -> None:
    python = make_python(tmp_path / "somewhere")
    make_script(tmp_path / "bin" / "python3", f'exec {python} "$@"')
    [found] = look(tmp_path, tmp_path / "bin")
    assert (found.python, found.version, found.problem) == (str(python), VERSION, None)


def test_version_managers_are_looked_at(tmp_path: Path) -> None:
    pythons = [
        make_python(tmp_path / ".pyenv" / "versions" / "3.99"),
        make_python(tmp_path / ".local" / "share" / "uv" / "python" / "cpython-3.99-linux-x86_64-gnu"),
        make_python(tmp_path / ".asdf" / "installs" / "python" / "3.99"),
    ]
    link = tmp_path / ".local" / "share" / "uv" / "python" / "cpython-3.99"
    link.symlink_to("cpython-3.99-linux-x86_64-gnu")  # as uv does for the newest of each minor version
    make_script(tmp_path / ".pyenv" / "shims" / "python", "exit 3")
    found = look(tmp_path, tmp_path / ".pyenv" / "shims")
    assert {one.source: os.path.realpath(one.python) for one in found} == {
        "pyenv": os.path.realpath(pythons[0]),
        "uv": os.path.realpath(pythons[1]),
        "asdf": os.path.realpath(pythons[2]),
    }
    assert len(found) == len(pythons)
    assert {one.problem for one in found} == {None}


def test_environments_beside_a_graph_are_read_with_version_and_packages(tmp_path: Path) -> None:
    graph = tmp_path / "graph"
    pythons = {
        name: make_environment(graph / name, REAL) for name in (".venv", "venv", "venvs/default", "venvs/report")
    }
    install(pythons["venvs/report"], str(make_wheel(tmp_path, "tiny", "1.0")), str(make_wheel(tmp_path, "small", "1")))
    (graph / "venvs" / "notes.txt").write_text("no environment")
    found = look(tmp_path, folders=[graph])
    assert [(one.source, one.python, one.packages) for one in found] == [
        (".venv", pythons[".venv"], 0),
        (".venv", pythons["venv"], 0),
        ("venvs", pythons["venvs/default"], 0),
        ("venvs", pythons["venvs/report"], 2),
    ]
    assert {(one.kind, one.version, one.implementation, one.problem) for one in found} == {
        ("venv", VERSION, "CPython", None)
    }
    assert len({one.fingerprint for one in found}) == len(found)


def test_the_active_environment_comes_first_and_is_not_told_again_by_the_path(tmp_path: Path) -> None:
    active = make_environment(tmp_path / "active", REAL)
    other = make_environment(tmp_path / "graph" / ".venv", REAL)
    path = f"{os.path.dirname(active)}:{os.path.dirname(other)}"
    found = look(tmp_path, path, f"{tmp_path}/active", folders=[tmp_path / "graph"])
    assert [(one.source, one.python) for one in found] == [("VIRTUAL_ENV", active), (".venv", other)]


def test_what_the_daemon_keeps_is_found(tmp_path: Path) -> None:
    python = make_environment(tmp_path / "kept" / "numbers", REAL)
    [found] = look(tmp_path, managed=[tmp_path / "kept"])
    assert (found.source, found.python) == ("pyflowd", python)


@pytest.mark.parametrize("way", ["beside", "active", "path", "pyenv"])
def test_nothing_of_an_environment_is_executed(tmp_path: Path, way: str) -> None:
    told = tmp_path / "told"
    folder = tmp_path / ("versions/env" if way == "pyenv" else ".venv")
    venv.create(folder, symlinks=True, with_pip=False)
    traps(folder, told)
    found = {
        "beside": lambda: look(tmp_path, folders=[tmp_path]),
        "active": lambda: look(tmp_path, virtual_env=str(folder)),
        "path": lambda: look(tmp_path, folder / "bin"),
        "pyenv": lambda: look(tmp_path, PYENV_ROOT=tmp_path),
    }[way]()
    assert [(one.kind, one.version) for one in found] == [("venv", VERSION)]
    assert "is a script, where a virtual environment has an interpreter" in str(found[0].problem)
    assert not told.exists()
    subprocess.run([folder / "bin" / "python", "-c", ""], check=True)
    assert told.exists(), "the trap is none: this test could not fail"


def test_an_environment_with_a_program_of_its_own_is_not_executed_either(tmp_path: Path) -> None:
    """Not a script, which could be told by its first line, and called by the names of the real ones."""
    told = tmp_path / "told"
    python = make_python(tmp_path / "graph" / "venvs" / "own", f"open({str(told)!r}, 'w')")
    [found] = look(tmp_path, python.parent, folders=[tmp_path / "graph"])
    assert found.problem == f"{tmp_path}/graph/venvs/own has no pyvenv.cfg: it is no virtual environment"
    [found] = look(tmp_path, virtual_env=str(python.parent.parent))
    assert "has no pyvenv.cfg" in str(found.problem)
    assert not told.exists()
    look(tmp_path, python.parent)
    assert told.exists(), "the trap is none: this test could not fail"


def test_an_interpreter_on_the_path_starts_without_the_variables_that_lead_it_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "evil").mkdir()
    (tmp_path / "evil" / "platform.py").write_text(f"open({str(tmp_path / 'told')!r}, 'w')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "evil"))
    monkeypatch.setenv("PYTHONHOME", str(tmp_path / "evil"))
    monkeypatch.chdir(tmp_path / "evil")
    [found] = look(tmp_path, make_python(tmp_path / "python").parent)
    assert found.problem is None
    assert not (tmp_path / "told").exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file to another user")
def test_a_program_that_belongs_to_another_user_is_not_executed(tmp_path: Path) -> None:
    python = make_python(tmp_path / "python", f"open({str(tmp_path / 'told')!r}, 'w')")
    os.chown(python.parent / NAME, 65534, 65534)
    [found] = look(tmp_path, python.parent)
    assert (found.kind, found.version, found.implementation) == ("interpreter", RELEASE, "CPython")
    assert not (tmp_path / "told").exists()


def test_a_program_that_everybody_may_replace_is_not_executed(tmp_path: Path) -> None:
    python = make_python(tmp_path / "python", f"open({str(tmp_path / 'told')!r}, 'w')")
    python.parent.chmod(0o777)
    assert [one.version for one in look(tmp_path, python.parent)] == [RELEASE]
    assert not (tmp_path / "told").exists()


def test_pypy_is_told_to_be_none_for_nodes(tmp_path: Path) -> None:
    [found] = look(tmp_path, make_python(tmp_path / "pypy", AS_PYPY).parent)
    assert found.implementation == "PyPy"
    assert found.problem == f"nodes need CPython 3.8 or newer, this is PyPy {VERSION}"


def test_an_environment_of_pypy_is_told_as_well(tmp_path: Path) -> None:
    (tmp_path / "venv" / "bin").mkdir(parents=True)
    (tmp_path / "venv" / "lib" / "pypy3.10" / "site-packages").mkdir(parents=True)
    (tmp_path / "venv" / "bin" / "python").symlink_to(REAL)
    (tmp_path / "venv" / "pyvenv.cfg").write_text("home = /nowhere\nimplementation = PyPy\nversion_info = 3.10.14\n")
    [found] = look(tmp_path, folders=[tmp_path])
    assert found.problem == "nodes need CPython 3.8 or newer, this is PyPy 3.10.14"


@pytest.mark.parametrize("release", ["2.7", "3.6", "3.7"])
def test_an_interpreter_that_is_too_old_is_told_with_its_version(release: str, tmp_path: Path) -> None:
    pythons = sorted(Path.home().glob(f".pyenv/versions/{release}.*/bin/python{release}"))
    if not pythons:
        pytest.skip(f"there is no CPython {release} here")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / f"python{release}").symlink_to(pythons[0])
    [found] = look(tmp_path, tmp_path / "bin")
    version = pythons[0].parent.parent.name
    assert found.version == version
    assert found.problem == f"nodes need CPython 3.8 or newer, this is CPython {version}"


def test_what_is_broken_says_why(tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    make_script(folder / "python", "exit 3")
    (folder / "python2").symlink_to("/nowhere/python2")
    (folder / "python3").write_text("not a program")
    (folder / "python3.9").mkdir()
    (folder / "python3.10").symlink_to("python3.10")
    make_script(folder / "python3.12", "echo /nowhere/python")
    (folder / "python3.13").write_bytes(b"\x7fELF, but no more")
    (folder / "python3.13").chmod(0o755)
    problems = {os.path.basename(one.python): one.problem for one in look(tmp_path, folder)}
    assert problems == {
        "python": f"{folder}/python is a script that does not lead to an interpreter",
        "python2": f"{folder}/python2 leads to /nowhere/python2, which does not exist",
        "python3": f"{folder}/python3 is not an executable file",
        "python3.9": f"{folder}/python3.9 is not an executable file",
        "python3.10": f"the links of {folder}/python3.10 lead in a circle",
        "python3.12": f"{folder}/python3.12 is a script that does not lead to an interpreter",
        "python3.13": f"{folder}/python3.13 is broken: it does not start",
    }


def test_an_environment_whose_interpreter_was_removed_says_so(tmp_path: Path) -> None:
    python = make_python(tmp_path / "base")
    environment = make_environment(tmp_path / "venv", str(python))
    (python.parent / NAME).unlink()
    [found] = look(tmp_path, folders=[tmp_path])
    assert found.python == environment
    assert f"leads to {tmp_path}/base/bin/" in str(found.problem)
    assert "which does not exist" in str(found.problem)


def test_an_environment_whose_interpreter_became_another_version_says_so(tmp_path: Path) -> None:
    make_environment(tmp_path / "venv", REAL)
    config = tmp_path / "venv" / "pyvenv.cfg"
    config.write_text(config.read_text().replace(VERSION, "3.8.1"))
    if not os.path.basename(REAL).endswith(RELEASE):
        pytest.skip(f"the name of {REAL} does not tell its version")
    [found] = look(tmp_path, folders=[tmp_path])
    assert str(found.problem).startswith("it was made for Python 3.8, but its interpreter is")


@pytest.mark.parametrize("kind", ["interpreter", "script"])
def test_one_that_hangs_is_given_up_and_leaves_nothing_behind(
    kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(interrogation, "LIMIT_S", 0.5)
    folder = tmp_path / "bin"
    if kind == "script":
        make_script(folder / "python3", "sleep 1000.25 & sleep 1000.25")
    else:
        folder = make_python(tmp_path, "import time; time.sleep(1000)").parent
    began_s = time.monotonic()
    [found] = look(tmp_path, folder)
    assert time.monotonic() - began_s < 20
    assert found.problem in {
        f"{folder}/python3 is broken: it did not answer in time",
        f"{folder}/python3 is a script that does not lead to an interpreter",
    }
    left = [process for process in psutil.process_iter(["cmdline"]) if _is_of(process, ("1000.25", str(folder)))]
    assert [process for process in left if is_alive(process.pid)] == []  # zombies wait for whoever adopts them


def _is_of(process: psutil.Process, words: tuple[str, ...]) -> bool:
    line = " ".join(process.info["cmdline"] or ())
    return any(word in line for word in words)


def test_what_an_interpreter_prints_when_it_starts_does_not_matter(tmp_path: Path) -> None:
    [found] = look(tmp_path, make_python(tmp_path / "loud", "print('hello'); print('[]', flush=True)").parent)
    assert (found.version, found.problem) == (VERSION, None)


def test_a_path_of_thousands_of_entries_costs_little(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python3").symlink_to(REAL)
    nowhere = ":".join(f"/nowhere/{number}" for number in range(900))
    again = ":".join(f"{tmp_path}/./bin/../bin/{'.' * (number % 2)}" for number in range(5000))
    began_s = time.monotonic()
    assert len(look(tmp_path, f"{nowhere}:{tmp_path}/bin:{again}")) == 1
    assert time.monotonic() - began_s < 10


def test_folders_that_are_loops_or_cannot_be_read_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    (tmp_path / "venvs").symlink_to(tmp_path / "venvs")
    (tmp_path / ".venv").symlink_to(".")
    (tmp_path / "file").write_text("")
    secret = tmp_path / "secret"
    secret.mkdir(mode=0o000)
    paths = [tmp_path / name for name in ("loop", "file", "secret", "missing", "a\0b")]
    assert look(tmp_path, ":".join(map(str, paths)), folders=[tmp_path, *paths]) == []
    secret.chmod(0o700)


def test_a_pipe_in_the_place_of_a_configuration_does_not_hold_anything_up(tmp_path: Path) -> None:
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(REAL)
    os.mkfifo(tmp_path / ".venv" / "pyvenv.cfg")
    [found] = look(tmp_path, folders=[tmp_path])
    assert "has no pyvenv.cfg" in str(found.problem)


def conda(prefix: Path, version: str) -> Path:
    """As conda lays out an environment with Python in it. What is called its interpreter tells when it is run."""
    (prefix / "conda-meta").mkdir(parents=True)
    (prefix / "conda-meta" / f"python-{version}-h955ad1f_0.json").write_text("{}")
    (prefix / "conda-meta" / "python_abi-3.12-5_cp312.json").write_text("{}")
    name = f"python{version.rpartition('.')[0]}"
    (prefix / "lib" / name / "site-packages" / "numpy-2.0.dist-info").mkdir(parents=True)
    (prefix / "lib" / name / "os.py").write_text("")
    make_script(prefix / "bin" / name, f"touch {prefix}/told")
    (prefix / "bin" / "python").symlink_to(name)
    return prefix


def test_conda_environments_are_read(tmp_path: Path) -> None:
    root = conda(tmp_path / "miniconda3", "3.12.4")
    named = conda(root / "envs" / "numbers", "3.10.1")
    elsewhere = conda(tmp_path / "elsewhere", "3.7.2")
    (root / "envs" / "without").mkdir()
    (tmp_path / ".conda").mkdir()
    (tmp_path / ".conda" / "environments.txt").write_text(f"{named}\n{elsewhere}\n/nowhere\nrelative\n")
    found = look(tmp_path)
    assert [(one.python, one.version, one.packages) for one in found] == [
        (f"{root}/bin/python", "3.12.4", 1),
        (f"{named}/bin/python", "3.10.1", 1),
        (f"{elsewhere}/bin/python", "3.7.2", 1),
    ]
    assert {(one.kind, one.source) for one in found} == {("conda", "conda")}
    assert found[0].problem is None
    assert found[2].problem == "nodes need CPython 3.8 or newer, this is CPython 3.7.2"
    active = look(tmp_path, named / "bin", CONDA_PREFIX=named)
    assert (active[0].kind, active[0].source, active[0].python) == ("conda", "PATH", f"{named}/bin/python")
    assert not list(tmp_path.glob("**/told"))


def find(home: Path, spec: str, search_path: object) -> str | None:
    return find_python(spec, search_path=str(search_path), around=surroundings(home), cache_folder=str(home / "cache"))


def test_the_newest_that_fits_is_found(tmp_path: Path) -> None:
    pythons = find_interpreters()
    if len(pythons) < 2:
        pytest.skip("there is only one CPython here")
    path = ":".join(os.path.dirname(os.path.realpath(python)) for python in pythons)
    versions = sorted({one.version or "" for one in look(tmp_path, path) if not one.problem}, key=_numbers)
    oldest, newest = versions[0], versions[-1]
    for spec, expected in (("", newest), (f"=={oldest}", oldest), (f"<{newest}", versions[-2]), ("cpython", newest)):
        found = find(tmp_path, spec, path)
        assert found is not None
        said = subprocess.run(
            [found, "-c", "import sys; print(sys.version)"], capture_output=True, text=True, check=True
        )
        assert said.stdout.split()[0].rstrip("+") == expected, spec
    assert find(tmp_path, ">=3.99", path) is None


def _numbers(version: str) -> list[int]:
    return [int(part) for part in version.split(".")]


def test_an_environment_is_never_what_is_found(tmp_path: Path) -> None:
    environment = make_environment(tmp_path / "env", REAL)
    make_script(tmp_path / "script" / "python", f'exec {environment} "$@"')
    assert find(tmp_path, "", f"{tmp_path}/env/bin:{tmp_path}/script") is None
    python = make_python(tmp_path / "base")
    assert find(tmp_path, "", f"{tmp_path}/env/bin:{python.parent}") == str(python)


def test_conda_is_found_when_there_is_nothing_else(tmp_path: Path) -> None:
    path = conda(tmp_path / "conda", "3.12.4") / "bin"
    assert find(tmp_path, "", path) == f"{path}/python"
    python = make_python(tmp_path / "base")
    assert find(tmp_path, "", f"{path}:{python.parent}") == str(python)


def test_a_version_that_is_not_final_is_the_last_choice(tmp_path: Path) -> None:
    early = "import sys\nV = type('V', (tuple,), {})\nold = sys.version_info\n"
    early += "import collections\nV = collections.namedtuple('V', 'major minor micro releaselevel serial')\n"
    early += "sys.version_info = V(3, 99, 0, 'candidate', 1)\n"
    candidate, final = make_python(tmp_path / "early", early), make_python(tmp_path / "final")
    path = f"{candidate.parent}:{final.parent}"
    assert [one.version for one in look(tmp_path, path)] == ["3.99.0rc1", VERSION]
    assert find(tmp_path, "", path) == str(final)
    assert find(tmp_path, "3.99", path) == str(candidate)


def test_what_means_nothing_is_refused_before_anything_is_looked_at(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="write a version"):
        find(tmp_path, "newest", tmp_path)


def test_an_interpreter_is_asked_once_and_again_when_it_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = tmp_path / "told"
    python = make_python(tmp_path / "python", f"open({str(told)!r}, 'a').write('x')")
    for _ in range(3):
        assert find(tmp_path, "", python.parent) == str(python)
        assert find(tmp_path, RELEASE, python.parent) == str(python)
    assert told.read_text() == "x"
    monkeypatch.setattr(interrogation, "_answers", {})  # as another process, which has the folder to remember by
    assert find(tmp_path, "", python.parent) == str(python)
    assert told.read_text() == "x"
    os.utime(python, ns=(1, 1))
    assert find(tmp_path, "", python.parent) == str(python)
    assert told.read_text() == "xx"


def test_a_broken_one_is_not_asked_each_time(tmp_path: Path) -> None:
    script = make_script(tmp_path / "bin" / "python", f"echo x >> {tmp_path}/told; exit 3")
    for _ in range(3):
        assert find(tmp_path, "", script.parent) is None
    assert (tmp_path / "told").read_text() == "x\n"


def test_this_machine_is_looked_at_without_being_told_where() -> None:
    found = detect(os.environ["PATH"], sys.prefix)
    assert found[0].source == "VIRTUAL_ENV" or sys.prefix == sys.base_prefix
    assert any(one.problem is None for one in found)
