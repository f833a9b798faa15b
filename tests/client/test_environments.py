"""`client.environments`: what is asked, and that both clients ask the same."""

import asyncio
import inspect
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pyflowd_client import read_requirements
from pyflowd_client.aio import connect_async
from pyflowd_client.blocking import Client, connect
from pyflowd_client.environments import AsyncEnvironments, Environments
from pyflowd_client.errors import GraphFileError, Refused, RunFailed
from pyflowd_client.protocol import events, requests
from pyflowd_client.protocol.errors import ErrorCode, ExitStatus
from pyflowd_client.protocol.options import EnvironmentChoice
from pyflowd_client.protocol.states import RunState
from support.client_peer import FakeDaemon

CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any], requests.Request]] = [
    ("list", (), {}, requests.ListEnvironments()),
    ("show", ("science",), {}, requests.ShowEnvironment(environment="science")),
    ("show", ("/v",), {}, requests.ShowEnvironment(environment="/v")),
    (
        "create",
        ("science", "numpy", "/dist/a.whl"),
        {"python": "3.11", "allow_builds": True},
        requests.ChangeEnvironment(
            action="create",
            name="science",
            requirements=("numpy", "/dist/a.whl"),
            python="3.11",
            allow_builds=True,
        ),
    ),
    ("create", ("bare",), {}, requests.ChangeEnvironment(action="create", name="bare")),
    (
        "install",
        ("science", "numpy"),
        {},
        requests.ChangeEnvironment(action="install", name="science", requirements=("numpy",)),
    ),
    (
        "uninstall",
        ("science", "numpy", "pandas"),
        {},
        requests.ChangeEnvironment(action="uninstall", name="science", requirements=("numpy", "pandas")),
    ),
    ("remove", ("3f9a",), {}, requests.RemoveEnvironment(environment="3f9a")),
    ("warm", ("/v/",), {}, requests.WarmEnvironment(environment="/v")),
    ("cool", ("science",), {}, requests.CoolEnvironment(environment="science")),
    ("verify", ("science",), {}, requests.VerifyEnvironment(environment="science")),
    ("lock", ("science",), {}, requests.LockEnvironment(environment="science")),
    (
        "lock",
        (),
        {"requirements": ("numpy",), "python": "python3.11"},
        requests.LockEnvironment(requirements=("numpy",), python="3.11"),
    ),
    ("export", ("science",), {"format": "json"}, requests.ExportEnvironment(environment="science", format="json")),
    (
        "prune",
        (),
        {"unused_s": 60.0, "disk_bytes": 1000, "dry_run": True},
        requests.PruneEnvironments(unused_s=60.0, disk_bytes=1000, dry_run=True),
    ),
]


@pytest.fixture
def daemon(socket_path: Path) -> Iterator[FakeDaemon]:
    with FakeDaemon(socket_path) as running:
        yield running


@pytest.fixture
def client(daemon: FakeDaemon) -> Iterator[Client]:
    with connect(daemon.path, autostart=False) as session:
        yield session


@pytest.mark.parametrize(("method", "arguments", "options", "request_"), CALLS)
def test_each_method_asks_what_its_twin_asks_and_answers_alike(
    daemon: FakeDaemon,
    client: Client,
    method: str,
    arguments: tuple[Any, ...],
    options: dict[str, Any],
    request_: requests.Request,
) -> None:
    answer = getattr(client.environments, method)(*arguments, **options)

    async def ask() -> Any:
        async with connect_async(daemon.path, autostart=False) as other:
            return await getattr(other.environments, method)(*arguments, **options)

    twin = asyncio.run(ask())
    asked = [request for request in daemon.asked if not isinstance(request, requests.Hello | requests.Goodbye)]
    assert asked == [request_, request_]
    assert type(answer).__name__ == type(twin).__name__.removeprefix("Async")


def test_the_twins_have_the_same_methods_with_the_same_arguments() -> None:
    def methods(kind: type) -> dict[str, list[str]]:
        found = inspect.getmembers(kind, inspect.isfunction)
        return {name: list(inspect.signature(method).parameters) for name, method in found if name[0] != "_"}

    assert methods(Environments) == methods(AsyncEnvironments)
    assert len(methods(Environments)) == 13


def test_detection_is_for_this_process_and_its_folder(
    daemon: FakeDaemon, client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    unreadable = os.fsdecode(b"/\xff")
    monkeypatch.setenv("PATH", f"/usr/bin:relative::{unreadable}:/bin")
    monkeypatch.setenv("VIRTUAL_ENV", "venv")
    found = client.environments.detect()
    assert [environment.source for environment in found.environments] == ["PATH", ".venv", "pyenv"]
    monkeypatch.delenv("VIRTUAL_ENV")
    client.environments.detect(folders=("/g", Path("h")))
    here = str(tmp_path)
    first, second = (request for request in daemon.asked if isinstance(request, requests.DetectEnvironments))
    assert first == requests.DetectEnvironments(
        search_path="/usr/bin:/bin", virtual_env=f"{here}/venv", folders=(here,)
    )
    assert (second.virtual_env, second.folders) == (None, ("/g", f"{here}/h"))


def test_a_change_is_a_run_of_progress_without_outputs(client: Client) -> None:
    run = client.environments.create("science", "numpy")
    assert [type(event) for event in run] == [events.EnvironmentProgress, events.EnvironmentReady, events.RunFinished]
    assert run.state is RunState.SUCCEEDED
    assert dict(client.environments.install("science", "numpy").result()) == {}


def test_a_change_that_fails_raises_with_the_words_of_the_resolver(client: Client) -> None:
    with pytest.raises(RunFailed, match="c needs b>2") as caught:
        client.environments.create("broken", "a", "c").result()
    assert caught.value.exit_status is ExitStatus.CONFIGURATION


def test_a_change_can_be_cancelled_and_followed_by_others(client: Client, daemon: FakeDaemon) -> None:
    run = client.environments.create("endless")
    with connect(daemon.path, autostart=False) as other:
        told = iter(other.follow(run.id))
        assert isinstance(next(told), events.EnvironmentProgress)
        run.cancel()
        assert [type(event) for event in told] == [events.RunFinished]
    with pytest.raises(RunFailed, match="cancelled"):
        run.result()


def test_a_graph_is_sent_along_where_it_is_compared(client: Client, daemon: FakeDaemon, tmp_path: Path) -> None:
    (tmp_path / "g.md").write_text("numpy pandas")
    assert client.environments.verify("science", tmp_path / "g.md").missing == ("numpy", "pandas")
    assert client.environments.lock(graph=tmp_path / "g.md").text == "numpy==2.1.0\n"
    assert requests.LockEnvironment(document="numpy pandas", name="g.md") in daemon.asked
    with pytest.raises(GraphFileError, match="No such file"):
        client.environments.verify("science", tmp_path / "gone.md")


def test_a_file_of_requirements_serves_as_well(client: Client, daemon: FakeDaemon, tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("numpy\npandas\n")
    client.run_document("greet", requirements=read_requirements(tmp_path / "requirements.txt")).result()
    [submitted] = [request for request in daemon.asked if isinstance(request, requests.SubmitRun)]
    assert submitted.environment == EnvironmentChoice(requirements=("numpy", "pandas"))


def test_what_names_nothing_is_refused(client: Client) -> None:
    with pytest.raises(Refused, match="no environment is called") as caught:
        client.environments.show("nothing")
    assert caught.value.code is ErrorCode.ENVIRONMENT
