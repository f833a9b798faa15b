"""Warmth: what nodes import is learnt and imported beforehand, what spoils that is left out, and idle ones go."""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyflowd_client.blocking import Client
from pyflowd_client.protocol.replies import ForkServer
from support.daemons import ADD, RunningDaemon, graph, node, pyflowctl
from support.held_nodes import Held
from support.packages import make_wheel
from support.workplaces import Workplace, version_node, workplace
from support.zygote import poll_until, wait_gone

SLOW = "import time\nend = time.perf_counter() + 0.05\nwhile time.perf_counter() < end:\n    pass\n"
TROUBLES = {  # each is harmless in a node that says that it is one, and takes long enough to be worth learning
    "raises": "raise RuntimeError('not here')",
    "threads": "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()",
    "leaves": "import os\nos._exit(3)",
    "hangs": "import threading\nthreading.Event().wait()",
}
IS_THERE = "import sys\nis_there = '{0}' in sys.modules\nsys.is_node = True\nimport {0}\nreturn is_there"


NUMBERS = itertools.count()


def whether_there(module: str) -> str:
    """A graph of a node that imports a module, and says whether somebody had done so before it."""
    return graph(node(IS_THERE.format(module), returns="bool"))


def was_there(client: Client, module: str, environment: str) -> bool:
    """Run it."""
    found: bool = client.run_document(whether_there(module), environment=environment).result()["n0"]["output_1"]
    return found


@pytest.fixture(scope="module")
def place() -> Iterator[Workplace]:
    """Its index has `trouble`, with modules that are slow, and some that are worse."""
    with workplace() as made:
        files = {"trouble.py": "", "heavy.py": SLOW, "heavier.py": SLOW}
        for name, text in TROUBLES.items():
            lines = "".join(f"    {line}\n" for line in text.splitlines())
            files[f"{name}.py"] = f"import sys\n{SLOW}if not hasattr(sys, 'is_node'):\n{lines}"
        make_wheel(made.index.folder, "trouble", files=files)
        yield made


@pytest.fixture(scope="module")
def daemon(place: Workplace) -> Iterator[RunningDaemon]:
    with place.daemon() as running:
        yield running


@pytest.fixture
def warm(client: Client) -> Iterator[str]:
    """An environment with all that trouble, of which nothing was learnt yet."""
    name = f"warm{next(NUMBERS)}"
    client.environments.create(name, "trouble").result()
    yield name
    client.environments.remove(name)


def server(client: Client, module: str, environment: str) -> ForkServer:
    """The fork server that nodes are forked from, once it has heard of a module."""

    def found() -> list[ForkServer]:
        servers = client.environments.show(environment).fork_servers
        named = [(one, {*(item.module for item in one.preloaded), *(item.module for item in one.not_preloaded)})
                 for one in servers if one.state == "warm"]  # fmt: skip
        return [one for one, names in named if module in names]

    poll_until(lambda: bool(found()))
    return found()[0]


def test_what_a_node_imports_is_there_before_the_next_one_begins(
    client: Client, daemon: RunningDaemon, warm: str
) -> None:
    assert not was_there(client, "heavy", warm)
    [preloaded] = [item for item in server(client, "heavy", warm).preloaded if item.module == "heavy"]
    assert preloaded.seconds >= 0.05
    assert was_there(client, "heavy", warm)
    assert client.environments.show(warm).learnt == ("heavy",)
    shown = pyflowctl(daemon.socket, "env", "show", warm).stdout
    assert "preloaded      heavy" in shown
    assert not was_there(client, "heavier", warm)  # what is learnt later comes in addition
    server(client, "heavier", warm)
    assert was_there(client, "heavy", warm)
    assert was_there(client, "heavier", warm)


@pytest.mark.parametrize(("module", "reason"), [("raises", "not here"), ("threads", "thread"), ("leaves", "3")])
def test_what_cannot_be_imported_beforehand_is_left_out_and_told(
    client: Client, daemon: RunningDaemon, warm: str, module: str, reason: str
) -> None:
    assert not was_there(client, "heavy", warm)
    assert not was_there(client, module, warm)
    found = server(client, module, warm)
    [refused] = found.not_preloaded
    assert refused.module == module
    assert reason in refused.reason
    assert [item.module for item in found.preloaded] == ["heavy"]
    assert not was_there(client, module, warm)
    assert was_there(client, "heavy", warm)
    shown = pyflowctl(daemon.socket, "env", "show", warm).stdout
    assert f"not preloaded  {module}" in shown
    client.environments.install(warm, "apple").result()  # a change of packages is a new chance
    assert not was_there(client, module, warm)
    assert server(client, module, warm).not_preloaded[0].module == module


def test_one_that_hangs_while_it_learns_keeps_nobody_waiting() -> None:
    with workplace() as place:
        hangs = "if not hasattr(sys, 'is_node'):\n    import threading\n    threading.Event().wait()\n"
        text = f"import sys\n{SLOW}{hangs}"
        make_wheel(place.index.folder, "hangs", files={"hangs.py": text})
        with place.daemon() as daemon, daemon.client() as client:
            client.environments.create("warm", "hangs").result()
            assert not was_there(client, "hangs", "warm")
            poll_until(lambda: len(client.environments.show("warm").fork_servers) == 2)
            assert not was_there(client, "hangs", "warm")
            assert {one.state for one in client.environments.show("warm").fork_servers} == {"warm", "warming"}


def test_what_was_learnt_outlives_the_daemon(place: Workplace) -> None:
    with workplace() as own:
        make_wheel(own.index.folder, "heavy", files={"heavy.py": SLOW})
        with own.daemon() as daemon, daemon.client() as client:
            client.environments.create("warm", "heavy").result()
            assert not was_there(client, "heavy", "warm")
            server(client, "heavy", "warm")
        with own.daemon() as daemon, daemon.client() as client:
            assert was_there(client, "heavy", "warm")
        client_file = own.folder / "d.sock.state" / "learnt.json"
        [learnt] = json.loads(client_file.read_text()).values()
        assert list(learnt["modules"]) == ["heavy"]
        client_file.write_text("{nonsense")
        with own.daemon() as daemon, daemon.client() as client:
            assert not was_there(client, "heavy", "warm")


def test_the_settings_say_what_is_warm_from_the_start(place: Workplace) -> None:
    settings = '[environments.warm.warm]\npreload = ["heavy", "raises", "nosuch"]\n[environments.warm.nobodys]\n'
    with workplace() as own:
        for wheel in place.index.folder.glob("trouble-*"):
            (own.index.folder / wheel.name).write_bytes(wheel.read_bytes())
        with own.daemon() as daemon, daemon.client() as client:
            client.environments.create("warm", "trouble").result()
        with own.daemon(settings) as daemon, daemon.client() as client:
            found = server(client, "heavy", "warm")
            assert [item.module for item in found.preloaded] == ["heavy"]
            assert sorted(item.module for item in found.not_preloaded) == ["nosuch", "raises"]
            assert client.environments.show("warm").is_kept
            assert was_there(client, "heavy", "warm")
            assert "nobodys" in daemon.log.read_text()


def pid_of(client: Client, environment: str) -> int:
    """The process that nodes are forked from there."""
    [found] = client.environments.show(environment).fork_servers
    assert found.pid is not None
    return found.pid


def test_one_is_warmed_and_cooled_by_word(client: Client, daemon: RunningDaemon, warm: str) -> None:
    assert client.environments.show(warm).environment.state == "cold"
    assert pyflowctl(daemon.socket, "env", "warm", warm).returncode == 0
    shown = client.environments.show(warm)
    assert (shown.environment.state, shown.is_kept) == ("warm", True)
    pid = pid_of(client, warm)
    assert not was_there(client, "heavier", warm)
    assert pyflowctl(daemon.socket, "env", "cool", warm).returncode == 0
    assert wait_gone(pid)
    assert client.environments.show(warm).environment.state == "cold"
    assert client.run_document(graph(ADD), environment=warm).result()["n0"]["output_1"] == 1


def test_one_that_cools_lets_its_node_finish(client: Client, daemon: RunningDaemon, folder: Path) -> None:
    client.environments.create("cooling", "apple").result()
    held = Held(client, folder, environment="cooling")
    pid = pid_of(client, "cooling")
    with daemon.client() as other:
        other.environments.cool("cooling")
    assert held.let_go() == "2.0 2.0"
    assert wait_gone(pid)
    client.environments.remove("cooling")


@pytest.mark.parametrize("setting", ["idle_s = 0.01", "most = 2"])
def test_who_is_not_used_makes_room_for_who_is(setting: str) -> None:
    with workplace() as place, place.daemon(f"[environments]\n{setting}\n") as daemon, daemon.client() as client:
        for name in ("first", "second"):
            client.environments.create(name, "apple").result()
        assert client.run_document(graph(ADD), environment="first").result()
        pid = pid_of(client, "first")
        run = client.run_document(graph(version_node("apple")), environment="second")
        assert run.result()["n0"]["output_1"] == "2.0"
        assert wait_gone(pid)
        assert client.environments.show("first").environment.state == "cold"
        assert client.run_document(graph(ADD), environment="first").result()  # and comes back


def test_a_budget_of_memory_lets_go_the_longest_unused_but_none_at_work(folder: Path) -> None:
    with (
        workplace() as place,
        place.daemon("[environments]\nmemory_bytes = 1\n") as daemon,
        daemon.client() as client,
        daemon.client() as other,
    ):
        for name in ("first", "second"):
            client.environments.create(name, "apple").result()
        assert client.run_document(graph(ADD), environment="first").result()
        pid = pid_of(client, "first")
        held = Held(client, folder, environment="second")
        assert wait_gone(pid)
        assert other.environments.show("second").environment.state == "warm"
        assert held.let_go() == "2.0 2.0"


def test_arrays_are_there_and_random_only_where_nobody_asked_for_the_same() -> None:
    numpy = pytest.importorskip("numpy")
    import sys

    draw = "import sys\nis_there = 'numpy' in sys.modules\nimport numpy, os\n"
    draw += "threads = [os.environ.get(name) for name in ('OMP_NUM_THREADS', 'OPENBLAS_NUM_THREADS')]\n"
    draw += "x = numpy.ones((300, 300))\nx @ x\n"
    draw += "count = len(os.listdir('/proc/self/task'))\nreturn [is_there, numpy.random.rand(), threads, count]"
    document = graph(*[node(draw, returns="list")] * 3)
    with workplace() as place, place.daemon() as daemon, daemon.client() as client:
        client.run_document(document, python=sys.executable).result()
        server(client, "numpy", sys.executable)
        free = [found["output_1"] for found in client.run_document(document, python=sys.executable).result().values()]
        assert [found[0] for found in free] == [True] * 3
        assert len({found[1] for found in free}) == 3
        assert [found[2:] for found in free] == [[["1", "1"], 1]] * 3
        seeded = [client.run_document(document, python=sys.executable, seed=7).result() for _ in range(2)]
        drawn = {found["output_1"][1] for run in seeded for found in run.values()}
        assert drawn == {numpy.random.RandomState(7).rand()}
