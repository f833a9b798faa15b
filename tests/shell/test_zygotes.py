"""Fork servers that import packages: started again without those that keep them from coming up, and never let out."""

import importlib.util
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import psutil
import pytest

from pyflowd.core import effects, stimuli
from pyflowd.core.ids import EnvironmentId, WorkerId, ZygoteId
from pyflowd.shell import event_loop, zygote_process
from support.environments import make_environment, write_files
from support.fork_servers import PATIENCE_S, ForkServers, fork_servers
from support.stand_in_python import make_script
from support.tiers import ALL, BEST, WRAPPED
from support.zygote import find_interpreters

OWN = find_interpreters()[0]
MODULES = {
    "good.py": "import os\nPID = os.getpid()\n",
    "raises.py": "raise RuntimeError('no')\n",
    "crashes.py": "import ctypes\nctypes.string_at(0)\n",
    "leaves.py": "import os\nos._exit(7)\n",
    "threads.py": "import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()\n",
    "hangs.py": "import threading\nthreading.Event().wait()\n",
    "late.py": "import _pyflowd_worker.zygote as zygote\nzygote.rehearsal = None\n",
    "attacks.py": """
import ctypes, os
libc = ctypes.CDLL(None, use_errno=True)
def tries(what):
    try:
        return what()
    except OSError:
        return False
def succeeds(result):
    return result >= 0
def mount(flags, source=b"none", target=b"/usr"):
    return lambda: succeeds(libc.mount(source, target, None, flags, None))
def call(number, *arguments):
    return lambda: succeeds(libc.syscall(number, *arguments))
def others():
    return [int(name) for name in os.listdir("/proc") if name.isdigit() and int(name) != os.getpid()]
def memory():
    return any(tries(lambda: open("/proc/%d/mem" % pid, "r+b")) for pid in others())
def signals():
    return any(tries(lambda: os.kill(pid, 0) is None) for pid in others())
def outlives():
    before, after = ctypes.c_int(), ctypes.c_int()
    libc.prctl(2, ctypes.byref(before))
    libc.prctl(1, 0)
    libc.prctl(2, ctypes.byref(after))
    return before.value == 9 != after.value and os.getpid() == 1
found = [name for name, attack in {
    "remounts": mount(32 | 4096),
    "binds": mount(4096, b"/usr", b"/proc"),
    "moves": mount(8192, b"/usr", b"/proc"),
    "shares": mount(1 << 20),
    "unmounts": lambda: succeeds(libc.umount2(b"/usr", 2)),
    "turns the root": call(155, b"/usr", b"/usr"),
    "clones a tree": call(428, -100, b"/usr", 1),
    "clones a tree with attributes": call(467, -100, b"/usr", 1, (ctypes.c_uint64 * 4)(), 32),
    "sets attributes": call(442, -100, b"/usr", 0, (ctypes.c_uint64 * 4)(0, 1, 0, 0), 32),
    "opens a file system": call(430, b"tmpfs", 0),
    "writes into the memory of others": memory,
    "signals others": signals,
    "outlives the daemon": outlives,
}.items() if tries(attack)]
raise RuntimeError(found)
""",
}


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("servers")
    for path in (folder, folder.parent, folder.parent.parent):
        path.chmod(0o755)
    return make_environment(OWN, folder / "env", MODULES)


def running(python: str, patience_s: float = 0.5) -> list[psutil.Process]:
    """The processes of an interpreter, but for those that end within so many seconds."""
    every = psutil.process_iter(["cmdline"])
    found = [process for process in every if (process.info["cmdline"] or [""])[0] == python]
    _, alive = psutil.wait_procs(found, patience_s)
    return alive


def within(tier: str, scenario: Callable[[ForkServers], Awaitable[None]]) -> None:
    """Play a scenario with the fork servers of a tier."""

    async def play() -> None:
        async with fork_servers(tier) as servers:
            await scenario(servers)

    event_loop.run(play())


@pytest.mark.parametrize("tier", ALL)
def test_whatever_a_module_does_the_fork_server_comes_up_without_it(
    python: str, tier: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zygote_process, "IMPORT_S", 1.5)

    async def scenario(servers: ForkServers) -> None:
        warmed = await servers.start(python, "decimal", "crashes", "raises", "threads", "hangs", "leaves", "good")
        assert [name for name, _ in warmed.preloaded] == ["decimal", "good"]
        reasons = dict(warmed.not_preloaded)
        assert reasons == {
            "crashes": "the fork server was ended by SIGSEGV",
            "threads": "it leaves a thread running",
            "hangs": "the import took longer than 1.5 seconds",
            "leaves": "the fork server left with status 7",
            "raises": "RuntimeError: no",
        }
        assert warmed.tier == tier
        [alive] = running(python)
        assert alive.pid == warmed.pid
        source = (
            "import sys\n@node_entry\ndef f() -> list:\n    return ['good' in sys.modules, 'threads' in sys.modules]\n"
        )
        assert await servers.run(python, source) == [[True, False]]

    within(tier, scenario)


def test_a_fork_server_that_is_lost_after_all_imports_goes_without_them(python: str) -> None:
    async def scenario(servers: ForkServers) -> None:
        warmed = await servers.start(python, "good", "late")
        assert warmed.preloaded == ()
        assert [name for name, _ in warmed.not_preloaded] == ["good", "late"]
        assert await servers.run(python, "@node_entry\ndef f() -> int:\n    return 1\n") == [1]

    within("T0", scenario)


def test_after_a_few_restarts_nothing_is_preloaded(tmp_path: Path) -> None:
    names = [f"crashes_{number}" for number in range(7)]
    python = make_environment(OWN, tmp_path / "env", {f"{name}.py": "import os\nos.abort()\n" for name in names})

    async def scenario(servers: ForkServers) -> None:
        warmed = await servers.start(python, *names, "decimal")
        assert warmed.preloaded == ()
        reasons = [reason for _, reason in warmed.not_preloaded]
        assert reasons == ["the fork server was ended by SIGABRT"] * 5 + ["the fork server was lost too often"] * 3

    within("T0", scenario)


def test_more_than_an_order_holds_is_not_asked_for(python: str) -> None:
    async def scenario(servers: ForkServers) -> None:
        warmed = await servers.start(python, *(f"{'x' * 190}{number}" for number in range(300)))
        reasons = [reason for _, reason in warmed.not_preloaded]
        assert sorted(set(reasons)) == ["there are too many others", "there is no such module"]
        assert len(reasons) == 300

    within("T0", scenario)


@pytest.fixture
def secret(tmp_path: Path) -> Iterator[Path]:
    """A file of the user's, and packages that read it when they are imported, and when the interpreter starts."""
    for path in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        path.chmod(0o755)
    file = tmp_path / "secret"
    file.write_text("the user's own")
    make_environment(OWN, tmp_path / "env", {"reads.py": f"SECRET = open({str(file)!r}).read()\n"})
    [site] = (tmp_path / "env").glob("lib/python3*/site-packages")
    code = "import reads_early"
    early = f"import os\ntry:\n    os.environ['SECRET'] = open({str(file)!r}).read()\nexcept OSError:\n    pass\n"
    write_files(site, {"early.pth": code + "\n", "reads_early.py": early})
    return file


@pytest.mark.parametrize("tier", ALL[1:])
def test_what_a_fork_server_imports_reads_no_more_than_nodes_may(secret: Path, tier: str) -> None:
    python = str(secret.parent / "env" / "bin" / "python")

    async def scenario(servers: ForkServers) -> None:
        warmed = await servers.start(python, "reads", "decimal")
        assert [name for name, _ in warmed.preloaded] == ["decimal"]
        [(name, reason)] = warmed.not_preloaded
        assert name == "reads"
        assert "Permission denied" in reason or "No such file" in reason
        look = "import os\n@node_entry\ndef f() -> list:\n    return [os.environ.get('SECRET')]\n"
        assert await servers.run(python, look) == [[None]]

    within(tier, scenario)


@pytest.mark.parametrize("tier", WRAPPED)
def test_what_a_fork_server_imports_changes_nothing_of_its_sandbox(python: str, tier: str) -> None:
    async def scenario(servers: ForkServers) -> None:
        warmed = await servers.start(python, "attacks")
        assert dict(warmed.not_preloaded) == {"attacks": "RuntimeError: []"}

    within(tier, scenario)


@pytest.mark.parametrize("tier", ALL)
def test_a_worker_has_another_process_id_than_the_fork_server_had_in_its_imports(python: str, tier: str) -> None:
    """By that libraries see that they were forked, and that their random numbers must not be the same."""

    async def scenario(servers: ForkServers) -> None:
        await servers.start(python, "good")
        source = "import good, os\n@node_entry\ndef f() -> list:\n    return [good.PID, os.getpid()]\n"
        for of_fork_server, of_worker in await servers.run(python, source, 3):
            assert of_fork_server != of_worker

    within(tier, scenario)


@pytest.mark.parametrize("tier", ALL)
def test_random_numbers_of_openssl_are_not_shared(tmp_path: Path, tier: str) -> None:
    for path in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        path.chmod(0o755)
    draws = "import ssl\nssl.RAND_bytes(8)\nssl.create_default_context()\n"
    python = make_environment(OWN, tmp_path / "env", {"draws.py": draws})

    async def scenario(servers: ForkServers) -> None:
        warmed = await servers.start(python, "draws")
        assert warmed.not_preloaded == ()
        source = "import ssl\n@node_entry\ndef f() -> str:\n    return ssl.RAND_bytes(8).hex()\n"
        found = await servers.run(python, source, 4)
        assert len(set(found)) == 4

    within(tier, scenario)


def test_nothing_is_preloaded_when_nobody_asks(python: str) -> None:
    async def scenario(servers: ForkServers) -> None:
        warmed = await servers.start(python)
        assert (warmed.preloaded, warmed.not_preloaded) == ((), ())

    within("T0", scenario)


@pytest.mark.parametrize("tier", ALL)
@pytest.mark.parametrize("is_born", [True, False])
def test_a_fork_server_that_tells_of_no_death_is_given_up(
    python: str, tier: str, is_born: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zygote_process, "TELLS_S", 0.2)

    async def scenario(servers: ForkServers) -> None:
        warmed = await servers.start(python)
        zygote, worker = servers.ids[python], WorkerId(1)
        fork = effects.ForkWorkers(zygote=zygote, workers=(worker,))
        if is_born:
            servers.zygotes.fork(fork)
            await servers.wait(1, stimuli.WorkersForked)
        os.kill(warmed.pid, signal.SIGSTOP)
        if not is_born:
            servers.zygotes.fork(fork)
        servers.zygotes.kill(effects.KillWorker(zygote=zygote, worker=worker))
        [lost] = await servers.wait(1, stimuli.ZygoteLost)
        assert lost == stimuli.ZygoteLost(zygote=zygote, reason=f"{python} does not answer")
        assert running(python, PATIENCE_S) == []

    within(tier, scenario)


@pytest.mark.parametrize(
    ("command", "how"),
    [
        ("kill -9 $$", "was ended by SIGKILL before it could run nodes: is it a Python interpreter?"),
        ("exit 3", "left with status 3 before it could run nodes: is it a Python interpreter?"),
        ("echo first >&2; echo no such thing >&2; exit 1", "left with status 1: no such thing"),
    ],
)
def test_how_a_fork_server_ended_before_it_was_one_is_told(tmp_path: Path, command: str, how: str) -> None:
    script = make_script(tmp_path / "python3", command)

    async def scenario(servers: ForkServers) -> None:
        start = effects.StartZygote(zygote=ZygoteId(1), environment=EnvironmentId(str(script)))
        servers.zygotes.start(start)
        [lost] = await servers.wait(1, stimuli.ZygoteLost)
        assert lost == stimuli.ZygoteLost(zygote=ZygoteId(1), reason=f"{script} {how}")

    within("T0", scenario)


def has_numpy() -> bool:
    return importlib.util.find_spec("numpy") is not None


@pytest.mark.skipif(not has_numpy(), reason="numpy is not installed beside the tests")
def test_random_numbers_of_numpy_are_the_same_only_for_the_same_seed() -> None:
    python = str(Path(sys.prefix, "bin", "python3"))
    source = """
import os, sys
there = "numpy.random" in sys.modules
import numpy
@node_entry
def f() -> list:
    threads = len(os.listdir("/proc/self/task"))
    (numpy.ones((300, 300)) @ numpy.ones((300, 300))).sum()
    drawn = [float(numpy.random.random()), float(numpy.random.default_rng().random())]
    return [there, threads, len(os.listdir("/proc/self/task")), *drawn]
"""

    async def scenario(servers: ForkServers) -> None:
        warmed = await servers.start(python, "numpy", "numpy.random")
        assert warmed.not_preloaded == ()
        found = await servers.run(python, source, 3)
        assert [one[:3] for one in found] == [[True, 1, 1]] * 3
        assert len({one[3] for one in found}) == len({one[4] for one in found}) == 3
        seeded = [*await servers.run(python, source, 2, seed=7), *await servers.run(python, source, 1, seed=8)]
        first, second, other = (one[3] for one in seeded)
        assert first == second != other

    within(BEST, scenario)


@pytest.mark.parametrize("tier", ALL)
def test_what_nodes_are_said_to_have_imported_can_be_preloaded_as_it_was_said(python: str, tier: str) -> None:
    source = "@node_entry\ndef f() -> list:\n    import good, decimal, xml.dom.minidom\n    return sorted(vars())\n"

    async def scenario(servers: ForkServers) -> None:
        await servers.start(python)
        assert await servers.run(python, source) == [["decimal", "good", "xml"]]
        names = [name for name, _ in servers.imports]
        assert names == ["good", "decimal", "xml.dom.minidom"]
        servers.zygotes.end(effects.EndZygote(zygote=servers.ids[python]))
        warmed = await servers.start(python, *names)
        assert [name for name, _ in warmed.preloaded] == names
        assert await servers.run(python, source) == [["decimal", "good", "xml"]]
        assert servers.imports == ()

    within(tier, scenario)
