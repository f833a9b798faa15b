"""Control groups, where the daemon was handed one: real ones, with whatever controllers this machine has there."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from pyflowd.sandbox import cgroups
from pyflowd.sandbox.cgroups import Group, Groups, find_delegated
from pyflowd_client.protocol.events import NodeProgress
from support.daemons import RunningDaemon, assert_serves, graph, node, running_daemon
from support.zygote import poll_until, wait_gone

FORK_AND_WAIT = (
    "import subprocess, time\nsubprocess.Popen(['sleep', '602'], start_new_session=True)\nprogress(1)\n"
    "time.sleep(600)\nreturn 1"
)


@pytest.fixture
def delegated() -> Iterator[Path]:
    """A group as systemd would hand it over; gone afterwards, with what a killed daemon left in it."""
    mounted = cgroups.mount_point()
    if mounted is None or os.getuid() != 0:
        pytest.skip("needs root, and control groups v2")
    path = Path(mounted, f"pyflowd-test-{os.getpid()}")
    try:
        path.mkdir()
        os.setxattr(path, "user.delegate", b"1")
    except OSError as error:
        pytest.skip(f"control groups cannot be made here ({error})")
    try:
        yield path
    finally:
        for folder in (*path.glob("*/"), path):
            poll_until(lambda folder=folder: Group(folder).end())


@pytest.fixture
def starter(delegated: Path, tmp_path: Path) -> Path:
    """A command that starts another in the group, as systemd would."""
    script = tmp_path / "start"
    script.write_text(f'#!/bin/sh\necho $$ > {delegated}/cgroup.procs\nexec {sys.executable} "$@"\n')
    script.chmod(0o755)
    return script


def group_of(pid: int) -> str:
    lines = Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    return next(line.rpartition("/")[2] for line in lines if line.startswith("0::"))


def sleeper(daemon: RunningDaemon) -> psutil.Process:
    [found] = daemon.named("sleep")
    return found


def test_a_group_that_nobody_handed_over_is_left_alone() -> None:
    assert find_delegated() is None
    with running_daemon() as daemon, daemon.client() as client:
        assert_serves(client)
        assert group_of(daemon.process.pid) == group_of(os.getpid())


@pytest.mark.parametrize("tier", ["T1", "T3"])
def test_a_node_at_work_gets_a_group_with_all_that_it_started_and_leaves_none(
    delegated: Path, starter: Path, tier: str
) -> None:
    settings = f'[sandbox]\nmaximum_tier = "{tier}"\n'
    with running_daemon(starter=starter, settings=settings) as daemon, daemon.client() as client:
        assert group_of(daemon.process.pid) == "daemon"
        run = client.run_document(graph(node(FORK_AND_WAIT)))
        next(event for event in run if isinstance(event, NodeProgress))
        child = sleeper(daemon)
        poll_until(lambda: group_of(child.pid) == "node-1")
        run.cancel()
        list(run)
        assert wait_gone(child.pid)
        poll_until(lambda: not list(delegated.glob("node-*")))
        assert_serves(client)
    assert [folder.name for folder in delegated.glob("*/")] == ["daemon"]


def test_short_nodes_are_not_moved(delegated: Path, starter: Path) -> None:
    with running_daemon(starter=starter) as daemon, daemon.client() as client:
        assert_serves(client)
        started_s = time.monotonic()
        assert_serves(client)
        if time.monotonic() - started_s < 0.1:
            assert not list(delegated.glob("node-*"))


def test_all_that_is_in_a_group_ends_at_once(delegated: Path) -> None:
    group = Group(delegated / "node")
    group.path.mkdir()
    processes = [subprocess.Popen(["sleep", "602"]) for _ in range(2)]
    group.take([*(process.pid for process in processes), 2**22 - 1])  # no such process is no trouble
    group.end()
    assert [process.wait(10) for process in processes] == [-signal.SIGKILL] * 2
    poll_until(group.end)


def test_limits_are_set_where_the_kernel_has_them(tmp_path: Path) -> None:
    """In a folder that looks like one: this machine need not have the controllers."""
    (tmp_path / "cgroup.controllers").write_text("cpu memory pids\n")
    for name in ("cgroup.subtree_control", "daemon/cgroup.procs"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    groups = Groups(tmp_path)
    assert groups.controllers == ("memory", "pids")
    assert (tmp_path / "cgroup.subtree_control").read_text() == "+memory +pids"
    group = groups.new(5_000_000, 7)
    limits = {path.name: path.read_text() for path in group.path.iterdir()}
    assert limits == {"memory.max": "5000000", "memory.swap.max": "0", "memory.oom.group": "1", "pids.max": "7"}


@pytest.mark.parametrize(
    ("text", "expected"), [("oom 3\noom_kill 1\n", True), ("oom 0\noom_kill 0\n", False), ("", False)]
)
def test_the_kernel_tells_whom_it_has_ended_for_memory(tmp_path: Path, text: str, expected: bool) -> None:
    (tmp_path / "memory.events").write_text(text)
    assert Group(tmp_path).has_run_out_of_memory() is expected
    assert not Group(tmp_path / "gone").has_run_out_of_memory()
