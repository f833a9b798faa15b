"""Environments on demand: a graph says what it needs, and its nodes have it, as smoothly as if it had been there."""

import json
import sys
import threading
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyflowd_client.blocking import Client
from pyflowd_client.protocol.events import EnvironmentProgress, EnvironmentReady, NodeStarted, RunFinished, RunStarted
from support.daemons import ADD, RunningDaemon, graph, node, pyflowctl
from support.packages import make_wheel
from support.workplaces import Workplace, of_kind, requiring, version_node, was_built, workplace

APPLE = graph(version_node("apple"))
BLOCK = "# /// script\n# dependencies = ['{}']\n# ///\n"


@pytest.fixture(scope="module")
def daemon(place: Workplace) -> Iterator[RunningDaemon]:
    with place.daemon() as running:
        yield running


def new_package(place: Workplace) -> str:
    """One that no other test has an environment with."""
    name = f"package{len(list(place.index.folder.iterdir()))}"
    make_wheel(place.index.folder, name)
    return name


def flowspec(code: str, dependencies: str) -> str:
    """A FlowSpec of one node, n0."""
    return (
        f"# Graph\n\n## Dependencies\n\n```json\n{dependencies}\n```\n\n## Node: First (ID: n0)\n\nOne.\n\n"
        f'### Metadata\n\n```json\n{{"uuid": "n0", "title": "First"}}\n```\n\n### Logic\n\n```python\n{code}\n```\n\n'
        f"## Connections\n\n```json\n[]\n```\n"
    )


def test_what_is_required_is_installed_once_and_then_is_there(place: Workplace, client: Client) -> None:
    document = requiring(graph(version_node("banana"), version_node("apple")), "banana")
    run = client.run_document(document)
    events = list(run)
    assert [event.seq for event in events] == list(range(1, len(events) + 1))
    assert (run.outputs["n0"]["output_1"], run.outputs["n1"]["output_1"]) == ("1.0", "1.0")
    [ready] = of_kind(events, EnvironmentReady)
    assert (ready.environment, ready.packages, ready.warnings) == ("banana", 2, ())
    assert Path(ready.python).is_relative_to(place.environments)
    order = [type(event) for event in events]
    assert {*order[: order.index(EnvironmentReady)]} == {EnvironmentProgress}
    assert order.index(EnvironmentReady) < order.index(RunStarted) < order.index(NodeStarted)
    again = client.run_document(document)
    assert not was_built(again)
    assert again.outputs["n1"]["output_1"] == "1.0"


def test_a_flowspec_requires_by_its_section(place: Workplace, client: Client) -> None:
    name = new_package(place)
    run = client.run_document(flowspec(version_node(name), json.dumps({"requirements": [name]})))
    assert was_built(run)
    assert run.outputs["n0"]["output_1"] == "1.0"


def test_a_json_graph_may_require_beside_its_nodes(place: Workplace, client: Client) -> None:
    name = new_package(place)
    document = {**json.loads(graph(version_node(name))), "requirements": [name]}
    run = client.run_document(json.dumps(document))
    assert was_built(run)
    assert run.outputs["n0"]["output_1"] == "1.0"


def test_blocks_in_nodes_add_to_what_the_graph_requires(place: Workplace, client: Client) -> None:
    first, second = new_package(place), new_package(place)
    document = requiring(graph(BLOCK.format(first) + version_node(first), version_node(second)), second)
    run = client.run_document(document)
    [ready] = of_kind(list(run), EnvironmentReady)
    assert ready.packages == 2
    assert [run.outputs[name]["output_1"] for name in ("n0", "n1")] == ["1.0", "1.0"]


def test_who_runs_a_graph_may_add_packages_and_files_of_them(daemon: RunningDaemon, place: Workplace) -> None:
    first, second, third = new_package(place), new_package(place), new_package(place)
    (place.folder / "more.txt").write_text(f"# more\n{second}  # why\n")
    file = place.graph_file(requiring(graph(*map(version_node, (first, second, third))), third))
    arguments = ["--with", first, "--requirements", str(place.folder / "more.txt")]
    done = pyflowctl(daemon.socket, "run", str(file), "--json", *arguments)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    assert (done.returncode, done.stderr) == (0, "")
    [ready] = [event for event in events if event["event"] == "environment_ready"]
    assert (ready["environment"], ready["packages"]) == (f"{first}, {second}, {third}", 3)
    assert {event["event"] for event in events[: ready["seq"] - 1]} == {"environment_progress"}
    again = pyflowctl(daemon.socket, "run", str(file), *arguments)
    assert (again.returncode, again.stderr) == (0, "")


def test_a_local_wheel_is_given_by_its_path(place: Workplace, client: Client) -> None:
    wheel = make_wheel(place.folder, "damson", "3.1")
    run = client.run_document(graph(version_node("damson")), requirements=(str(wheel),))
    assert run.result()["n0"]["output_1"] == "3.1"


@pytest.mark.parametrize(
    "equal",
    [
        ["fig_1.thing>=1,<2", "apple"],
        ["APPLE", "Fig-1_Thing<2,>=1"],
        ["apple  # the best", "", "fig.1-thing <2, >=1"],
    ],
)
def test_equal_requirements_share_an_environment(place: Workplace, client: Client, equal: list[str]) -> None:
    make_wheel(place.index.folder, "fig_1_thing")
    client.run_document(requiring(graph(ADD), "apple", "fig-1-thing<2,>=1")).result()
    before = place.complete
    assert not was_built(client.run_document(requiring(graph(ADD), *equal)))
    assert place.complete == before


def test_what_is_optional_and_cannot_be_had_is_a_warning(daemon: RunningDaemon, place: Workplace) -> None:
    name = new_package(place)
    file = place.graph_file(requiring(graph(version_node(name)), name, optional=["nosuchthing", "apple"]))
    done = pyflowctl(daemon.socket, "run", str(file))
    assert (done.returncode, done.stdout) == (0, 'Node 0.output_1 = "1.0"\n')
    assert "nosuchthing (optional) was not installed" in done.stderr
    assert "not found in the package registry" in done.stderr
    assert "apple (optional)" not in done.stderr


def test_bytecode_is_there_before_the_first_node(place: Workplace, client: Client) -> None:
    name = new_package(place)
    run = client.run_document(requiring(graph(node(f"import {name}\nreturn {name}.__cached__", returns="str")), name))
    [ready] = of_kind(list(run), EnvironmentReady)
    cached = run.outputs["n0"]["output_1"]
    assert Path(cached).is_relative_to(Path(ready.python).parents[1])
    assert Path(cached).exists()


def test_ten_clients_at_once_build_once_and_all_are_told(place: Workplace, daemon: RunningDaemon) -> None:
    name = new_package(place)
    before = len(place.complete)
    document = requiring(graph(version_node(name)), name)
    barrier, told = threading.Barrier(10), []

    def ask() -> None:
        with daemon.client() as client:
            barrier.wait(20)
            run = client.run_document(document)
            events = list(run)
            told.append((run.outputs["n0"]["output_1"], of_kind(events, EnvironmentReady)))

    threads = [threading.Thread(target=ask) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [version for version, _ in told] == ["1.0"] * 10
    assert len({ready.duration_s for _, readies in told for ready in readies}) == 1
    assert len(place.complete) == before + 1
    assert place.index.counts[name] == 1


def test_two_daemons_that_share_their_environments_build_once(place: Workplace) -> None:
    name = new_package(place)
    shared = place.folder / "shared"
    settings = f'[environments]\nfolder = "{shared}"\n'
    document = requiring(graph(version_node(name)), name)
    with workplace() as elsewhere:
        variables = {**place.variables, "UV_CACHE_DIR": elsewhere.variables["UV_CACHE_DIR"]}
        with (
            elsewhere.daemon(settings, **variables) as first,
            first.client() as client,
            place.second(settings) as second,
            second.client() as other,
        ):
            runs = [client.run_document(document), other.run_document(document)]
            built = [was_built(run) for run in runs]
            assert [run.outputs["n0"]["output_1"] for run in runs] == ["1.0"] * 2
            assert True in built
    assert len([*shared.glob("records/built-*.json")]) == 1
    assert place.index.counts[name] == 1


def test_a_daemon_finds_what_another_before_it_has_built() -> None:
    document = requiring(APPLE, "apple<2")
    with workplace() as place:
        for is_first in (True, False):
            with place.daemon() as daemon, daemon.client() as client:
                run = client.run_document(document)
                assert was_built(run) is is_first
                assert run.outputs["n0"]["output_1"] == "1.0"


def test_what_lies_beside_a_graph_is_detected(daemon: RunningDaemon, place: Workplace) -> None:
    project = place.folder / "project"
    for name in (".venv", "venvs/old"):
        venv.create(project / name, symlinks=True, with_pip=False)
    (project / "graph.json").write_text(graph(ADD))
    done = pyflowctl(daemon.socket, "env", "detect", str(project / "graph.json"), "--json")
    assert done.returncode == 0, done.stderr
    found = {item["python"]: item for item in json.loads(done.stdout)["environments"]}
    for name, source in ((".venv", ".venv"), ("venvs/old", "venvs")):
        item = found[str(project / name / "bin" / "python")]
        assert (item["kind"], item["source"], item["packages"], item.get("problem")) == ("venv", source, 0, None)
        assert item["version"] == ".".join(map(str, sys.version_info[:3]))
        assert item["fingerprint"]
    table = pyflowctl(daemon.socket, "env", "detect", str(project))
    assert f"{project}/.venv/bin/python" in table.stdout
    run = pyflowctl(daemon.socket, "run", str(project / "graph.json"), "--python", str(project / ".venv"))
    assert (run.returncode, run.stdout) == (0, "Node 0.output_1 = 1\n")


def test_the_end_of_a_run_that_built_something_is_like_any_other(place: Workplace, client: Client) -> None:
    name = new_package(place)
    run = client.run_document(requiring(graph(ADD), name))
    events = list(run)
    [ready] = of_kind(events, EnvironmentReady)
    [finished] = of_kind(events, RunFinished)
    assert 0 < ready.duration_s < finished.duration_s
    listed = {item.python: item for item in client.environments.list().environments}[ready.python]
    assert (listed.kind, listed.requirements, listed.packages, listed.state) == ("built", (name,), 1, "warm")


def test_to_check_a_graph_installs_nothing(place: Workplace, client: Client) -> None:
    name = new_package(place)
    document = requiring(graph(version_node(name)), name)
    before = place.complete
    checked = client.check(document)
    assert checked.runnable
    assert [finding.code for finding in checked.findings] == ["environment_needed", "environment_needed"]
    assert "not made yet" in checked.findings[1].message
    assert place.complete == before
    client.run_document(document).result()
    assert [finding.code for finding in client.check(document).findings] == ["environment_needed"]
    other = client.check(requiring(graph(node("import nowhere")), name))
    assert "missing_import" in [finding.code for finding in other.findings]


def test_the_example_of_the_document_is_a_graph_that_runs(client: Client) -> None:
    text = (Path(__file__).parents[2] / "docs" / "environments.md").read_text(encoding="utf-8")
    example = text.partition("````markdown\n")[2].partition("````\n")[0]
    checked = client.check(example, name="mean.md")
    assert checked.runnable
    needed = next(finding.message for finding in checked.findings if finding.code == "environment_needed")
    assert needed == "The graph runs in: Python >=3.9 with numpy>=1.24, numba (optional)"
    run = client.run_document(example, name="mean.md", python=sys.executable)  # it has numpy, as developers do
    assert run.result()["Mean"]["output_1"] == pytest.approx(7 / 3)
