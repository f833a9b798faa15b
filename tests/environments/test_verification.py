"""What an environment lacks, and which of its packages do not fit together."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import uv
from hypothesis import given
from hypothesis import strategies as st
from packaging.specifiers import SpecifierSet

from pyflowd.environments.installation import Installation, installation_of
from pyflowd.environments.packages import InstalledPackage
from pyflowd.environments.verification import Present, Verification, marker_environment, verify
from support.stand_in_python import REAL
from support.tiny_wheels import install, make_environment, make_wheel
from support.zygote import find_interpreters

PYTHON = Installation(
    kind="venv",
    python="/env/bin/python",
    real="/usr/bin/python3.9",
    prefix="/env",
    version="3.9.2",
    implementation="CPython",
    manager="venv",
    sites=(),
)


def present(*packages: tuple[str, str] | tuple[str, str, Sequence[str]]) -> Present:
    made = [InstalledPackage(package[0], package[1], tuple(*package[2:])) for package in packages]
    return Present(made, marker_environment(PYTHON))


@pytest.mark.parametrize(
    ("requirement", "said"),
    [
        ("numpy", []),
        ("NumPy >= 1.20, < 2", []),
        ("numpy>=2", ["numpy>=2: 1.26.4 is installed"]),
        ("numpy!=1.26.*", ["numpy!=1.26.*: 1.26.4 is installed"]),
        ("scipy", ["scipy: not installed"]),
        ("scipy>=1 ; python_version >= '3.9'", ["scipy>=1: not installed"]),
        ("scipy>=1 ; python_version < '3.9'", []),
        ("scipy ; python_full_version == '3.9.2'", ["scipy: not installed"]),
        ("scipy ; sys_platform == 'win32'", []),
        ("scipy ; platform_python_implementation == 'PyPy'", []),
        ("early>=2.0rc1", []),
        ("early", []),
        ("early>=2", ["early>=2: 2.0rc1 is installed"]),
        ("my_package", []),
        ("my.package @ https://example.org/my.zip", []),
        ("other @ file:///other.whl", ["other: not installed"]),
        ("/wheels/numpy-1.26.4-cp39-cp39-linux_x86_64.whl", []),
        ("/wheels/numpy-2.0.0-cp39-cp39-linux_x86_64.whl", ["numpy==2.0.0: 1.26.4 is installed"]),
        ("/home/ada/project", ["/home/ada/project: only a requirement with the name of a package can be verified"]),
        ("strange", []),
        ("strange>1", ["strange>1: banana is installed"]),
        ("nameless>1", ["nameless>1: an unknown version is installed"]),
    ],
)
def test_a_requirement_is_met_or_told(requirement: str, said: list[str]) -> None:
    there = present(
        ("numpy", "1.26.4"), ("early", "2.0rc1"), ("My-Package", "1"), ("strange", "banana"), ("nameless", "")
    )
    assert list(there.lacking(requirement)) == said


def test_what_an_extra_adds_is_required_as_well() -> None:
    there = present(
        ("pandas", "2.2", ["numpy", 'openpyxl>=3; extra == "excel"', 'pandas[excel]; extra == "all"']),
        ("numpy", "2.0"),
    )
    assert list(there.lacking("pandas")) == []
    assert list(there.lacking("pandas[excel]")) == ["openpyxl>=3 for pandas[excel]: not installed"]
    assert list(there.lacking("pandas[all]>=3")) == [
        "pandas[all]>=3: 2.2 is installed",
        "openpyxl>=3 for pandas[all]>=3: not installed",
    ]
    assert list(there.lacking("pandas[none]")) == []


def test_extras_that_ask_for_each_other_have_an_end() -> None:
    there = present(("a", "1", ['b[y]; extra == "x"']), ("b", "1", ['a[x]; extra == "y"', 'c; extra == "y"']))
    assert list(there.lacking("a[x]")) == ["c for a[x]: not installed"]


def test_packages_that_do_not_fit_are_told_with_who_needs_what() -> None:
    there = present(
        (
            "pandas",
            "2.2",
            ["numpy>=1.26", "tzdata", "python-dateutil>=2.8", "x; extra == 'y'", "old; python_version<'3'"],
        ),
        ("numpy", "1.20"),
        ("tzdata", "2024.1"),
        ("broken", "1", ["???", "tzdata>>1"]),
    )
    assert list(there.conflicts()) == [
        "pandas 2.2 needs numpy>=1.26, and 1.20 is installed",
        "pandas 2.2 needs python-dateutil>=2.8, which is not installed",
    ]


def test_a_package_for_another_python_is_a_conflict() -> None:
    packages = [InstalledPackage("new", "1", (), ">=3.10"), InstalledPackage("odd", "1", (), "whatever")]
    assert list(Present(packages, marker_environment(PYTHON)).conflicts()) == [
        "new 1 needs Python >=3.10, and this is 3.9.2"
    ]


@given(
    st.from_regex(r"[0-9]{1,2}(\.[0-9]{1,2}){0,2}((a|b|rc)[0-9])?", fullmatch=True),
    st.sampled_from(["==", "!=", ">=", "<=", "<", ">"]),
    st.from_regex(r"[0-9]{1,2}(\.[0-9]{1,2}){0,2}", fullmatch=True),
)
def test_a_version_fits_as_the_packaging_rules_say(version: str, operator: str, wanted: str) -> None:
    fits = SpecifierSet(operator + wanted).contains(version, prereleases=True)
    lacking = list(present(("one", version)).lacking(f"one{operator}{wanted}"))
    assert lacking == ([] if fits else [f"one{operator}{wanted}: {version} is installed"])


@given(st.lists(st.text(max_size=30)), st.text(max_size=20), st.text(max_size=20))
def test_whatever_metadata_says_an_answer_comes(requires: list[str], version: str, requires_python: str) -> None:
    packages = [InstalledPackage("one", version, tuple(requires), requires_python)]
    there = Present(packages, marker_environment(PYTHON))
    for line in (*there.conflicts(), *there.lacking("one[x]>2"), *there.lacking(version)):
        assert line


@pytest.mark.parametrize("python", find_interpreters())
def test_markers_are_compared_with_what_the_interpreter_itself_says(python: str) -> None:
    code = (
        "import json, os, platform, sys\n"
        "v = sys.implementation.version\n"
        "print(json.dumps([sys.executable, {'implementation_name': sys.implementation.name,\n"
        "  'implementation_version': '.'.join(map(str, v[:3])), 'os_name': os.name,\n"
        "  'platform_machine': platform.machine(), 'platform_release': platform.release(),\n"
        "  'platform_system': platform.system(), 'platform_version': platform.version(),\n"
        "  'python_full_version': platform.python_version().rstrip('+'),\n"
        "  'platform_python_implementation': platform.python_implementation(),\n"
        "  'python_version': '.'.join(platform.python_version_tuple()[:2]), 'sys_platform': sys.platform}]))\n"
    )
    done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=True)
    executable, said = json.loads(done.stdout)
    found = installation_of(executable)
    if found.version.count(".") < 2:
        pytest.skip(f"no file tells the third number of the version of {executable}")
    assert marker_environment(found) == said


def test_a_real_environment_is_verified_as_its_installer_does(tmp_path: Path) -> None:
    python = make_environment(tmp_path / "venv", REAL)
    install(python, str(make_wheel(tmp_path, "pandas-like", "2.2", ["numpy-like>=1.26"])))
    install(python, str(make_wheel(tmp_path, "numpy-like", "1.26.4")))
    needs = ["pandas_like>2", "numpy-like>=2", "third"]
    assert verify(python, needs[:1]) == Verification()
    assert verify(python, needs, ["fourth", "numpy.like"]) == Verification(
        missing=("numpy-like>=2: 1.26.4 is installed", "third: not installed"),
        optional_missing=("fourth: not installed",),
    )
    install(python, str(make_wheel(tmp_path, "numpy-like", "1.20")))
    check = [uv.find_uv_bin(), "pip", "check", "--python", python]
    said = subprocess.run(check, capture_output=True, text=True, check=False)
    assert "requires `numpy-like>=1.26`, but `1.20` is installed" in said.stderr
    [conflict] = verify(python, []).conflicts
    assert conflict == "pandas-like 2.2 needs numpy-like>=1.26, and 1.20 is installed"


def test_an_environment_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    assert verify(f"{tmp_path}/bin/python", ["numpy"]).problem == f"{tmp_path}/bin/python does not exist"


def test_this_environment_is_in_order() -> None:
    assert verify(sys.executable, ["pyflowd", "numpy>=1.26", "pandas>=2"]).missing == ()
