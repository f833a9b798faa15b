"""What packages try when they are installed: nothing of them may be executed, built or believed unasked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pyflowd.environments import job
from support.environment_jobs import Bench, run, version_of
from support.packages import PackageIndex, make_source, make_wheel
from support.zygote import find_interpreters

PYTHONS = find_interpreters()
CLOSED = "http://127.0.0.1:9/simple"  # nobody listens at the port of "discard"


def test_options_are_no_requirements(bench: Bench) -> None:
    error = bench.fail_to_build("--index-url=http://elsewhere")
    assert "is an option" in error["message"]


def test_a_source_distribution_is_not_built_unasked(bench: Bench, index: PackageIndex, tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    make_source(index.folder, "cherry", witness=witness)
    error = bench.fail_to_build("cherry")
    assert error["package"] == "cherry"
    assert "--allow-builds" in error["hint"]
    assert not witness.exists()


def test_a_source_distribution_is_built_for_who_allows_it(bench: Bench, index: PackageIndex, tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    make_source(index.folder, "cherry", witness=witness)
    made = bench.build("cherry", allow_builds=True)
    assert witness.read_text() == "built"
    assert run(made["python"], "import cherry; print(cherry.VERSION)") == "1.0"


@pytest.mark.parametrize("form", ["{path}", "cherry @ file://{path}"])
def test_a_path_to_source_is_not_built_unasked_either(bench: Bench, tmp_path: Path, form: str) -> None:
    witness = tmp_path / "witness"
    requirement = form.format(path=make_source(tmp_path, "cherry", witness=witness))
    assert "is source, and not a wheel" in bench.fail_to_build(requirement)["message"]
    assert not witness.exists()
    bench.build(requirement, allow_builds=True)
    assert witness.exists()


def test_a_wheel_that_requires_source_does_not_get_it_built(bench: Bench, index: PackageIndex, tmp_path: Path) -> None:
    witness = tmp_path / "witness"
    source = make_source(tmp_path, "cherry", witness=witness)
    make_wheel(index.folder, "trojan", requires=[f"cherry @ file://{source}"])
    bench.fail_to_build("trojan")
    assert not witness.exists()


def minor_of(python: str) -> int:
    """The 11 of Python 3.11."""
    return int(run(python, "import sys; print(sys.version_info[1])"))


def hostile(index: PackageIndex, witness: Path) -> None:
    """A wheel with all that could be executed while somebody installs something, beside or after it."""
    code = f"import pathlib; pathlib.Path({str(witness)!r}).write_text(__name__)\n"
    shadowed = "json pip setuptools distutils sitecustomize usercustomize _distutils_hack platformdirs packaging"
    wished_for = "brotli keyring chardet simplejson truststore OpenSSL socks"  # what pip imports if it is there
    inside = "pip/_vendor pip/_vendor/requests pip/_vendor/rich"
    modules = " ".join((shadowed, wished_for, inside)).split()
    make_wheel(index.folder, "evil", files={
        "evil.pth": f"import pathlib; pathlib.Path({str(witness)!r}).write_text('pth')\n",
        **{f"{name}/__init__.py": code for name in modules},
        "evil-1.0.dist-info/namespace_packages.txt": "json\npip\npip._vendor\n",
        "evil-1.0.dist-info/top_level.txt": "json\npip\n",
    })  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("python", sorted({PYTHONS[0], min(PYTHONS, key=minor_of), max(PYTHONS, key=minor_of)}))
def test_nothing_of_a_package_is_executed(bench: Bench, index: PackageIndex, tmp_path: Path, python: str) -> None:
    witness = tmp_path / "witness"
    hostile(index, witness)
    made = bench.build("evil", python=python, optional=["apple", "nosuchthing"])
    bench.ask("create", name="mine", python=python, requirements=["evil"])
    bench.ask("install", name="mine", requirements=["apple<2"])
    bench.ask("install", name="mine", requirements=["apple>=2"])
    bench.ask("uninstall", name="mine", requirements=["apple"])
    for action in ("lock", "export"):
        bench.ask(action, environment="mine")
    bench.ask("uninstall", name="mine", requirements=["evil"])
    assert not witness.exists(), witness.read_text()
    subprocess.run([made["python"], "-c", ""], check=True)
    assert witness.exists()  # so it would have been seen


IMPOSTORS = [
    {"evil-1.0.data/data/pyvenv.cfg": "home = /evil\n"},
    {"evil-1.0.data/data/bin/python": "#!/bin/sh\n"},
    {"evil-1.0.data/scripts/python": "#!/bin/sh\n"},
    {"evil-1.0.data/data/bin/python3": "#!/bin/sh\n"},
]


@pytest.mark.parametrize("files", IMPOSTORS, ids=lambda files: next(iter(files)))
def test_no_package_passes_for_the_interpreter(bench: Bench, index: PackageIndex, files: dict[str, str]) -> None:
    """Whoever started it, or looked what lies below it, would follow the package."""
    make_wheel(index.folder, "evil", files=files)
    message = bench.fail_to_build("evil")["message"]
    assert "replaces the interpreter" in message or "reserved name" in message
    made = bench.ask("create", name="mine", requirements=["apple"])
    bench.fail("install", name="mine", requirements=["evil"])
    assert version_of(made["python"], "apple") == "2.0"
    assert Path(made["python"]).resolve() == Path(sys.executable).resolve()
    assert "evil" not in Path(made["folder"], "pyvenv.cfg").read_text()


def test_an_environment_upon_an_environment_is_one_upon_its_interpreter(bench: Bench, tmp_path: Path) -> None:
    """Whose packages are not executed meanwhile."""
    below = bench.build("apple")
    witness = tmp_path / "witness"
    [packages] = Path(below["folder"]).glob("lib/python3*/site-packages")
    (packages / "evil.pth").write_text(f"import pathlib; pathlib.Path({str(witness)!r}).touch()\n")
    made = bench.build("banana", python=below["folder"])
    assert run(made["python"], "import sys; print(sys.base_prefix)") == run(
        sys.executable, "import sys; print(sys.base_prefix)"
    )
    assert not witness.exists()


def test_what_a_package_takes_along_when_it_goes_is_its_own(bench: Bench, index: PackageIndex, tmp_path: Path) -> None:
    others = tmp_path / "others"
    others.touch()
    mine = [f"../../../../{name}" for name in ("pyvenv.cfg", "bin/python")]
    make_wheel(index.folder, "evil", recorded=[str(others), "../" * 20 + str(others)[1:], *mine])
    made = bench.ask("create", name="mine", requirements=["apple", "evil"])
    outcome = job.perform(bench.request("uninstall", name="mine", requirements=["evil"]), bench.progress.append)
    assert "result" in outcome or "replaces the interpreter" in outcome["error"]["message"]
    assert version_of(made["python"], "apple") == "2.0"
    assert Path(made["python"]).resolve() == Path(sys.executable).resolve()
    assert others.exists()
