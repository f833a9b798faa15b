"""Environments with names: made, changed and deleted by people."""

from __future__ import annotations

from pathlib import Path

from pyflowd_client.protocol.replies import EnvironmentSummary
from support.environment_jobs import Bench, version_of
from support.packages import PackageIndex


def test_one_is_made_with_packages_or_empty(bench: Bench) -> None:
    assert bench.ask("create", name="empty")["packages"] == 0
    made = bench.ask("create", name="mine", requirements=["banana"])
    assert made["id"] == "mine"
    assert version_of(made["python"], "apple") == "1.0"
    found = bench.ask("list")["environments"]
    assert [(item["id"], item["kind"], item["packages"]) for item in found] == [
        ("empty", "named", 0),
        ("mine", "named", 2),
    ]
    assert set(found[0]) == set(EnvironmentSummary.FIELDS)


def test_a_name_is_given_once(bench: Bench) -> None:
    made = bench.ask("create", name="mine")
    error = bench.fail("create", name="mine", requirements=["apple"])
    assert "exists already" in error["message"]
    assert "env install mine" in error["hint"]
    assert Path(made["python"]).exists()


def test_what_cannot_be_made_leaves_nothing(bench: Bench) -> None:
    assert bench.fail("create", name="mine", requirements=["nosuchthing"])["package"] == "nosuchthing"
    assert "cannot be the name" in bench.fail("create", name="../mine")["message"]
    bench.expect_nothing()


def test_packages_come_and_go(bench: Bench) -> None:
    made = bench.ask("create", name="mine", requirements=["apple<2"])
    bench.ask("install", name="mine", requirements=["apple>=2"])
    assert version_of(made["python"], "apple") == "2.0"
    assert bench.ask("list")["environments"][0]["requirements"] == ["apple>=2"]
    changed = bench.ask("install", name="mine", requirements=["banana"])
    assert (changed["packages"], version_of(made["python"], "apple")) == (2, "1.0")
    changed = bench.ask("uninstall", name="mine", requirements=["Apple"])
    assert (changed["packages"], version_of(made["python"], "apple")) == (1, "")
    assert bench.ask("list")["environments"][0]["requirements"] == ["banana"]


def test_what_cannot_be_installed_changes_nothing(bench: Bench) -> None:
    made = bench.ask("create", name="mine", requirements=["apple<2"])
    assert bench.fail("install", name="mine", requirements=["apple>=2", "nosuchthing"])["package"] == "nosuchthing"
    assert version_of(made["python"], "apple") == "1.0"
    [found] = bench.ask("list")["environments"]
    assert found["requirements"] == ["apple<2"]
    assert not (bench.root / "records" / "named-mine.changing").exists()


def test_what_is_not_there_cannot_be_uninstalled(bench: Bench) -> None:
    bench.ask("create", name="mine", requirements=["apple"])
    error = bench.fail("uninstall", name="mine", requirements=["apple", "banana"])
    assert error["message"] == "'banana' is not installed in 'mine'"
    assert bench.ask("list")["environments"][0]["packages"] == 1


def test_nobody_changes_one_that_is_not_there(bench: Bench) -> None:
    for action in ("install", "uninstall"):
        error = bench.fail(action, name="mine", requirements=["apple"])
        assert error["message"] == "there is no environment 'mine'"
    assert "there is no environment 'mine'" in bench.fail("remove", environment="mine")["message"]


def test_a_change_that_was_interrupted_is_made_good(bench: Bench, index: PackageIndex) -> None:
    made = bench.ask("create", name="mine", requirements=["apple<2"])
    (bench.root / "records" / "named-mine.changing").touch()
    [module] = Path(made["folder"]).glob("lib/python3*/site-packages/apple.py")
    module.unlink()
    bench.ask("install", name="mine", requirements=["banana"])
    assert version_of(made["python"], "apple") == "1.0"
    assert not (bench.root / "records" / "named-mine.changing").exists()


def test_one_is_deleted_by_its_name_and_a_built_one_by_its_id(bench: Bench) -> None:
    named = bench.ask("create", name="mine")
    built = bench.build("apple")
    bench.ask("remove", environment="mine")
    bench.ask("remove", environment=built["id"][:8])
    assert not Path(named["folder"]).exists()
    bench.expect_nothing()


def test_it_is_deleted_although_a_package_has_closed_its_folders(bench: Bench) -> None:
    made = bench.ask("create", name="mine", requirements=["apple"])
    [packages] = Path(made["folder"]).glob("lib/python3*/site-packages")
    packages.chmod(0o500)
    packages.parent.chmod(0o500)
    bench.ask("remove", environment="mine")
    bench.expect_nothing()
