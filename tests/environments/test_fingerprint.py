"""A fingerprint changes when its environment does, and only then."""

import itertools
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pyflowd.environments import fingerprint
from pyflowd.environments.fingerprint import Fingerprints
from pyflowd.environments.installation import installation_of
from support.stand_in_python import NAME, REAL, make_python
from support.tiny_wheels import install, make_environment, make_wheel, uninstall

_seconds = itertools.count(60)


def later() -> int:
    """A clock by which everything was made long ago, and each look is a second after the last: all that has been seen
    is relied upon, and looked at, at once."""
    return time.time_ns() + next(_seconds) * 1_000_000_000


@pytest.fixture
def python(tmp_path: Path) -> str:
    return make_environment(tmp_path / "venv", REAL)


def site_of(python: str) -> Path:
    return Path(installation_of(python).package_folders[0])


@pytest.fixture(params=["remembered", "fresh"])
def of(request: pytest.FixtureRequest) -> Callable[[str], str]:
    """Asked of one that remembers, or each time of a new one, as by another process: the answers are the same."""
    remembering = Fingerprints(later)
    return remembering.of if request.param == "remembered" else lambda python: Fingerprints().of(python)


Of = Callable[[str], str]


def test_it_is_the_same_whoever_asks_and_however_often(python: str) -> None:
    one = Fingerprints(later)
    assert one.of(python) == one.of(python) == Fingerprints().of(python) != ""


def test_each_act_of_an_installer_changes_it(python: str, of: Of, tmp_path: Path) -> None:
    seen = [of(python)]
    wheels = [str(make_wheel(tmp_path, "tiny", version)) for version in ("1.0", "1.1")]
    for act in (
        lambda: install(python, wheels[0]),
        lambda: install(python, wheels[1]),
        lambda: install(python, "--reinstall", wheels[1]),
        lambda: uninstall(python, "tiny"),
    ):
        act()
        seen.append(of(python))
    assert len(set(seen[:4])) == 4, seen
    assert seen[4] != seen[3]


@pytest.mark.slow
def test_pip_changes_it(tmp_path: Path) -> None:
    of = Fingerprints(later).of
    done = subprocess.run([REAL, "-m", "venv", tmp_path / "env"], capture_output=True, check=False)
    if done.returncode:
        pytest.skip("the interpreter below this one cannot make environments with pip")
    python = str(tmp_path / "env" / "bin" / "python")
    wheel = make_wheel(tmp_path, "tiny", "1.0")
    seen = [of(python)]
    pip = [python, "-I", "-m", "pip", "--disable-pip-version-check"]
    for arguments in (["install", "--no-index", str(wheel)], ["uninstall", "--yes", "tiny"]):
        subprocess.run([*pip, *arguments], capture_output=True, check=True)
        seen.append(of(python))
    assert seen[1] not in (seen[0], seen[2])


def test_to_run_code_does_not_change_it(python: str, of: Of, tmp_path: Path) -> None:
    """Even that of a module without a folder, whose bytecode is the first thing in `site-packages/__pycache__`."""
    install(python, str(make_wheel(tmp_path, "single", "1.0")))
    install(python, str(make_wheel(tmp_path, "double", "1.0", files={"double/__init__.py": "", "double/part.py": ""})))
    before, modified = of(python), site_of(python).stat().st_mtime_ns
    subprocess.run([python, "-c", "import single, double.part"], check=True)
    assert (site_of(python) / "__pycache__").is_dir()
    assert site_of(python).stat().st_mtime_ns != modified, "nothing was written: this test could not fail"
    assert of(python) == before


def test_an_environment_that_is_gone_has_none_and_one_made_anew_has_another(
    python: str, of: Of, tmp_path: Path
) -> None:
    before = of(python)
    shutil.rmtree(tmp_path / "venv")
    assert of(python) == ""
    make_environment(tmp_path / "venv", REAL)
    assert of(python) not in ("", before)


def test_an_environment_with_another_interpreter_below_has_another(of: Of, tmp_path: Path) -> None:
    base = make_python(tmp_path / "base")
    python = make_environment(tmp_path / "venv", str(base))
    before = of(python)
    program = base.parent / NAME
    program.unlink()
    shutil.copy(REAL, program)
    upgraded = of(python)
    assert upgraded not in ("", before)
    program.unlink()
    assert of(python) == ""


@pytest.mark.parametrize(
    "change",
    [
        lambda site: (site / "new.pth").write_text("import sys\n"),
        lambda site: (site / "kept.pth").write_text("# another remark\n"),
        lambda site: (site / "kept.pth").unlink(),
        lambda site: (site / "sitecustomize.py").write_text("x = 2222\n"),
        lambda site: (site / "by_hand.py").write_text(""),
        lambda site: (site / "by_hand").mkdir(),
        lambda site: (site.parent.parent.parent / "pyvenv.cfg").write_text("prompt = other\n"),
        lambda site: (site.parent.parent.parent / "pyvenv.cfg").unlink(),
    ],
)
def test_a_change_by_hand_changes_it(change: Callable[[Path], object], python: str, of: Of) -> None:
    site = site_of(python)
    (site / "kept.pth").write_text("# a remark\n")
    (site / "sitecustomize.py").write_text("x = 1\n")
    before = of(python)
    change(site)
    assert of(python) != before


def test_the_packages_of_the_interpreter_count_where_they_are_seen(of: Of, tmp_path: Path) -> None:
    base = str(make_python(tmp_path / "base"))
    seeing = make_environment(tmp_path / "seeing", base, "--system-site-packages")
    alone = make_environment(tmp_path / "alone", base)
    before = {python: of(python) for python in (base, seeing, alone)}
    (site_of(base) / "tiny-1.0.dist-info").mkdir()
    assert {python: of(python) != before[python] for python in before} == {base: True, seeing: True, alone: False}


@pytest.mark.parametrize(
    "change",
    [
        lambda project: (project / "package" / "part.py").write_text("changed = True\n"),
        lambda project: (project / "package" / "new.py").write_text(""),
        lambda project: (project / "package" / "part.py").unlink(),
        lambda project: (project / "single.py").write_text("changed = True\n"),
    ],
)
def test_a_change_to_a_package_that_is_installed_in_place_changes_it(
    change: Callable[[Path], object], python: str, of: Of, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    (project / "package").mkdir(parents=True)
    for name in ("package/__init__.py", "package/part.py", "single.py"):
        (project / name).write_text("")
    (site_of(python) / "project.pth").write_text(f"{project}\n")
    before = of(python)
    subprocess.run([python, "-c", "import package.part, single"], check=True)
    assert (project / "package" / "__pycache__").is_dir()
    assert of(python) == before
    change(project)
    assert of(python) != before


def test_what_is_installed_in_place_is_not_looked_at_twice_in_no_time(python: str, tmp_path: Path) -> None:
    module = tmp_path / "project" / "single.py"
    module.parent.mkdir()
    module.write_text("")
    (site_of(python) / "project.pth").write_text(f"{module.parent}\n")
    now_ns = later()
    one = Fingerprints(lambda: now_ns)
    before = one.of(python)
    module.write_text("changed = True\n")
    now_ns += fingerprint.IN_PLACE_PAUSE_NS - 1
    assert one.of(python) == before
    now_ns += 1
    assert one.of(python) != before


def test_a_package_that_an_import_hook_finds_is_watched(python: str, of: Of, tmp_path: Path) -> None:
    package = tmp_path / "project" / "src" / "package"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text("")
    finder = f"from x import y\nMAPPING: dict[str, str] = {{'package': '{package}', 'gone': '/nowhere'}}\n"
    (site_of(python) / "__editable___package_1_0_finder.py").write_text(finder)
    before = of(python)
    (package / "__init__.py").write_text("changed = True\n")
    assert of(python) != before


def test_one_change_right_after_another_is_seen_although_the_clock_of_files_is_coarse(python: str) -> None:
    one = Fingerprints()
    seen = set()
    for number in range(50):
        (site_of(python) / f"by_hand{number}.py").write_text("")
        seen.add(one.of(python))
    assert len(seen) == 50


def test_dates_in_the_future_do_not_make_it_dear(python: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for path in (site_of(python), site_of(python).parent.parent.parent / "pyvenv.cfg"):
        os.utime(path, ns=(later(), later()))
    one = Fingerprints()
    expected = one.of(python)
    monkeypatch.setattr(fingerprint, "installation_of", None)
    assert one.of(python) == expected


def test_what_has_not_changed_is_not_read_again(monkeypatch: pytest.MonkeyPatch) -> None:
    one = Fingerprints(later)
    expected = one.of(sys.executable)
    monkeypatch.setattr(fingerprint, "installation_of", None)
    assert one.of(sys.executable) == expected
    one.forget(sys.executable)
    with pytest.raises(TypeError):
        one.of(sys.executable)


def test_links_that_lead_in_a_circle_have_none(tmp_path: Path) -> None:
    (tmp_path / "python").symlink_to(tmp_path / "python")
    assert Fingerprints().of(str(tmp_path / "python")) == ""


def test_folders_that_are_added_without_end_are_looked_at_as_far_as_is_sensible(python: str, tmp_path: Path) -> None:
    wide = tmp_path / "wide"
    wide.mkdir()
    for number in range(1000):
        (wide / f"m{number}.py").write_text("")
    (wide / "again").symlink_to(wide)
    (site_of(python) / "wide.pth").write_text(f"{wide}\n/\n/usr\n/proc\n")
    one = Fingerprints(later)
    began_s = time.monotonic()
    assert one.of(python) == Fingerprints().of(python)
    assert time.monotonic() - began_s < 5
    assert len(one._known[python].in_place) <= fingerprint.IN_PLACE_MOST
