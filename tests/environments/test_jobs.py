"""Jobs in processes of their own, as the daemon starts them: alone, ten at once, killed, and without room."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest

from support.environment_jobs import DEADLINE_S, Bench, RunningJob, started, version_of
from support.packages import PackageIndex, make_wheel

CROWD = 10
SMALL_DISK_BYTES = 3_000_000
Variables = Mapping[str, str]


@pytest.fixture(params=["uv", "venv"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    """What jobs are asked, with either manager; the variables of this process stay as they are."""
    return Bench(tmp_path / "root", request.param)


def build(bench: Bench, *requirements: str) -> dict[str, Any]:
    """The request."""
    return bench.request("build", spec={"requirements": requirements})


def finished(request: Mapping[str, Any], variables: Variables) -> tuple[list[str], dict[str, Any]]:
    """A job from its beginning to its end."""
    with started(request, variables) as job:
        return job.outcome()


def members(group: int) -> list[int]:
    """The processes of a group that are alive."""
    return [pid for pid in psutil.pids() if _group(pid) == group]


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid) if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE else 0
    except (ProcessLookupError, psutil.NoSuchProcess):
        return 0


def test_a_job_says_what_it_does_and_then_what_came_of_it(bench: Bench, variables: Variables) -> None:
    progress, last = finished(build(bench, "apple"), variables)
    assert progress[0].startswith("Creating an environment with Python 3.")
    assert set(last["result"]) == {
        "id", "python", "folder", "version", "packages", "size_bytes", "warnings", "duration_s", "was_there"
    }  # fmt: skip
    assert last["result"]["size_bytes"] > 0
    assert version_of(last["result"]["python"], "apple") == "2.0"


def test_it_says_what_went_wrong(bench: Bench, variables: Variables) -> None:
    _, last = finished(build(bench, "nosuchthing"), variables)
    assert last["error"]["package"] == "nosuchthing"
    _, last = finished(bench.request("build", spec={}), variables)
    assert "nothing to build" in last["error"]["message"]


def test_nodes_of_another_user_can_read_what_a_private_daemon_builds(bench: Bench, variables: Variables) -> None:
    _, last = finished(build(bench, "apple"), variables)
    folder = Path(last["result"]["folder"])
    paths = [bench.root, bench.root / "built", folder, *folder.rglob("*")]
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in paths}
    assert all(mode & 0o044 == 0o044 for mode in modes.values()), modes
    assert all(mode & 0o011 == 0o011 for path, mode in modes.items() if path.is_dir())


def test_ten_who_ask_at_once_get_one_build(bench: Bench, variables: Variables) -> None:
    with ExitStack() as stack:
        jobs = [stack.enter_context(started(build(bench, "banana"), variables)) for _ in range(CROWD)]
        outcomes = [job.outcome() for job in jobs]
    results = [last["result"] for _, last in outcomes]
    assert [result["was_there"] for result in results].count(False) == 1
    assert len({result["python"] for result in results}) == 1
    assert version_of(results[0]["python"], "banana") == "1.0"
    told = {progress[0] for progress, last in outcomes if last["result"]["was_there"] and progress}
    assert told <= {"Waiting for another build of the same environment"}


def wait_for_hang(index: PackageIndex, job: RunningJob) -> None:
    """Until the resolver waits for an answer that does not come."""
    assert index.was_asked.wait(DEADLINE_S)
    assert len(members(job.group)) >= 2


def expect_death(job: RunningJob) -> None:
    """All of them."""
    group = job.group
    processes = [psutil.Process(pid) for pid in members(group) if pid != group]
    job.process.wait(DEADLINE_S)
    psutil.wait_procs(processes, DEADLINE_S)
    assert members(group) == []


def test_a_build_that_is_killed_leaves_nothing_visible_and_the_next_one_succeeds(
    bench: Bench, index: PackageIndex, variables: Variables
) -> None:
    index.silent.add("apple")
    with started(build(bench, "apple"), variables) as job:
        wait_for_hang(index, job)
        os.killpg(job.group, signal.SIGKILL)
        expect_death(job)
    assert [*bench.root.glob("built/*/bin/python")]
    assert bench.ask("list") == {"environments": []}
    index.silent.clear()
    _, last = finished(build(bench, "apple"), variables)
    assert version_of(last["result"]["python"], "apple") == "2.0"
    assert [*bench.root.glob("work/*"), *bench.root.glob("locks/*")] == []


def test_what_a_killed_build_left_is_swept(bench: Bench, index: PackageIndex, variables: Variables) -> None:
    index.silent.add("apple")
    with started(build(bench, "apple"), variables) as job:
        wait_for_hang(index, job)
        assert bench.ask("sweep") == {"removed": 0}
        os.killpg(job.group, signal.SIGKILL)
        expect_death(job)
    assert bench.ask("sweep") == {"removed": 1}
    bench.expect_nothing()


def test_it_dies_with_who_started_it_and_all_that_it_has_started(
    bench: Bench, index: PackageIndex, variables: Variables
) -> None:
    index.silent.add("apple")
    with started(build(bench, "apple"), variables) as job:
        wait_for_hang(index, job)
        job.say_nothing_more()
        expect_death(job)
        assert job.process.returncode == -signal.SIGKILL


def _first_word(job: RunningJob) -> str:
    assert job.process.stdout is not None
    told: str = json.loads(job.process.stdout.readline())["progress"]
    return told.split()[0]


def test_who_waits_builds_when_the_builder_is_killed(bench: Bench, index: PackageIndex, variables: Variables) -> None:
    index.silent.add("apple")
    with started(build(bench, "apple"), variables) as first, started(build(bench, "apple"), variables) as second:
        assert index.was_asked.wait(DEADLINE_S)
        first_words = {_first_word(job): job for job in (first, second)}
        assert set(first_words) == {"Creating", "Waiting"}
        building, waiting = first_words["Creating"], first_words["Waiting"]
        index.silent.clear()
        os.killpg(building.group, signal.SIGKILL)
        expect_death(building)
        _, last = waiting.outcome()
    assert not last["result"]["was_there"]


def test_a_named_environment_survives_the_kill_of_its_change(
    bench: Bench, index: PackageIndex, variables: Variables
) -> None:
    made = finished(bench.request("create", name="mine", requirements=["apple"]), variables)[1]["result"]
    index.silent.add("banana")
    with started(bench.request("install", name="mine", requirements=["banana"]), variables) as job:
        wait_for_hang(index, job)
        os.killpg(job.group, signal.SIGKILL)
        expect_death(job)
    assert bench.ask("sweep") == {"removed": 1}
    assert version_of(made["python"], "apple") == "2.0"
    index.silent.clear()
    _, last = finished(bench.request("install", name="mine", requirements=["apple<2", "banana"]), variables)
    assert last["result"]["packages"] == 2
    assert last["result"]["warnings"] == []


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Callable[..., Path]]:
    """Makes small disks, for root."""
    mounted: list[Path] = []

    def make(options: str) -> Path:
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir()
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "none", str(folder)], capture_output=True, check=False
        )
        if done.returncode:
            pytest.skip(f"a disk cannot be mounted here: {done.stderr.decode().strip()}")
        mounted.append(folder)
        return folder

    if os.getuid():
        pytest.skip("only root can mount a small disk")
    yield make
    for folder in mounted:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_named_and_nothing_is_left(
    bench: Bench, index: PackageIndex, variables: Variables, mount: Callable[..., Path]
) -> None:
    make_wheel(index.folder, "melon", files={"melon_seed.py": f"SEED = '{'x' * 2 * SMALL_DISK_BYTES}'\n"})
    disk = mount(f"size={SMALL_DISK_BYTES}")
    full = Bench(disk / "root", bench.manager)
    _, last = finished(build(full, "melon"), variables)
    assert f"the disk at {disk} is full" in last["error"]["message"]
    full.expect_nothing()
    _, last = finished(build(full, "apple"), variables)
    assert version_of(last["result"]["python"], "apple") == "2.0"


def test_a_full_disk_is_told_although_packages_are_optional(
    bench: Bench, index: PackageIndex, variables: Variables, mount: Callable[..., Path]
) -> None:
    make_wheel(index.folder, "melon", files={"melon_seed.py": f"SEED = '{'x' * 2 * SMALL_DISK_BYTES}'\n"})
    disk = mount(f"size={SMALL_DISK_BYTES}")
    full = Bench(disk / "root", bench.manager)
    _, last = finished(full.request("build", spec={"requirements": ["apple"], "optional": ["melon"]}), variables)
    assert f"the disk at {disk} is full" in last["error"]["message"]
    full.expect_nothing()


def test_a_place_that_cannot_be_written_is_named(
    bench: Bench, variables: Variables, mount: Callable[..., Path]
) -> None:
    disk = mount("size=1000000")
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    _, last = finished(build(Bench(disk / "root", bench.manager), "apple"), variables)
    assert str(disk) in last["error"]["message"]
    assert "Read-only" in last["error"]["message"]


def test_a_complete_environment_on_a_read_only_disk_is_there(
    bench: Bench, variables: Variables, mount: Callable[..., Path]
) -> None:
    disk = mount("size=30000000")
    closed = Bench(disk / "root", bench.manager)
    assert "result" in finished(build(closed, "apple"), variables)[1]
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    assert finished(build(closed, "apple"), variables)[1]["result"]["was_there"]
    assert "Read-only" in finished(closed.request("prune", disk_bytes=0), variables)[1]["error"]["message"]


def test_who_is_no_leader_of_a_group_spares_the_others(tmp_path: Path, variables: Variables) -> None:
    """Started by hand: the end of its input ends it, and not the shell."""
    request = json.dumps({"action": "list", "root": str(tmp_path)})
    job = f"{sys.executable} -m pyflowd.environments.job"
    shell = subprocess.run(["sh", "-c", f"echo '{request}' | {job}; echo alive"], capture_output=True, text=True,
                           env=dict(variables), start_new_session=True, check=False)  # fmt: skip
    assert shell.stdout.splitlines()[-1] == "alive"


@pytest.mark.slow
def test_packages_with_extensions_from_the_users_own_index(bench: Bench) -> None:
    """The only one that needs the network: it is skipped where there is none."""
    _, last = finished(build(bench, "numpy", "pandas"), os.environ)
    if "cannot be fetched" in last.get("error", {}).get("message", ""):
        pytest.skip(last["error"]["message"])
    code = "import numpy, pandas; print(pandas.Series(numpy.arange(4)).sum())"
    python = last["result"]["python"]
    assert subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=True).stdout == "6\n"
