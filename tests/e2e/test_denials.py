"""A node that was denied something fails with its own error, and one line names what it was and the flag for it."""

import os
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyflowd_client.blocking import Client
from pyflowd_client.protocol.errors import ErrorCode
from pyflowd_client.protocol.options import Permissions
from support.daemons import failure, graph, node, pyflowctl, running_daemon

TIERS = ("T1", "T2", "T3")


@pytest.fixture(scope="module", params=TIERS)
def each_tier(request: pytest.FixtureRequest) -> Iterator[Client]:
    settings = f'[sandbox]\nminimum_tier = "{request.param}"\nmaximum_tier = "{request.param}"\n'
    with running_daemon(settings=settings) as daemon, daemon.client() as client:
        yield client


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Open to whoever nodes are."""
    for path in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        path.chmod(0o755)
    (tmp_path / "given.txt").write_text("given")
    (tmp_path / "given.txt").chmod(0o666)
    return tmp_path


@pytest.mark.parametrize(
    "body",
    [
        "open({path!r})",
        "import pathlib\npathlib.Path({path!r}).read_text()",
        "try: open({path!r})\nexcept OSError as error: raise ValueError('no data') from error",
        "import shutil\nshutil.copy({path!r}, 'copy.txt')",
    ],
    ids=["open", "pathlib", "chained", "copy"],
)
def test_a_file_that_is_there_is_named_with_the_flag_to_read_it(each_tier: Client, folder: Path, body: str) -> None:
    path = folder / "given.txt"
    error = failure(each_tier, body.format(path=str(path)))
    assert error.code is ErrorCode.EXCEPTION
    assert (
        error.hint == f"'{path}' exists, but nodes may not read it: --allow-read {shlex.quote(str(path))} allows that."
    )


def test_a_file_that_is_not_there_at_all_is_no_matter_of_permission(each_tier: Client) -> None:
    error = failure(each_tier, "open('/nowhere/at/all')")
    assert (error.type, error.hint) == ("FileNotFoundError", None)


def test_a_file_to_be_made_is_a_matter_of_writing_its_folder(each_tier: Client, folder: Path) -> None:
    error = failure(each_tier, f"open({str(folder / 'new.txt')!r}, 'w')")
    assert (
        error.hint == f"Nodes may not write '{folder}/new.txt': --allow-write {shlex.quote(str(folder))} allows that."
    )


def test_what_may_be_read_cannot_be_written_and_the_hint_says_so(each_tier: Client, folder: Path) -> None:
    path = folder / "given.txt"
    permissions = Permissions(read=(str(folder),))
    error = failure(each_tier, f"open({str(path)!r}, 'w')", permissions=permissions)
    assert error.hint is not None
    assert "--allow-write" in error.hint
    assert path.read_text() == "given"


def test_what_the_hint_says_helps(each_tier: Client, folder: Path) -> None:
    path = folder / "given.txt"
    body = f"with open({str(path)!r}) as file: return file.read()"
    run = each_tier.run_document(graph(node(body, returns="str")), permissions=Permissions(read=(str(path),)))
    assert run.result()["n0"]["output_1"] == "given"
    body = f"with open({str(path)!r}, 'a') as file: return file.write(' more')"
    assert each_tier.run_document(graph(node(body)), permissions=Permissions(write=(str(path),))).result()
    assert path.read_text() == "given more"


@pytest.mark.parametrize(
    "body",
    [
        "import socket\nsocket.create_connection(('192.0.2.7', 80))",
        "import urllib.request\nurllib.request.urlopen('http://192.0.2.7/')",
        "import http.client\nhttp.client.HTTPConnection('192.0.2.7').request('GET', '/')",
        "import asyncio\nasync def go(): await asyncio.open_connection('192.0.2.7', 80)\nasyncio.run(go())",
    ],
    ids=["socket", "urllib", "http", "asyncio"],
)
def test_a_host_is_named_with_the_flag_for_the_network(each_tier: Client, body: str) -> None:
    error = failure(each_tier, body)
    assert error.hint == "'192.0.2.7' is not to be reached: nodes need --allow-net for it."


def test_the_network_is_there_for_who_may_use_it(each_tier: Client) -> None:
    body = (
        "import socket\nwith socket.create_server(('127.0.0.1', 0)) as server:\n"
        "    with socket.create_connection(server.getsockname()): return 1"
    )
    assert each_tier.run_document(graph(node(body)), permissions=Permissions(net=True)).result()["n0"]["output_1"] == 1


def test_a_variable_is_seen_by_the_nodes_it_is_given_to_alone(each_tier: Client) -> None:
    document = graph(node("import os\nreturn os.environ['TOKEN']", returns="str"))
    run = each_tier.run_document(document, permissions=Permissions(env={"TOKEN": "secret"}))
    assert run.result()["n0"]["output_1"] == "secret"
    error = failure(each_tier, "import os\nreturn os.environ['TOKEN']")
    assert (error.type, error.hint) == ("KeyError", "Nodes see the variable 'TOKEN' only with --allow-env TOKEN.")


def test_nodes_start_where_they_are_told(each_tier: Client, folder: Path) -> None:
    body = "import os\nreturn [os.getcwd(), open('given.txt').read()]"
    run = each_tier.run_document(graph(node(body, returns="list")), workdir=str(folder))
    assert run.result()["n0"]["output_1"] == [str(folder), "given"]


def test_everything_is_everything(each_tier: Client, folder: Path) -> None:
    body = f"import socket\nsocket.socket(socket.AF_INET).close()\nreturn open({str(folder / 'given.txt')!r}).read()"
    run = each_tier.run_document(graph(node(body, returns="str")), permissions=Permissions(all=True))
    assert run.result()["n0"]["output_1"] == "given"


def test_the_command_prints_the_hint(tmp_path: Path, folder: Path) -> None:
    graph_file = tmp_path / "graph.json"
    graph_file.write_text(graph(node(f"open({str(folder / 'given.txt')!r})")))
    with running_daemon() as daemon:
        done = pyflowctl(daemon.socket, "run", str(graph_file), env={**os.environ, "COLUMNS": "80"})
        assert done.returncode == 1
        assert f"--allow-read {folder / 'given.txt'}" in done.stderr.replace("\n", " ")
        allowed = pyflowctl(daemon.socket, "run", str(graph_file), "--allow-read", str(folder / "given.txt"))
        assert (allowed.returncode, allowed.stdout) == (0, "Node 0.output_1 = null\n")


def test_what_was_granted_by_way_of_a_link_is_found_there(each_tier: Client, folder: Path) -> None:
    link = folder.parent / f"{folder.name}-link"
    link.symlink_to(folder)
    body = f"import os\nreturn [open({str(link / 'given.txt')!r}).read(), open({str(folder / 'given.txt')!r}).read()]"
    for permissions, workdir in ((Permissions(read=(str(link),)), None), (Permissions(), str(link))):
        run = each_tier.run_document(graph(node(body, returns="list")), permissions=permissions, workdir=workdir)
        assert run.result()["n0"]["output_1"] == ["given", "given"]
