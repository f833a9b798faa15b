"""Results that are kept: taken where nothing has changed, and never where something has."""

import contextlib
import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pyflowd_client.blocking import Client
from pyflowd_client.protocol.events import Diagnostic, NodeFinished, NodeOutput, NodeStarted
from pyflowd_client.protocol.options import Permissions
from pyflowd_client.run import Run
from support.daemons import PATIENCE_S, RunningDaemon, graph, node, pyflowctl, running_daemon
from support.tiny_wheels import install, make_environment, make_wheel
from support.zygote import find_interpreters

ONCE = node("import uuid\nreturn str(uuid.uuid4())", "x: int = 0", "str")  # what is executed again gives another value
READS = node("import uuid\nreturn [open(path).read(), str(uuid.uuid4())]", "path: str", "list")
SETTLED_S = 0.15  # so old has a file to be that its time tells it from others


def with_metadata(text: str, **metadata: object) -> str:
    """The graph with this in the first node's Metadata."""
    document = json.loads(text)
    document["nodes"][0] |= metadata
    return json.dumps(document)


def run(client: Client, text: str = graph(ONCE), **options: Any) -> Run:
    done = client.run_document(text, name="g.json", **{"cache": True, **options})
    done.result()
    return done


def value(client: Client, text: str = graph(ONCE), **options: Any) -> Any:
    """What the first node gives."""
    return run(client, text, **options).outputs["n0"]["output_1"]


def events_of(client: Client, text: str, **options: Any) -> list[Any]:
    return list(client.run_document(text, name="g.json", **{"cache": True, **options}))


def settled(*paths: Path) -> None:
    """Wait until these files are old enough to be told from what they may become."""
    while any(time.time() - path.lstat().st_ctime < SETTLED_S for path in paths):
        pass


def results_of(daemon: RunningDaemon) -> Path:
    return daemon.folder / "d.sock.state" / "results"


def kept(daemon: RunningDaemon) -> list[Path]:
    """The files of the results that a daemon has written."""
    return [path for path in results_of(daemon).glob("??/*") if not path.name.startswith("draft-")]


def test_the_second_run_executes_nothing(client: Client) -> None:
    text = graph(ONCE, node("return x + '!'", "x: str", "str"), edges=(("n0", "output_1", "n1", "x"),))
    first = run(client, text)
    events = events_of(client, text)
    finished = {event.node: event for event in events if isinstance(event, NodeFinished)}
    assert {name: event.outputs for name, event in finished.items()} == {
        name: first.outputs[name] for name in ("n0", "n1")
    }
    assert not any(isinstance(event, NodeStarted) for event in events)
    assert all(event.cached and event.cpu_s == 0 and event.duration_s < 5 for event in finished.values())
    assert [event.seq for event in events] == list(range(1, len(events) + 1))


def test_nothing_is_kept_or_taken_unless_somebody_asks(client: Client) -> None:
    text = graph(ONCE.replace("uuid\n", "uuid  # unasked\n"))
    values = [
        value(client, text, **options) for options in ({"cache": None}, {}, {"cache": None}, {"cache": False}, {})
    ]
    assert values[1] == values[4]
    assert len(set(values)) == 4


def test_a_node_can_ask_and_refuse_for_itself(client: Client) -> None:
    asks, refuses = (with_metadata(graph(ONCE), cache=wish, x=str(wish)) for wish in (True, False))
    assert value(client, asks, cache=None) == value(client, asks, cache=None) != value(client, asks, cache=False)
    assert value(client, refuses) != value(client, refuses)


def test_metadata_that_cannot_be_meant_is_an_error(client: Client) -> None:
    for wish in ("yes", {"file": []}, {"files": ["../x"]}, {"files": [1]}):
        events = events_of(client, with_metadata(graph(ONCE), cache=wish))
        assert "bad_cache" in [event.code for event in events if isinstance(event, Diagnostic)]


def test_output_comes_again_as_it_was_and_so_do_large_and_odd_values(client: Client) -> None:
    body = (
        "import sys, uuid\nprint('out', uuid.uuid4(), flush=True)\nprint('err', file=sys.stderr, flush=True)\n"
        "print('no end', end='')\nreturn ['x' * 3_000_000, float('nan'), 2**200, '\\ud800']"
    )
    text = graph(
        node(body, returns="list"), node("return len(v[0])", "v: list"), edges=(("n0", "output_1", "n1", "v"),)
    )
    first, second = (events_of(client, text) for _ in range(2))
    for stream in ("stdout", "stderr"):
        texts = [
            "".join(event.text for event in events if isinstance(event, NodeOutput) and event.stream == stream)
            for events in (first, second)
        ]
        assert texts[0] == texts[1] != ""
    ends = [[event for event in events if isinstance(event, NodeFinished)] for events in (first, second)]
    assert [event.cached for event in ends[1]] == [True, True]
    assert ends[0][0].outputs == ends[1][0].outputs
    assert ends[1][0].outputs["output_1"]["$value"]["size_bytes"] > 3_000_000
    whole = run(client, text, max_value_bytes=None).outputs["n0"]["output_1"]
    assert (len(whole[0]), repr(whole[1:])) == (3_000_000, repr([float("nan"), 2**200, "\ud800"]))


def test_a_large_input_is_read_where_it_lies(client: Client) -> None:
    use = node("import uuid\nreturn [len(s), str(uuid.uuid4())]", "s: str", "list")
    texts = [
        graph(node(f"return {letter!r} * 5_000_000", returns="str"), use, edges=(("n0", "output_1", "n1", "s"),))
        for letter in "ab"
    ]
    values = [run(client, text).outputs["n1"]["output_1"] for text in (*texts, *texts)]
    assert values[0] == values[2] != values[1] == values[3]


MUTATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "code": (graph(ONCE + "# other\n"), {}),
    "input": (graph(ONCE), {"inputs": {"n0.x": 1}}),
    "an input that is a default": (graph(ONCE), {"inputs": {"n0.x": 0}}),
    "seed": (graph(ONCE), {"seed": 1}),
    "variable": (graph(ONCE), {"permissions": Permissions(env={"A": "1"})}),
    "its value": (graph(ONCE), {"permissions": Permissions(env={"A": "2"})}),
    "a graph's environment": (with_metadata(graph(ONCE), environment={"python": ">=3.9"}), {}),
}


def test_every_part_of_the_key_counts(client: Client, folder: Path) -> None:
    settled(folder)
    mutations = {
        **MUTATIONS,
        "read": (graph(ONCE), {"permissions": Permissions(read=(str(folder),))}),
        "write": (graph(ONCE), {"permissions": Permissions(write=(str(folder),))}),
        "workdir": (graph(ONCE), {"workdir": str(folder)}),
        "nothing": (graph(ONCE), {}),
    }
    first = {name: value(client, text, **options) for name, (text, options) in mutations.items()}
    assert len(set(first.values())) == len(mutations)
    again = {name: value(client, text, **options) for name, (text, options) in mutations.items()}
    assert again == first


def test_another_title_or_place_changes_nothing(client: Client) -> None:
    text = with_metadata(graph(ONCE), title="Another", pos=[5, 5])
    assert value(client, text) == value(client)


def test_the_network_lets_results_be_kept_only_where_the_node_says_so(client: Client) -> None:
    net = {"permissions": Permissions(net=True)}
    assert value(client, **net) != value(client, **net)
    asks = with_metadata(graph(ONCE), cache=True)
    assert value(client, asks, **net) == value(client, asks, **net) != value(client, asks)


def test_another_package_and_another_interpreter_count(client: Client, folder: Path) -> None:
    body = (
        "import uuid\ntry:\n    import widget\n    seen = widget.version\nexcept ImportError:\n    seen = None\n"
        "return [seen, str(uuid.uuid4())]"
    )
    code = node(body, returns="list")
    python = make_environment(folder / "env", find_interpreters()[0])
    values = []
    for version in (None, "1", "2"):
        if version is not None:
            install(python, str(make_wheel(folder / version, "widget", version)))
        values.append(value(client, graph(code), python=python))
        assert value(client, graph(code), python=python) == values[-1]
    assert [seen for seen, _ in values] == [None, "1", "2"]
    other = make_environment(folder / "other", find_interpreters()[0])
    assert value(client, graph(code), python=other) not in values


CHANGES: dict[str, Callable[[Path], object]] = {
    "content": lambda path: path.write_text("other"),
    "dated back": lambda path: _write_dated_back(path),
    "replaced": lambda path: (path.with_name("new").write_text("one"), path.with_name("new").replace(path)),
}


def _write_dated_back(path: Path) -> None:
    before = path.stat()
    path.write_text("two")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("grants", ["file", "folder", "workdir"])
def test_a_file_that_has_changed_is_read_again(
    client: Client, folder: Path, grants: str, change: Callable[[Path], object]
) -> None:
    path = folder / "a.txt"
    path.write_text("one")
    path.chmod(0o644)
    options: dict[str, Any] = {
        "file": {"permissions": Permissions(read=(str(path),))},
        "folder": {"permissions": Permissions(read=(str(folder),))},
        "workdir": {"workdir": str(folder)},
    }[grants]
    options["inputs"] = {"n0.path": str(path)}
    settled(path, folder)
    first = value(client, graph(READS), **options)
    assert first == value(client, graph(READS), **options)
    change(path)
    path.chmod(0o644)
    settled(path, folder)
    second = value(client, graph(READS), **options)
    assert (second[0], second[1] != first[1]) == (path.read_text(), True)
    assert second == value(client, graph(READS), **options)


def test_what_changes_while_a_node_reads_it_is_not_kept(client: Client, daemon: RunningDaemon, folder: Path) -> None:
    path = folder / "a.txt"
    path.write_text("one")
    path.chmod(0o644)
    body = (
        "import time\ntext = open(path).read()\nprint('read', flush=True)\n"
        "while open(path).read() == text: time.sleep(0.001)\nreturn text"
    )
    options: dict[str, Any] = {"inputs": {"n0.path": str(path)}, "permissions": Permissions(read=(str(folder),))}
    before = kept(daemon)
    for now, then in (("one", "two"), ("two", "three")):
        settled(path, folder)
        under_way = client.run_document(graph(node(body, "path: str", "str")), cache=True, timeout_s=20, **options)
        for event in under_way:
            if isinstance(event, NodeOutput):
                path.write_text(then)
        assert under_way.outputs["n0"]["output_1"] == now
    assert value(client, seed=99) == value(client, seed=99)  # results are written one after the other
    assert len(kept(daemon)) == len(before) + 1


def test_a_node_that_writes_where_it_may_is_executed_each_time(client: Client, folder: Path) -> None:
    folder.chmod(0o777)
    code = node("with open(path, 'a') as file: file.write('x')\nreturn open(path).read()", "path: str", "str")
    options: dict[str, Any] = {
        "inputs": {"n0.path": str(folder / "log")},
        "permissions": Permissions(write=(str(folder),)),
    }
    values = []
    for _ in range(3):
        settled(folder, *folder.iterdir())
        values.append(value(client, graph(code), **options))
    assert values == ["x", "xx", "xxx"]


def test_files_that_only_the_graph_names_are_not_looked_at(client: Client, folder: Path) -> None:
    (folder / "deep").mkdir()
    text = with_metadata(graph(ONCE), cache={"files": [str(folder / "deep")]})
    events = events_of(client, text, explain=True)
    [told] = [event.message for event in events if isinstance(event, Diagnostic) and event.code == "cache"]
    assert "were not permitted to read" in told
    settled(folder)
    granted = {"permissions": Permissions(read=(str(folder),))}
    assert value(client, text, **granted) == value(client, text, **granted)


def test_failures_are_not_kept(client: Client) -> None:
    code = node("raise ValueError(x)", "x: int = 0")
    for _ in range(2):
        assert any(isinstance(event, NodeStarted) for event in events_of(client, graph(code)))


def test_output_beyond_its_limit_is_not_kept(client: Client) -> None:
    code = node("import uuid\nprint('x' * 5000)\nreturn str(uuid.uuid4())", returns="str")
    limit = {"output_bytes": 1000}
    assert value(client, graph(code), **limit) != value(client, graph(code), **limit)
    assert value(client, graph(code)) == value(client, graph(code), **limit)


def test_reasons_are_told_to_who_asks(daemon: RunningDaemon, folder: Path) -> None:
    (folder / "why.json").write_text(graph(node("print('hello')\nreturn x + 2", "x: int = 0"), n0="Adder"))
    ask = ("run", str(folder / "why.json"), "--cache", "--explain")
    first, second = (pyflowctl(daemon.socket, *ask) for _ in range(2))
    other = pyflowctl(daemon.socket, *ask, "--input", "Adder.x=3", "--seed", "4")
    off = pyflowctl(daemon.socket, *ask, "--no-cache")
    assert "info: Adder: is executed: no result of it is kept [cache]" in first.stderr
    assert "info: Adder: is not executed: its result was kept [cache]" in second.stderr
    assert (first.stdout, "Adder | hello\n" in first.stderr) == (second.stdout, "Adder | hello\n" in second.stderr)
    assert 'other than when its newest result was kept: seed, input "x"' in other.stderr
    assert "caching is off for this run" in off.stderr
    lines = pyflowctl(daemon.socket, *ask, "--json").stdout.splitlines()
    assert [event["node"] for event in map(json.loads, lines) if event.get("code") == "cache"] == ["n0"]


def test_many_clients_at_once_see_one_value(daemon: RunningDaemon) -> None:
    text = graph(*[ONCE.replace("uuid\n", f"uuid  # {number}\n", 1) for number in range(10)])
    with daemon.client() as client:
        first = _values(run(client, text))
    seen: list[dict[str, Any]] = []

    def work() -> None:
        with daemon.client() as session:
            seen.extend(_values(run(session, text)) for _ in range(5))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [first] * 20


def _values(done: Run) -> dict[str, Any]:
    return {node: outputs["output_1"] for node, outputs in done.outputs.items()}


def test_a_damaged_result_is_executed_anew_and_kept_again(client: Client, daemon: RunningDaemon) -> None:
    text = graph(ONCE.replace("uuid\n", "uuid  # damaged\n"))
    before = set(kept(daemon))
    first = value(client, text)
    assert value(client, text) == first
    [path] = set(kept(daemon)) - before
    path.write_bytes(path.read_bytes()[:-1])
    second = value(client, text)
    assert second != first
    assert value(client, text) == second


def test_results_outlive_their_daemon_and_are_kept_by_the_settings() -> None:
    with running_daemon(settings="[cache]\nenabled = true\n") as daemon:
        with daemon.client() as client:
            first = value(client, cache=None)
        daemon.stop()
        again = running_daemon(folder=daemon.folder, settings="[cache]\nenabled = true\n")
        with again as next_one, next_one.client() as client:
            assert value(client, cache=None) == first
            assert value(client, cache=False) != first


def test_a_full_budget_evicts_what_was_used_longest_ago() -> None:
    """Of results of 300 kB three fit into 1 MB: the one that is always used stays, of the others the newest."""
    codes = [
        node(f"import uuid\nreturn ['x' * 300_000, {number}, str(uuid.uuid4())]", returns="list") for number in range(6)
    ]
    with running_daemon(settings="[cache]\nsize_bytes = 1000000\n") as daemon, daemon.client() as client:
        first = value(client, graph(codes[0]))
        for code in codes[1:]:
            value(client, graph(code))
            assert value(client, graph(codes[0])) == first
        assert sum(path.stat().st_size for path in kept(daemon)) <= 1_000_000
        assert len(kept(daemon)) == 3
        assert value(client, graph(codes[5])) == value(client, graph(codes[5]))


def test_two_daemons_share_a_folder(tmp_path: Path) -> None:
    with running_daemon() as one, running_daemon() as other:
        results_of(one).mkdir(mode=0o700)
        results_of(other).symlink_to(results_of(one))
        with one.client() as left, other.client() as right:
            first = value(left)
            _wait_for(lambda: bool(kept(one)))
            assert value(right) == first
            text = graph(ONCE.replace("uuid\n", "uuid  # other\n"))
            second = value(right, text)
            _wait_for(lambda: len(kept(one)) == 2)
            assert value(left, text) == second


def _wait_for(is_so: Callable[[], bool]) -> None:
    give_up_s = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < give_up_s


def test_kill_9_while_a_result_is_written_leaves_none_or_the_whole() -> None:
    code = node("import uuid\nreturn ['x' * 60_000_000, str(uuid.uuid4())]", returns="list")
    length = node("return [len(v[0]), v[1]]", "v: list", "list")
    text = graph(code, length, edges=(("n0", "output_1", "n1", "v"),))
    with running_daemon() as daemon:
        with contextlib.closing(daemon.client()) as client:
            client.run_document(text, name="g.json", cache=True)
            _wait_for(lambda: any(results_of(daemon).glob("??/*")))
            daemon.kill()
        with running_daemon(folder=daemon.folder) as next_one, next_one.client() as client:
            values = [run(client, text).outputs["n1"]["output_1"] for _ in range(2)]
            assert values[0] == values[1]
            assert values[0][0] == 60_000_000
