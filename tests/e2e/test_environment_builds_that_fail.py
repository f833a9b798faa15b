"""Environments that cannot be had: the error says which package and why, and nothing is left of what was begun."""

import contextlib
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from pyflowd_client.blocking import Client
from pyflowd_client.protocol.errors import ErrorCode, ErrorInfo
from pyflowd_client.protocol.states import RunState
from support.daemons import ADD, RunningDaemon, assert_gone, graph, pyflowctl, running_daemon
from support.packages import make_source, make_wheel
from support.workplaces import CLOSED, Workplace, indexed, requiring, version_node, was_built, workplace
from support.zygote import poll_until

AT_ONCE_S = 8.0


@pytest.fixture(scope="module")
def daemon(place: Workplace) -> Iterator[RunningDaemon]:
    with place.daemon() as running:
        yield running


def refusal(client: Client, document: str, **arguments: object) -> ErrorInfo:
    """Why a run could not begin."""
    run = client.run_document(document, **arguments)  # type: ignore[arg-type]
    assert not [event for event in run if event.NAME in ("run_started", "node_started", "environment_ready")]
    assert run.state is RunState.FAILED
    assert run.error is not None
    return run.error


def test_a_package_that_nobody_has_is_named_with_the_words_of_the_resolver(
    place: Workplace, daemon: RunningDaemon
) -> None:
    done = pyflowctl(
        daemon.socket, "run", str(place.graph_file(requiring(graph(ADD), "apple", "nosuchthing>=3"))), "--json"
    )
    assert done.returncode == 78
    last = json.loads(done.stdout.splitlines()[-1])
    assert (last["event"], last["state"], last["error"]["code"]) == ("run_finished", "failed", "environment")
    assert last["error"]["message"].startswith("'nosuchthing' cannot be installed: ")
    assert "nosuchthing was not found in the package registry" in last["error"]["message"]
    assert place.left == []
    shown = pyflowctl(daemon.socket, "run", str(place.folder / "graph.json"))
    assert "'nosuchthing' cannot be installed" in shown.stderr
    assert shown.stdout == ""


def test_requirements_that_exclude_each_other_are_shown_as_the_resolver_tells_it(
    place: Workplace, client: Client
) -> None:
    error = refusal(client, requiring(graph(ADD), "apple>=2", "banana"))
    assert error.code is ErrorCode.ENVIRONMENT
    assert "banana" in error.message
    assert "apple<2" in error.message
    assert "unsatisfiable" in error.message
    assert place.left == []


def test_a_failure_is_not_remembered(place: Workplace, client: Client) -> None:
    document = requiring(graph(version_node("elder")), "elder")
    assert "elder" in refusal(client, document).message
    wheel = make_wheel(place.index.folder, "elder")
    try:
        assert client.run_document(document).result()["n0"]["output_1"] == "1.0"
    finally:
        wheel.unlink()
        client.environments.remove(client.environments.list().environments[0].id)


@pytest.mark.parametrize("manager", ["uv", "venv"])
def test_an_index_that_cannot_be_reached_is_told_at_once(manager: str) -> None:
    with workplace() as place, place.daemon(f'[environments]\nmanager = "{manager}"\n', **indexed(CLOSED)) as daemon:
        file = place.graph_file(requiring(graph(ADD), "apple"))
        began = time.monotonic()
        done = pyflowctl(daemon.socket, "run", str(file))
        assert time.monotonic() - began < AT_ONCE_S
        assert done.returncode == 78
        assert "'apple' cannot be fetched: the package index http://127.0.0.1:9/simple" in done.stderr
        assert "cannot be reached" in done.stderr
        assert place.left == []


def test_source_is_built_only_for_who_allows_it(place: Workplace, daemon: RunningDaemon) -> None:
    witness = place.folder / "witness"
    source = make_source(place.index.folder, "cherry", witness=witness)
    try:
        file = str(place.graph_file(requiring(graph(version_node("cherry")), "cherry")))
        refused = pyflowctl(daemon.socket, "run", file)
        assert refused.returncode == 78
        assert "'cherry' cannot be installed" in refused.stderr
        assert "--allow-builds" in refused.stderr
        assert not witness.exists()
        allowed = pyflowctl(daemon.socket, "run", file, "--allow-builds")
        assert (allowed.returncode, allowed.stdout) == (0, 'Node 0.output_1 = "1.0"\n')
        assert witness.read_text() == "built"
        still = pyflowctl(daemon.socket, "run", file)  # what was built with leave is nobody else's
        assert still.returncode == 78
    finally:
        source.unlink()
        with daemon.client() as client:
            for found in client.environments.list().environments:
                client.environments.remove(found.id)


@pytest.mark.parametrize(
    "requirement",
    [
        "https://example.org/a.whl",
        "apple @ https://example.org/apple.whl",
        "./apple",
        "-e .",
        "--index-url=http://x",
        "/a",
    ],
)
def test_a_graph_says_neither_where_packages_come_from_nor_how_they_are_installed(
    place: Workplace, daemon: RunningDaemon, requirement: str
) -> None:
    done = pyflowctl(daemon.socket, "run", str(place.graph_file(requiring(graph(ADD), requirement))))
    assert done.returncode == 65
    assert "--with" in done.stderr
    assert done.stdout == ""
    assert place.left == []


def test_a_name_that_nobody_has_given_is_refused(place: Workplace, daemon: RunningDaemon) -> None:
    done = pyflowctl(daemon.socket, "run", str(place.graph_file(graph(ADD))), "--env", "nobodys")
    assert done.returncode == 78
    assert "nobodys" in done.stderr
    assert "env list" in done.stderr


def installers(daemon: RunningDaemon) -> list[psutil.Process]:
    """The jobs of a daemon, and all that they have started."""
    jobs = [process for process in daemon.family() if "pyflowd.environments.job" in " ".join(_command(process))]
    return [*jobs, *(child for job in jobs for child in job.children(recursive=True))]


def _command(process: psutil.Process) -> list[str]:
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.cmdline()
    return []


@pytest.fixture
def silent(place: Workplace) -> Iterator[str]:
    """A package that an installer asks for in vain."""
    place.index.was_asked.clear()
    place.index.silent.add("apple")
    yield "apple"
    place.index.answer_all()


def test_a_run_that_is_cancelled_while_it_waits_leaves_nothing(place: Workplace, client: Client, daemon: RunningDaemon,
                                                               silent: str) -> None:  # fmt: skip
    run = client.run_document(requiring(graph(ADD), silent))
    assert place.index.was_asked.wait(20)
    busy = installers(daemon)
    assert {"uv"} <= {process.name() for process in busy}
    run.cancel()
    assert not [event for event in run if event.NAME == "run_started"]
    assert run.state is RunState.CANCELLED
    assert_gone(busy)
    poll_until(lambda: place.left == [])
    place.index.answer_all()
    again = client.run_document(
        requiring(graph(version_node(silent)), silent)
    )  # what is left does not stand in the way
    assert again.result()["n0"]["output_1"] == "2.0"
    client.environments.remove(place.complete[0])
    assert place.left == []


def test_a_build_goes_on_for_those_who_still_want_it(place: Workplace, client: Client, silent: str) -> None:
    document = requiring(graph(version_node(silent)), silent)
    first, second = client.run_document(document), client.run_document(document)
    assert place.index.was_asked.wait(20)
    first.cancel()
    assert list(first)[-1].NAME == "run_finished"
    place.index.answer_all()
    assert second.result()["n0"]["output_1"] == "2.0"
    client.environments.remove(place.complete[0])


def test_a_daemon_that_is_killed_during_a_build_leaves_no_process_and_the_next_builds_it() -> None:
    with workplace() as place:
        place.index.silent.add("apple")
        document = requiring(graph(version_node("apple")), "apple")
        with place.daemon() as daemon, daemon.client() as client:
            client.run_document(document)
            assert place.index.was_asked.wait(20)
            busy = installers(daemon)
            assert "uv" in {process.name() for process in busy}
            daemon.kill()
            assert_gone(busy)
        assert place.complete == []
        place.index.answer_all()
        with place.daemon() as daemon, daemon.client() as client:
            assert client.environments.list().environments == ()
            run = client.run_document(document)
            assert was_built(run)
            assert run.outputs["n0"]["output_1"] == "2.0"
            assert len(place.left) == 1


def test_a_daemon_that_is_told_to_end_during_a_build_does_so() -> None:
    with workplace() as place:
        place.index.silent.add("apple")
        with place.daemon() as daemon, daemon.client() as client:
            client.run_document(requiring(graph(ADD), "apple"))
            assert place.index.was_asked.wait(20)
            busy = installers(daemon)
            assert daemon.stop() == 0
            assert_gone(busy)
        with place.daemon() as daemon, daemon.client() as client:
            assert client.environments.list().environments == ()
            poll_until(lambda: place.left == [])


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for 2 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m,mode=755", "tmpfs", str(folder)]
    if os.getuid() or not shutil.which("mount") or subprocess.run(command, check=False, capture_output=True).returncode:
        pytest.skip("nobody but root may mount a file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_told_and_nothing_is_left_on_it(small_disk: Path) -> None:
    with workplace() as place, place.daemon(f'[environments]\nfolder = "{small_disk}"\n') as daemon:
        noise = os.urandom(3_000_000).hex()
        make_wheel(place.index.folder, "large", files={"large.py": f"VERSION = '1.0'\nNOISE = '{noise}'\n"})
        for optional in (False, True):
            wanted = requiring(graph(ADD), optional=["large"]) if optional else requiring(graph(ADD), "large")
            done = pyflowctl(daemon.socket, "run", str(place.graph_file(wanted)))
            assert done.returncode == 78
            assert f"the disk at {small_disk} is full" in done.stderr
            assert "env prune" in done.stderr
            assert [path for path in small_disk.rglob("*") if path.is_file()] == []
        with daemon.client() as client:
            document = requiring(graph(version_node("apple")), "apple")  # it has room for that
            assert client.run_document(document).result()["n0"]["output_1"] == "2.0"


def test_a_place_that_is_no_folder_is_told() -> None:
    with workplace() as place:
        (place.folder / "d.sock.environments").write_text("no folder")
        with running_daemon(folder=place.folder, variables=place.variables) as daemon, daemon.client() as client:
            error = refusal(client, requiring(graph(ADD), "apple"))
            assert error.code is ErrorCode.ENVIRONMENT
            assert "d.sock.environments" in error.message
