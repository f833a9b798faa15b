"""The zygote itself: how it starts, forks many, and goes without leaving anyone."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from pyflowd.worker_side.link import LINK
from support.environments import make_environment
from support.zygote import ENVIRONMENT, WORKER_SIDE, Zygote, find_interpreters, is_alive, run_node, send_call, wait_gone

OWN = find_interpreters()[0]
STAY = "import time\n@node_entry\ndef f():\n    progress(0)\n    time.sleep(60)\n"


def test_a_zygote_says_what_it_is(anywhere: Zygote) -> None:
    warm = anywhere.warm
    code = "import importlib.util as u, sys; print('%d.%d.%d' % sys.version_info[:3], u.MAGIC_NUMBER.hex(), sys.prefix)"
    expected = subprocess.run([warm["executable"], "-I", "-c", code], capture_output=True, text=True, check=True)
    assert expected.stdout.split() == [warm["version"], warm["magic"], warm["prefix"]]
    assert warm["implementation"] == "cpython"
    assert anywhere.pid == anywhere.process.pid
    assert warm["threads"] == 1
    assert warm["compiled"]


@pytest.mark.parametrize("interpreter", find_interpreters())
def test_its_control_socket_may_have_any_number(interpreter: str) -> None:
    """A daemon with many descriptors gives it the number at which workers have their channel, sooner or later."""
    with Zygote(interpreter, control_number=LINK) as zygote:
        assert run_node(zygote, "@node_entry\ndef f() -> int:\n    return 1\n").outputs == {"output_1": "1"}


@pytest.mark.parametrize("interpreter", find_interpreters())
def test_files_of_packages_may_be_read_only_once_it_is_confined(interpreter: str, tmp_path: Path) -> None:
    """What `.pth` files execute then can do no more than what is imported; and all is found as ever."""
    noted = "import os, sys; sys.noted = os.path.basename(sys._getframe().f_code.co_filename), len(sys.argv)\n"
    files = {"some.pth": f"{noted}", "package/__init__.py": "", "package/inner.py": "VALUE = 7\n"}
    python = make_environment(interpreter, tmp_path / "environment", files)
    source = (
        "import sys\n@node_entry\ndef f() -> list:\n    import package.inner\n"
        "    return [package.inner.VALUE, sys.prefix, sys.noted[1], sys.path]\n"
    )
    found = []
    for flags in (["-I"], ["-I", "-S"]):
        with Zygote(python, ["package.inner"], flags=flags) as zygote:
            assert [name for name, _ in zygote.warm["preloaded"]] == ["package.inner"]
            found.append(json.loads(run_node(zygote, source).outputs["output_1"]))
    assert found[0][:2] == found[1][:2] == [7, str(tmp_path / "environment")]
    assert found[0][3] == found[1][3]
    assert [one[2] for one in found] == [2, 1], "the file was executed by main, not at the interpreter's start"


def test_a_batch_of_workers_comes_with_pidfds_of_their_own(anywhere: Zygote) -> None:
    code = anywhere.compile("import os\n@node_entry\ndef f() -> int:\n    return os.getpid()\n")
    workers = anywhere.fork(40)
    for worker in reversed(workers):
        send_call(worker, code)
        assert worker.receive()[1] == [str(worker.pid).encode()]
        anywhere.wait_exit(worker)
        assert wait_gone(worker.pid)
    assert len({worker.pid for worker in workers}) == 40


@pytest.mark.skipif(not os.access("/usr/bin/python3", os.X_OK), reason="needs an interpreter that anyone may run")
def test_a_refused_fork_is_reported_with_the_workers_it_concerns() -> None:
    as_nobody = 65534 if os.geteuid() == 0 else None  # the kernel refuses no fork to root
    if as_nobody and not all(folder.stat().st_mode & 0o001 for folder in WORKER_SIDE.parents):
        pytest.skip("this checkout is for root only")
    limit = (
        "import os, resource, sys; "
        "resource.setrlimit(resource.RLIMIT_NPROC, (1, 1)); os.execv(sys.argv[1], sys.argv[1:])"
    )
    alone = ["/usr/bin/python3", "-c", limit]
    with Zygote("/usr/bin/python3", user=as_nobody, prefix=alone) as zygote:
        zygote.send_fork([900, 901])
        assert zygote.receive()[0]["workers"] == []
        header, _ = zygote.receive()
        assert (header["kind"], header["workers"]) == ("fork_failed", [900, 901])
        assert "temporarily unavailable" in header["message"]


def test_signals_of_a_terminal_do_not_end_a_zygote(zygote: Zygote) -> None:
    zygote.process.send_signal(signal.SIGINT)
    zygote.process.send_signal(signal.SIGTERM)
    (worker,) = zygote.fork()
    assert is_alive(worker.pid)


def test_nodes_heed_signals_that_whoever_started_us_ignores() -> None:
    source = """
import signal
@node_entry
def f() -> bool:
    defaults = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP, signal.SIGCHLD)]
    return signal.getsignal(signal.SIGINT) is signal.default_int_handler and set(defaults) == {signal.SIG_DFL}
"""
    ignoring = ["/bin/sh", "-c", "trap '' INT TERM QUIT HUP CHLD; exec \"$@\"", "sh"]
    with Zygote(OWN, prefix=ignoring) as zygote:
        assert run_node(zygote, source).outputs == {"output_1": "true"}


def test_every_worker_goes_when_the_daemon_goes() -> None:
    source = """
import os, signal, subprocess, time
@node_entry
def f():
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    progress(0, str(subprocess.Popen(["sleep", "60"], start_new_session=True).pid))
    open("file", "w").close()
    time.sleep(60)
"""
    with Zygote(OWN) as zygote:
        code = zygote.compile(source)
        busy, spare = zygote.fork(2)
        send_call(busy, code)
        stranger = int(busy.wait_progress())
        zygote.control.close()
        assert zygote.process.wait(10) == 0
        assert [pid for pid in (busy.pid, spare.pid, stranger) if is_alive(pid)] == []
        assert os.listdir(zygote.scratch) == []


def test_a_stranger_that_was_not_looked_for_yet_goes_with_the_zygote() -> None:
    source = """
import os, subprocess
@node_entry
def f():
    progress(0, str(subprocess.Popen(["sleep", "60"], start_new_session=True).pid))
    os._exit(0)
"""
    with Zygote(OWN) as zygote:
        code = zygote.compile(source)
        (worker,) = zygote.fork()
        send_call(worker, code)
        stranger = int(worker.wait_progress())
        zygote.control.close()
        assert zygote.process.wait(10) == 0
        assert not is_alive(stranger)


def test_workers_die_with_a_zygote_that_was_killed() -> None:
    zygote = Zygote(OWN)
    try:
        code = zygote.compile(STAY)
        busy, spare = zygote.fork(2)
        send_call(busy, code)
        busy.wait_progress()
        zygote.process.kill()
        assert wait_gone(busy.pid)
        assert wait_gone(spare.pid)
    finally:
        zygote.__exit__()


def test_a_trivial_node_imports_nothing(anywhere: Zygote) -> None:
    source = "import sys\nbefore = len(sys.modules)\n@node_entry\ndef f() -> list:\n    return [before]\n"
    first = run_node(anywhere, source).outputs
    assert first == run_node(anywhere, source).outputs
    late = """
import atexit, sys
@node_entry
def f() -> dict:
    print("text")
    known = set(sys.modules)
    atexit.register(lambda: print(sorted(set(sys.modules) - known)))
    return {"a": [1, 2.5]}
"""
    assert run_node(anywhere, late).worker.stdout == b"text\n[]\n"


@pytest.mark.parametrize("name", ["python3.7", "python3.6", "pypy3"])
def test_an_unsuitable_interpreter_leaves_at_once(name: str) -> None:
    import glob
    import shutil

    version = name.removeprefix("python")
    interpreter = shutil.which(name) or next(
        iter(glob.glob(os.path.expanduser(f"~/.pyenv/versions/{version}*/bin/python"))), None
    )
    if interpreter is None:
        pytest.skip(f"no {name} here")
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours, theirs:
        command = [interpreter, "-I", str(WORKER_SIDE), str(theirs.fileno())]
        done = subprocess.run(
            command, env=ENVIRONMENT, pass_fds=[theirs.fileno()], capture_output=True, check=False, timeout=20
        )
    assert done.returncode != 0
    assert done.stderr
    assert sys.version_info >= (3, 11)
