"""What is installed beside an interpreter, read without it: the same as it says itself."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from pyflowd.environments.installation import installation_of
from pyflowd.environments.packages import InstalledPackage, count_packages, installed, installed_in, size_bytes
from support.stand_in_python import REAL, make_python
from support.tiny_wheels import install, make_environment, make_wheel, uninstall
from support.zygote import find_interpreters

ASK = """
import json, re, sys
from importlib.metadata import distributions
found = {}
for one in distributions():
    if one.metadata["Name"]:
        found.setdefault(re.sub("[-_.]+", "-", one.metadata["Name"]).lower(), [one.metadata["Name"], one.version])
paths = [path for path in sys.path if path.endswith("-packages")]
print(json.dumps([sys.version.split()[0].rstrip("+"), paths, list(found.values())]))
"""


def ask(python: str) -> tuple[str, list[str], dict[str, str]]:
    """Version, folders of packages, and packages, as the interpreter itself has them."""
    done = subprocess.run([python, "-I", "-c", ASK], capture_output=True, text=True, check=True)
    version, paths, packages = json.loads(done.stdout)
    return version, paths, dict(packages)


def versions(python: str) -> dict[str, str]:
    return {package.name: package.version for package in installed(python)}


def site_of(python: str) -> Path:
    return Path(installation_of(python).package_folders[0])


@pytest.fixture
def python(tmp_path: Path) -> str:
    return make_environment(tmp_path / "venv", REAL)


@pytest.mark.parametrize("base", find_interpreters())
def test_an_interpreter_says_the_same_of_itself(base: str) -> None:
    executable = subprocess.run(
        [base, "-c", "import sys; print(sys.executable)"], capture_output=True, text=True, check=True
    )
    base = executable.stdout.strip()
    version, paths, packages = ask(base)
    installation = installation_of(base)
    assert installation.kind == "interpreter"
    assert version.startswith(installation.version)
    assert installation.package_folders == [path for path in paths if os.path.isdir(path)]
    assert versions(base) == packages
    assert count_packages(installation) == len(packages)


@pytest.mark.parametrize("system", [False, True])
@pytest.mark.parametrize("base", find_interpreters())
def test_an_environment_says_the_same_of_itself(base: str, system: bool, tmp_path: Path) -> None:
    python = str(tmp_path / "env" / "bin" / "python")
    options = ["--system-site-packages"] if system else []
    done = subprocess.run(
        [base, "-m", "venv", "--without-pip", *options, tmp_path / "env"], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip(f"{base} cannot make virtual environments")
    install(python, str(make_wheel(tmp_path, "Tiny.Package", "1.0")))
    version, paths, packages = ask(python)
    installation = installation_of(python)
    assert (installation.kind, installation.version, installation.manager) == ("venv", version, "venv")
    assert installation.package_folders == [path for path in paths if os.path.isdir(path)]
    assert versions(python) == packages
    assert packages["Tiny.Package"] == "1.0"


def test_who_made_an_environment_is_known(python: str) -> None:
    assert installation_of(python).manager == "uv"
    assert installation_of(REAL).manager is None


def test_a_package_is_there_from_its_installation_to_its_end(python: str, tmp_path: Path) -> None:
    assert installed(python) == []
    needs = ['other >= 2 ; extra == "more"', "third"]
    install(python, str(make_wheel(tmp_path, "Tiny.Package", "1.0", needs)))
    [package] = installed(python)
    assert (package.name, package.version, package.key) == ("Tiny.Package", "1.0", "tiny-package")
    assert package.requires == tuple(needs)
    install(python, str(make_wheel(tmp_path, "Tiny.Package", "1.1rc1")))
    assert versions(python) == {"Tiny.Package": "1.1rc1"}
    uninstall(python, "tiny-package")
    assert installed(python) == []


def test_a_project_that_is_installed_in_place_is_there(python: str, tmp_path: Path) -> None:
    egg = tmp_path / "project" / "src" / "Old_Project.egg-info"
    egg.mkdir(parents=True)
    (egg / "PKG-INFO").write_text("Metadata-Version: 1.0\nName: Old-Project\nVersion: 3\n")
    (egg / "requires.txt").write_text(
        'numpy>=1\n\n[:python_version < "3.8"]\ntyping\n\n[x]\na\n[y:os_name == "nt"]\nb\n'
    )
    (site_of(python) / "easy-install.pth").write_text(f"import os\n# a remark\n{tmp_path}/project/src\n/nowhere\n")
    [package] = installed(python)
    assert (package.name, package.version) == ("Old-Project", "3")
    assert [str(Requirement(text)) for text in package.requires] == [
        "numpy>=1",
        'typing; python_version < "3.8"',
        'a; extra == "x"',
        'b; os_name == "nt" and extra == "y"',
    ]
    assert versions(python) == ask(python)[2]


def test_the_metadata_of_an_old_installer_may_be_a_file(python: str) -> None:
    (site_of(python) / "crcmod-1.7.egg-info").write_text("Metadata-Version: 1.0\nName: crcmod\nVersion: 1.7\n")
    (site_of(python) / "PyGObject-3.42.2-py3.11.egg-info").write_text("Name: PyGObject\nVersion: 3.42.2\n")
    assert versions(python) == {"crcmod": "1.7", "PyGObject": "3.42.2"} == ask(python)[2]
    assert count_packages(installation_of(python)) == 2


def test_what_is_there_twice_counts_as_it_is_imported(tmp_path: Path) -> None:
    base = str(make_python(tmp_path / "base"))
    environment = make_environment(tmp_path / "venv", base, "--system-site-packages")
    for python, version in ((base, "1"), (environment, "2")):
        info = site_of(python) / f"twice-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Name: twice\nVersion: {version}\n")
    assert versions(environment) == {"twice": "2"} == ask(environment)[2]
    assert versions(base) == {"twice": "1"}
    assert count_packages(installation_of(environment)) == 1


def test_what_an_interrupted_installation_left_is_no_package(python: str) -> None:
    (site_of(python) / "ghost-1.0.dist-info").mkdir()
    (site_of(python) / "~iny-1.0.dist-info").mkdir()
    assert installed(python) == []


def test_metadata_that_would_block_or_never_ends_is_not_waited_for(python: str) -> None:
    site = site_of(python)
    for name, make in (("pipe", os.mkfifo), ("zeros", lambda path: path.symlink_to("/dev/zero"))):
        info = site / f"{name}-1.0.dist-info"
        info.mkdir()
        make(info / "METADATA")
        make(site / f"{name}.pth")
        make(site / f"{name}-2.0.egg-info")
    long = site / "long-1.0.dist-info"
    long.mkdir()
    with (long / "METADATA").open("w") as file:
        file.write("Name: long\nVersion: 1\n\n")
        file.truncate(20_000_000_000)
    assert versions(python) == {"long": "1"}


@settings(deadline=None)
@given(
    content=st.binary(max_size=200),
    path_file=st.binary(max_size=50),
    before=st.sampled_from(["", "Name: x\nVersion: 1\n", "\ufeffName: y\n"]),
)
def test_whatever_stands_in_metadata_it_is_read_without_an_error(content: bytes, path_file: bytes, before: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        prefix = Path(folder)
        site = prefix / "lib" / "python3.11" / "site-packages"
        for name in ("a-1.dist-info/METADATA", "b.egg-info/PKG-INFO", "b.egg-info/requires.txt"):
            (site / name).parent.mkdir(parents=True, exist_ok=True)
            (site / name).write_bytes(before.encode() + content)
        (site / "c.pth").write_bytes(path_file)
        (prefix / "bin").mkdir()
        (prefix / "pyvenv.cfg").write_bytes(content)
        for package in installed(str(prefix / "bin" / "python")):
            assert isinstance(package, InstalledPackage)
            json.dumps([package.name, package.version, package.requires])


@given(st.from_regex(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,10}[A-Za-z0-9])?", fullmatch=True))
def test_a_name_is_shown_as_written_and_compared_as_it_is_meant(name: str) -> None:
    assert InstalledPackage(name, "1").key == canonicalize_name(name.upper())


def test_a_folder_is_as_large_as_the_disk_says(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "below").mkdir(parents=True)
    (folder / "below" / "file").write_bytes(os.urandom(100_000))
    os.link(folder / "below" / "file", folder / "the same")
    (folder / "loop").symlink_to(folder)
    (folder / "far").symlink_to("/usr")
    with (folder / "hole").open("w") as file:
        file.truncate(50_000_000)
    said = subprocess.run(["du", "-s", "--block-size=1", folder / "below"], capture_output=True, text=True, check=True)
    assert 100_000 <= size_bytes(str(folder / "below")) <= int(said.stdout.split()[0])
    assert size_bytes(str(folder)) < 200_000
    assert size_bytes(str(tmp_path / "missing")) == 0


def test_this_environment_has_what_the_daemon_needs() -> None:
    found = {package.key: package for package in installed_in(installation_of(sys.executable))}
    assert "numpy" in {
        canonicalize_name(Requirement(text).name) for text in found[canonicalize_name("pandas")].requires
    }
