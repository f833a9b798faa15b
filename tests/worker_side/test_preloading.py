"""Modules imported by the zygote: there in every worker, and nothing else of them."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from pyflowd.worker_side.preloading import UNBOUND
from support.environments import make_environment
from support.zygote import Zygote, find_interpreters, run_node, wait_gone

INTERPRETERS = find_interpreters()
OWN = INTERPRETERS[0]
HARMLESS = {
    "good.py": "import inner\n",
    "inner.py": "",
    "deep/leaf.py": "",
    "raises.py": "raise RuntimeError('no')\n",
    "unprintable.py": "class E(Exception):\n    def __str__(self): raise E\nraise E\n",
    "exits.py": "import sys\nsys.exit(3)\n",
    "interrupts.py": "raise KeyboardInterrupt\n",
    "handles.py": "import signal\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\n"
    "import ctypes\nctypes.CDLL(None).signal(signal.SIGUSR1, ctypes.c_void_p(1))\n",
    "masks.py": "import signal\nsignal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGALRM, signal.SIGINT])\n",
    "rings.py": "import signal\nsignal.setitimer(signal.ITIMER_REAL, 0.001)\nsignal.setitimer(signal.ITIMER_PROF, 9)\n",
    "prints.py": "import os, sys\nsys.stdout.write('half a line')\nprint('a line')\nos.write(1, b'raw')\n"
    "import ctypes\nctypes.CDLL(None).puts(b'in C')\n",
    "replaces.py": "import io, sys\nsys.stdout = io.StringIO()\nsys.stderr = None\nsys.stdin = None\n",
    "moves.py": "import os\nos.chdir('/usr')\nos.umask(0)\n",
    "sets.py": "import os\nos.environ['OMP_NUM_THREADS'] = '9'\nos.environ['ADDED'] = 'x'\ndel os.environ['PATH']\n",
    "runs.py": "import subprocess\nsubprocess.run(['/bin/true'])\nprocess = subprocess.Popen(['/bin/true'])\n",
    "joins.py": "import threading\nthread = threading.Thread(target=int)\nthread.start()\nthread.join()\n",
    "opens.py": "open('/dev/null').close()\n",
    "forks.py": "import os\nif os.fork() == 0:\n    pass\nelse:\n    os.wait()\n",
}
SPOILING = {
    "threads": ("import threading, time\nthreading.Thread(target=time.sleep, args=(60,)).start()\n", "thread"),
    "spawns": ("import subprocess\nprocess = subprocess.Popen(['sleep', '60'], start_new_session=True)\n", "process"),
    "daemons": ("import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n        time.sleep(60)\n"
                "    os._exit(0)\nos.wait()\n", "process"),
    "listens": ("import socket\nlistener = socket.socket(socket.AF_UNIX)\n", "socket open (socket:"),
    "reads": ("file = open('/etc/passwd')\n", "open (/etc/passwd)"),
    "closes": ("import os\nos.close(1)\n", "closes a file"),
    "overwrites": ("import os\nos.dup2(2, 1)\n", "open (pipe:"),
    "maps": ("import mmap\nmemory = mmap.mmap(-1, 4096)\n", "memory that all workers would share"),
}  # fmt: skip
FATAL = {
    "leaves": ("import os\nos._exit(0)\n", 0),
    "crashes": ("import ctypes\nctypes.string_at(0)\n", -signal.SIGSEGV),
    "aborts": ("import os\nos.abort()\n", -signal.SIGABRT),
}
MODULES = {
    **HARMLESS,
    **{f"{name}.py": text for name, (text, _) in SPOILING.items()},
    **{f"{name}.py": text for name, (text, _) in FATAL.items()},
    "hangs.py": "import time\nwhile True:\n    time.sleep(60)\n",
}
LOOK = """
import os, signal, sys
@node_entry
def f() -> dict:
    sys.stdout.write("out")
    sys.stderr.write("err")
    status = open("/proc/self/status").read().split()
    return {
        "modules": sorted(sys.modules),
        "handlers": [str(signal.getsignal(number)) for number in range(1, 32)],
        "masks": [int(status[status.index(name) + 1], 16) & 0x7FFFFFFF for name in ("SigIgn:", "SigCgt:", "SigBlk:")],
        "timers": [signal.getitimer(which) for which in range(3)],
        "folder": os.getcwd(),
        "umask": os.umask(0),
        "variables": {name: value for name, value in os.environ.items() if name != "TMPDIR"},
        "streams": [sys.stdout is sys.__stdout__, sys.stderr is sys.__stderr__, sys.stdin is sys.__stdin__],
        "threads": len(os.listdir("/proc/self/task")),
        "descriptors": sorted(os.listdir("/proc/self/fd")),
    }
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_environment(OWN, tmp_path_factory.mktemp("preload") / "env", MODULES)


@pytest.fixture(scope="module", params=INTERPRETERS, ids=[path.split("/")[-3] for path in INTERPRETERS])
def any_python(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    return make_environment(request.param, tmp_path_factory.mktemp("preload") / "env", MODULES)


def looks(zygote: Zygote) -> Iterator[dict[str, object]]:
    """What two nodes see around them."""
    for _ in range(2):
        answer = run_node(zygote, LOOK)
        found = json.loads(answer.outputs["output_1"])
        assert answer.worker.read_to_end() == ("out", "err")
        assert found.pop("folder").startswith(zygote.scratch)
        yield found


def test_what_is_preloaded_is_there_in_every_worker_and_costs_it_no_import(any_python: str) -> None:
    source = """
import sys
there = "good" in sys.modules
@node_entry
def f() -> bool:
    import good, deep.leaf
    return there
"""
    with Zygote(any_python, ["decimal", "good", "deep.leaf"]) as zygote:
        assert [name for name, _ in zygote.warm["preloaded"]] == ["decimal", "good", "deep.leaf"]
        assert all(0 <= seconds < 5 for _, seconds in zygote.warm["preloaded"])
        assert zygote.warm["not_preloaded"] == zygote.warm["undone"] == []
        assert zygote.told == ["decimal", "good", "deep.leaf", ""]
        answer = run_node(zygote, source)
        assert answer.outputs == {"output_1": "true"}
        assert "imports" not in answer.header


def test_whatever_an_import_raises_is_told_and_nothing_more(any_python: str) -> None:
    names = ["raises", "unprintable", "exits", "interrupts", "nowhere", "good.nothing", "good"]
    with Zygote(any_python, names) as zygote:
        assert [name for name, _ in zygote.warm["preloaded"]] == ["good"]
        reasons = dict(zygote.warm["not_preloaded"])
        assert list(reasons) == names[:-1]
        assert reasons["raises"] == "RuntimeError: no"
        assert reasons["unprintable"] == "E, which cannot be printed"
        assert reasons["exits"] == "SystemExit: 3"
        assert reasons["interrupts"].startswith("KeyboardInterrupt")
        assert reasons["nowhere"] == "there is no such module"
        assert "good" in reasons["good.nothing"]
        assert run_node(zygote, "@node_entry\ndef f() -> int:\n    return 1\n").outputs == {"output_1": "1"}


def test_what_can_be_undone_is_undone(any_python: str) -> None:
    names = [name.partition(".")[0] for name, text in HARMLESS.items() if "/" not in name and "raise" not in text]
    with Zygote(any_python) as zygote:
        expected = next(looks(zygote))
    with Zygote(any_python, names) as zygote:
        assert [name for name, _ in zygote.warm["preloaded"]] == [name for name in names if name != "exits"]
        undone = "; ".join(zygote.warm["undone"])
        for name in ("handles", "masks", "rings", "moves", "sets"):
            assert f"{name}: " in undone
        for found in looks(zygote):
            assert found.pop("modules") != expected["modules"]
            assert found["variables"].pop("ADDED") == "x"  # type: ignore[attr-defined]  # whoever set it may count on it
            assert found == {name: value for name, value in expected.items() if name != "modules"}


@pytest.mark.parametrize("name", SPOILING)
def test_what_cannot_be_undone_spoils_the_zygote_which_says_so_and_leaves(python: str, name: str) -> None:
    with Zygote(python, ["good", name, "decimal"]) as zygote:
        assert zygote.warm["kind"] == "spoilt"
        assert zygote.warm["module"] == name
        assert SPOILING[name][1] in zygote.warm["reason"]
        assert zygote.told == ["good", name]
        assert zygote.process.wait(10) == 4


def test_what_a_spoilt_zygote_has_started_goes_with_it(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    code = (
        "import os, time\nif os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0:\n"
        f"        open({str(pid_file)!r} + '.new', 'w').write(str(os.getpid()))\n"
        f"        os.rename({str(pid_file)!r} + '.new', {str(pid_file)!r})\n"
        "        time.sleep(60)\n    os._exit(0)\nos.wait()\n"
        f"while not os.path.exists({str(pid_file)!r}):\n    time.sleep(0.001)\n"
    )
    python = make_environment(OWN, tmp_path / "env", {"lives_on.py": code})
    with Zygote(python, ["lives_on"]) as zygote:
        assert zygote.warm["kind"] == "spoilt"
        assert zygote.process.wait(10) == 4
        assert wait_gone(int(pid_file.read_text()))


@pytest.mark.parametrize("name", FATAL)
def test_a_zygote_that_ends_in_an_import_has_said_in_which(python: str, name: str) -> None:
    with Zygote(python, ["good", name], awaits_warm=False) as zygote:
        assert [zygote.receive()[0]["module"] for _ in range(2)] == ["good", name]
        with pytest.raises(AssertionError, match="the zygote left"):
            zygote.receive()
        assert zygote.process.returncode == FATAL[name][1]


def test_an_endless_import_ends_with_the_daemon(python: str) -> None:
    """Here with a shell between the two, for the test itself has to live on."""
    daemon = ["/bin/sh", "-c", '"$@" & wait', "sh"]
    with Zygote(python, ["hangs"], prefix=daemon, awaits_warm=False) as zygote:
        assert zygote.receive()[0]["module"] == "hangs"
        zygote.process.kill()
        assert wait_gone(zygote.pid)


@pytest.mark.parametrize(
    "name",
    ["this", "antigravity", "__phello__", "sched", "idlelib", "test.support", "tkinter", "pyflowd_client", "pip",
     "_pyflowd_worker.probes", "good.", ".good", "", "good bad", "x" * 300, "os.path.nothing", "__main__.x"],
)  # fmt: skip
def test_a_node_cannot_have_everything_imported(python: str, name: str) -> None:
    with Zygote(python, [name, "good"]) as zygote:
        assert [one for one, _ in zygote.warm["preloaded"]] == ["good"]
        ((refused, reason),) = zygote.warm["not_preloaded"]
        assert name.startswith(refused)
        assert reason
        source = f"import sys\n@node_entry\ndef f() -> bool:\n    return {name!r} in sys.modules\n"
        assert run_node(zygote, source).outputs == {"output_1": "false"}


def test_what_lies_beside_the_installed_packages_is_left_to_the_nodes(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "in_place.py").write_text("")
    (project / "half").mkdir()
    files = {"in_place.pth": f"{project}\n", "half/there.py": "", "linked.py": "", "good.py": ""}
    files["escapes/__init__.py"] = f"__path__.append({str(project)!r})\n"
    (project / "away.py").write_text("")
    python = make_environment(OWN, tmp_path / "env", files)
    with Zygote(python, ["in_place", "half", "escapes.away", "good"]) as zygote:
        assert [one for one, _ in zygote.warm["preloaded"]] == ["good"]
        assert dict(zygote.warm["not_preloaded"]) == {
            "in_place": "it is not one of the environment's installed packages",
            "half": "it lies in several places",
            "escapes.away": "it is not one of the environment's installed packages",
        }
        node = "import in_place, escapes.away\n@node_entry\ndef f() -> int:\n    return 1\n"
        assert run_node(zygote, node).outputs == {"output_1": "1"}


def test_where_the_zygote_cannot_be_bound_it_imports_nothing(python: str) -> None:
    unbound = {"apart": True, "filters": ["no such filter"]}
    with Zygote(python, ["good"], terms=unbound) as zygote:
        assert zygote.warm["preloaded"] == []
        assert zygote.warm["not_preloaded"] == [["good", UNBOUND]]


def test_workers_do_not_share_secrets_or_random_numbers(any_python: str) -> None:
    names = ["multiprocessing.connection", "random", "uuid", "tempfile", "secrets", "ssl"]
    source = """
import multiprocessing.process, os, random, secrets, ssl, tempfile, uuid
@node_entry
def f() -> list:
    key = bytes(multiprocessing.process.current_process().authkey).hex()
    name = os.path.basename(tempfile.mktemp())
    return [key, random.random(), str(uuid.uuid4()), name, secrets.token_hex(), ssl.RAND_bytes(8).hex()]
"""
    with Zygote(any_python, names) as zygote:
        there = {name for name, _ in zygote.warm["preloaded"]}
        assert there >= {"random", "uuid", "tempfile", "secrets", "multiprocessing.connection"}
        if "ssl" not in there:
            source = source.replace(", ssl, ", ", ").replace(", ssl.RAND_bytes(8).hex()", "")
        first, second = (json.loads(run_node(zygote, source).outputs["output_1"]) for _ in range(2))
        assert [one for one, other in zip(first, second, strict=True) if one == other] == []
        assert len(bytes.fromhex(first[0])) == 32
