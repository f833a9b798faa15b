"""The same attacks where an ordinary user has started the daemon, and needs no rights for its sandbox."""

import os
import re
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

ROOT = Path(__file__).parents[2]
USER = 54_321  # nobody's
PATIENCE_S = 60
LEAST = 50
KINDS = "killed or traced or memory or removed or listed or scratch or socket or After or Mounts or Later"
UNUSED = ("site-packages", "test", "tests", "idlelib", "config-*", "ensurepip", "__pycache__", "lib2to3")
NOT_NEEDED = ("mypy*", "numpy*", "ruff*", "pip*", "hypothesis*", "xdist*", "pytest_xdist*", "__pycache__", "*editable*")


@pytest.fixture(scope="module")
def python() -> Iterator[Path]:
    """An interpreter, our code and what it needs, in a folder that everybody may read."""
    with TemporaryDirectory(prefix="pfu") as name:
        folder = Path(name)
        for part in ("daemon", "client", "tests"):
            shutil.copytree(ROOT / part, folder / part)
        shutil.copy(ROOT / "pyproject.toml", folder)
        interpreter = _copy_interpreter(folder / "python")
        subprocess.run([interpreter, "-m", "venv", "--without-pip", folder / "environment"], check=True)
        [site] = (folder / "environment").glob("lib/python3*/site-packages")
        ours = sysconfig.get_path("purelib")
        shutil.copytree(ours, site, ignore=shutil.ignore_patterns(*NOT_NEEDED), dirs_exist_ok=True)
        (site / "ours.pth").write_text(f"{folder / 'daemon'}\n{folder / 'client'}\n")
        (folder / "home").mkdir()
        os.chown(folder / "home", USER, USER)
        folder.chmod(0o755)
        yield folder / "environment" / "bin" / "python"


def _copy_interpreter(folder: Path) -> Path:
    """The standard library beside the program is how an interpreter finds itself."""
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    base = Path(sys.base_prefix)
    shutil.copytree(base / "lib" / version, folder / "lib" / version, ignore=shutil.ignore_patterns(*UNUSED))
    for library in (base / "lib").glob("libpython*.so*"):
        shutil.copy(library, folder / "lib")
    (folder / "bin").mkdir()
    return Path(shutil.copy(base / "bin" / version, folder / "bin" / version))


@pytest.mark.skipif(os.getuid() != 0, reason="then all the other tests are this one")
@pytest.mark.parametrize("tier", ["T3", "T1"])
def test_attacks_end_as_they_do_where_root_has_started_the_daemon(python: Path, tier: str) -> None:
    folder = python.parents[2]
    tested = [str(folder / "tests/attacks/test_attacks.py"), "-k", f"{tier} and ({KINDS})"]
    ended = subprocess.run(
        [python, "-m", "pytest", "-p", "no:cacheprovider", "-q", "--timeout", "30", "--tb=short", *tested],
        env={"PATH": os.environ["PATH"], "HOME": str(folder / "home")},
        cwd=folder,
        user=USER,
        group=USER,
        extra_groups=[],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    passed = re.search(r"(\d+) passed", ended.stdout)
    assert ended.returncode == 0, ended.stdout[-5000:]
    assert passed is not None
    assert int(passed[1]) >= LEAST
