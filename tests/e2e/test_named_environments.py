"""Environments that people name: made, changed while they are in use, looked at, written down, and removed."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyflowd_client import Refused, RunFailed
from pyflowd_client.blocking import Client
from pyflowd_client.protocol.errors import ErrorCode
from pyflowd_client.protocol.events import EnvironmentProgress, EnvironmentReady
from pyflowd_client.protocol.replies import RunAccepted
from pyflowd_client.protocol.requests import ChangeEnvironment
from pyflowd_client.run import Run
from support.daemons import ADD, RunningDaemon, graph, pyflowctl
from support.held_nodes import Held
from support.packages import make_wheel, sha256
from support.workplaces import Workplace, of_kind, placed, requiring, version_node, was_built, workplace


@pytest.fixture(scope="module")
def daemon(place: Workplace) -> Iterator[RunningDaemon]:
    with place.daemon() as running:
        yield running


@pytest.fixture
def science(client: Client) -> Iterator[str]:
    """An environment with apple 1.0, which is gone after the test."""
    client.environments.create("science", "apple<2").result()
    yield "science"
    client.environments.remove("science")


def version_in(client: Client, environment: str, package: str = "apple") -> str:
    """Which version of a package nodes see there."""
    found: str = client.run_document(graph(version_node(package)), environment=environment).result()["n0"]["output_1"]
    return found


def told(run: Run) -> EnvironmentReady:
    """What a change came to, after it was told how it went."""
    events = list(run)
    assert of_kind(events, EnvironmentProgress)
    [ready] = of_kind(events, EnvironmentReady)
    assert [event.NAME for event in events[-2:]] == ["environment_ready", "run_finished"]
    return ready


def test_one_is_created_and_graphs_run_in_it_by_name(client: Client, daemon: RunningDaemon, place: Workplace) -> None:
    ready = told(client.environments.create("fruit", "banana"))
    assert (ready.environment, ready.packages) == ("fruit", 2)
    assert version_in(client, "fruit") == "1.0"
    file = place.graph_file(graph(version_node("banana")))
    done = pyflowctl(daemon.socket, "run", str(file), "--env", "fruit")
    assert (done.returncode, done.stdout) == (0, 'Node 0.output_1 = "1.0"\n')
    for document in (requiring(graph(ADD), environment="fruit"), placed(graph(ADD), {"n0": "fruit"})):
        assert not was_built(client.run_document(document))
    run = client.run_document(placed(graph(version_node("apple")), {"n0": "fruit"}))
    assert run.result()["n0"]["output_1"] == "1.0"
    with pytest.raises(RunFailed, match="'fruit' exists already") as raised:
        client.environments.create("fruit").result()
    assert raised.value.exit_status == 78
    client.environments.remove("fruit")
    with pytest.raises(RunFailed, match="fruit"):
        version_in(client, "fruit")
    assert "fruit" not in [found.id for found in client.environments.list().environments]


def test_one_that_cannot_be_created_does_not_exist(client: Client, place: Workplace) -> None:
    with pytest.raises(RunFailed, match="nosuchthing"):
        client.environments.create("hopeless", "apple", "nosuchthing").result()
    assert [path for path in place.left if "hopeless" in path.name] == []
    told(client.environments.create("hopeless", "apple"))
    client.environments.remove("hopeless")


def test_packages_come_and_go(client: Client, science: str) -> None:
    assert version_in(client, science) == "1.0"
    told(client.environments.install(science, "apple>=2"))
    assert version_in(client, science) == "2.0"
    assert told(client.environments.uninstall(science, "apple")).packages == 0
    with pytest.raises(RunFailed, match="No module named 'apple'"):
        version_in(client, science)
    with pytest.raises(RunFailed, match="'apple' is not installed in 'science'"):
        client.environments.uninstall(science, "apple").result()
    told(client.environments.install(science, "apple<2"))
    assert version_in(client, science) == "1.0"


def test_what_is_installed_meanwhile_is_for_the_nodes_that_begin_later(
    client: Client, daemon: RunningDaemon, science: str, folder: Path
) -> None:
    held = Held(client, folder, environment=science)
    with daemon.client() as other:
        told(other.environments.install(science, "apple>=2"))
        assert version_in(other, science) == "2.0"
    assert held.let_go() == "1.0 2.0"


def test_one_in_which_a_node_runs_is_neither_removed_nor_pruned(
    client: Client, daemon: RunningDaemon, science: str, folder: Path
) -> None:
    built = requiring(graph(version_node("apple")), "apple<2")
    with daemon.client() as other:
        other.run_document(built).result()
        [id] = [found.id for found in other.environments.list().environments if found.kind == "built"]
        held = Held(client, folder, environment=science)
        with pytest.raises(Refused, match="science") as raised:
            other.environments.remove(science)
        assert raised.value.code is ErrorCode.BUSY
        done = pyflowctl(daemon.socket, "env", "remove", science)
        assert done.returncode == 75
        assert [gone.id for gone in other.environments.prune(disk_bytes=0).removed] == [id]
        assert held.let_go() == "1.0 1.0"


def test_pruning_spares_what_a_node_runs_in(client: Client, daemon: RunningDaemon, folder: Path) -> None:
    held = Held(client, folder, requirements=("apple<2",))
    with daemon.client() as other:
        assert other.environments.prune(disk_bytes=0, dry_run=True).removed == ()
        assert other.environments.prune(disk_bytes=0).removed == ()
        assert held.let_go() == "1.0 1.0"
        [would] = other.environments.prune(disk_bytes=0, dry_run=True).removed
        assert other.environments.prune(unused_s=3600).removed == ()
        pruned = other.environments.prune(disk_bytes=0)
        assert [gone.id for gone in pruned.removed] == [would.id]
        assert pruned.freed_bytes > 0
        assert other.environments.list().environments == ()
        assert was_built(other.run_document(requiring(graph(version_node("apple")), "apple<2")))


def test_it_is_shown_with_all_that_is_known(client: Client, daemon: RunningDaemon, science: str) -> None:
    version_in(client, science)
    shown = client.environments.show(science)
    assert (shown.environment.kind, shown.environment.state, shown.manager) == ("named", "warm", "uv")
    assert [(package.name, package.version) for package in shown.packages] == [("apple", "1.0")]
    [server] = shown.fork_servers
    assert server.pid is not None
    assert server.memory_bytes is not None
    assert server.memory_bytes > 1_000_000
    [listed] = [found for found in client.environments.list().environments if found.id == science]
    assert (listed.requirements, listed.packages) == (("apple<2",), 1)
    done = pyflowctl(daemon.socket, "env", "show", science)
    assert done.returncode == 0
    for part in ("science", "fork server: warm", "apple 1.0", "spare", "size"):
        assert part in done.stdout


def test_verifying_tells_what_is_missing_and_what_does_not_fit(
    client: Client, daemon: RunningDaemon, place: Workplace, science: str
) -> None:
    file = place.graph_file(requiring(graph(ADD), "apple>=2", "banana", optional=["elder"]))
    found = client.environments.verify(science, file)
    assert found.missing == ("apple>=2: 1.0 is installed", "banana: not installed")
    assert found.optional_missing == ("elder: not installed",)
    assert pyflowctl(daemon.socket, "env", "verify", science, str(file)).returncode == 1
    fine = place.graph_file(requiring(graph(ADD), "apple<2"), "fine.json")
    assert pyflowctl(daemon.socket, "env", "verify", science, str(fine)).returncode == 0
    make_wheel(place.index.folder, "grumpy", requires=["apple>=1"])
    told(client.environments.install(science, "grumpy"))
    assert client.environments.verify(science).conflicts == ()
    told(client.environments.uninstall(science, "apple"))
    [conflict] = client.environments.verify(science).conflicts
    assert "grumpy" in conflict
    assert "apple" in conflict


def test_it_is_written_down_exactly(client: Client, place: Workplace, science: str) -> None:
    wheel = place.index.folder / "apple-1.0-py3-none-any.whl"
    locked = client.environments.lock(science).text
    assert "apple==1.0" in locked
    assert f"sha256:{sha256(wheel)}" in locked
    file = place.graph_file(requiring(graph(ADD), "banana"))
    assert "banana==1.0" in client.environments.lock(graph=file).text
    assert "apple==2.0" in client.environments.lock(requirements=("apple",)).text
    assert client.environments.export(science).text == "apple==1.0\n"
    stated = json.loads(client.environments.export(science, format="dependencies").text)
    assert stated["requirements"] == ["apple==1.0"]
    run = client.run_document(requiring(graph(version_node("apple")), **stated))
    assert run.result()["n0"]["output_1"] == "1.0"


def test_one_may_be_the_daemons_default() -> None:
    settings = '[environments]\nname = "usual"\n'
    with workplace() as place:
        file = place.graph_file(graph(version_node("apple")))
        with place.daemon(settings) as daemon, daemon.client() as client:
            done = pyflowctl(daemon.socket, "run", str(file))
            assert done.returncode == 78
            assert "'usual'" in done.stderr
            told(client.environments.create("usual", "apple<2"))
            assert pyflowctl(daemon.socket, "run", str(file)).stdout == 'Node 0.output_1 = "1.0"\n'
        with place.daemon(settings) as daemon, daemon.client() as client:
            assert client.run(file).result()["n0"]["output_1"] == "1.0"
            states = {status.python: status.state for status in client.status().environments}
            assert states[str(place.environments / "named" / "usual" / "bin" / "python")] == "warm"
            plain = client.run(file, requirements=("apple",))  # who says what he needs gets that
            assert plain.result()["n0"]["output_1"] == "2.0"


@pytest.mark.parametrize("action", ["remove", "sweep", "", "create; rm"])
def test_what_is_no_change_is_refused(client: Client, place: Workplace, science: str, action: str) -> None:
    before = place.complete
    with pytest.raises(Refused, match="create, install, uninstall") as refused:
        client.ask(ChangeEnvironment(action=action, name=science), RunAccepted)
    assert refused.value.error.code is ErrorCode.BAD_INPUT
    assert place.complete == before
