"""What no node may do, whatever it is permitted. What counts is the victim, not what the attacker was told."""

import os
import pty
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from attacks.victim import Victim
from pyflowd_client.blocking import Client
from support.daemons import RunningDaemon, graph, node, pyflowctl

LIBC = "import ctypes, os, resource, sys\nlibc = ctypes.CDLL(None, use_errno=True)\n"
YAMA = Path("/proc/sys/kernel/yama/ptrace_scope")
PTRACE = "libc.ptrace(16, VICTIM, 0, 0)"
WRITE_MEMORY = """
class Vector(ctypes.Structure): _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]
evil = ctypes.create_string_buffer(b"POISONED")
mine, theirs = Vector(ctypes.addressof(evil), 8), Vector(ADDRESS, 8)
libc.process_vm_writev(VICTIM, ctypes.byref(mine), 1, ctypes.byref(theirs), 1, 0)
"""
OPEN_FILES = """
found = []
for number in os.listdir("/proc/self/fd"):
    try: found.append(os.readlink(f"/proc/self/fd/{number}"))
    except OSError: pass
return found
"""
BY_LANDLOCK = (
    "with open('/proc/VICTIM/mem', 'r+b', buffering=0) as memory: os.pwrite(memory.fileno(), b'POISONED', ADDRESS)",
    "os.kill(VICTIM, 19)",
    "import signal\nsignal.pidfd_send_signal(os.pidfd_open(VICTIM), 19)",
)
ON_A_PROCESS = {
    "ptrace": PTRACE,
    "write memory": WRITE_MEMORY,
    "write memory as a file": BY_LANDLOCK[0],
    "limit its CPU time": "resource.prlimit(VICTIM, resource.RLIMIT_CPU, (3600, 3600))",
    "pin it to a processor": "os.sched_setaffinity(VICTIM, {0})",
    "slow it down": "os.setpriority(os.PRIO_PROCESS, VICTIM, 19)",
    "stop it": BY_LANDLOCK[1],
    "stop it by pidfd": BY_LANDLOCK[2],
    "make it a batch job": "os.sched_setscheduler(VICTIM, os.SCHED_BATCH, os.sched_param(0))",
}


@pytest.fixture
def victim() -> Iterator[Victim]:
    with Victim() as process:
        yield process


def aimed(attack: str, victim: Victim) -> str:
    return LIBC + attack.replace("VICTIM", str(victim.pid)).replace("ADDRESS", str(victim.address))


def skip_without(client: Client, layer: str) -> None:
    """What this machine lacks cannot be shown here; `status` names it."""
    execute(client, "return 1")
    lacks = [text for environment in client.status().environments for text in environment.lacks or ()]
    if any(text.startswith(layer) for text in lacks):
        pytest.skip(f"this machine has no {layer}")


def execute(client: Client, body: str, returns: str = "int") -> object:
    """What a node returns; None when it fails."""
    run = client.run_document(graph(node(body, returns=returns)))
    list(run)
    return run.outputs["n0"]["output_1"] if "n0" in run.outputs else None


@pytest.mark.parametrize("attack", ON_A_PROCESS.values(), ids=ON_A_PROCESS.keys())
def test_a_node_changes_nothing_about_another_process(client: Client, victim: Victim, attack: str) -> None:
    if attack in BY_LANDLOCK:
        skip_without(client, "bound on signals")
    before = victim.state()
    execute(client, aimed(attack, victim))
    assert victim.state() == before


@pytest.mark.parametrize("attack", ON_A_PROCESS.values(), ids=ON_A_PROCESS.keys())
def test_the_same_code_harms_where_nothing_confines_it(victim: Victim, attack: str) -> None:
    """Else the test above would say nothing."""
    if (
        os.getuid()
        and YAMA.exists()
        and YAMA.read_text().strip() != "0"
        and attack in (PTRACE, WRITE_MEMORY, BY_LANDLOCK[0])
    ):
        pytest.skip("this system protects processes of the same user from each other")
    if "sched_setaffinity" in attack and len(os.sched_getaffinity(0)) == 1:
        pytest.skip("there is one processor")
    before = victim.state()
    with subprocess.Popen([sys.executable, "-I", "-c", aimed(attack, victim) + "\nprint(1, flush=True)\ninput()"],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as attacker:  # fmt: skip
        assert attacker.stdout is not None
        attacker.stdout.readline()
        after = victim.state()
    assert after != before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_node_does_not_end_its_daemon(client: Client, daemon: RunningDaemon, number: signal.Signals) -> None:
    skip_without(client, "bound on signals")
    execute(client, f"import os\nos.kill({daemon.process.pid}, {number.value})")
    assert client.run_document(graph(node("return 1"))).result()["n0"]["output_1"] == 1


@pytest.mark.parametrize(
    ("kind", "attack"),
    [
        ("shm", "libc.shmget(0x7E57, 4096, 0o1600)"),
        ("msg", "libc.msgget(0x7E57, 0o1600)"),
        ("sem", "libc.semget(0x7E57, 1, 0o1600)"),
    ],
)
def test_no_object_of_the_kernel_outlives_a_node(client: Client, kind: str, attack: str) -> None:
    table = Path(f"/proc/sysvipc/{kind}")
    before = table.read_text()
    execute(client, LIBC + attack)
    assert table.read_text() == before


@pytest.mark.parametrize("kind", ["user", "mnt", "pid", "net", "ipc", "uts"])
def test_a_node_gets_no_namespace_of_its_own_making(client: Client, kind: str) -> None:
    flags = {
        "user": 0x10000000,
        "mnt": 0x20000,
        "pid": 0x20000000,
        "net": 0x40000000,
        "ipc": 0x08000000,
        "uts": 0x04000000,
    }
    name = "pid_for_children" if kind == "pid" else kind
    body = f"{LIBC}libc.unshare({flags[kind]})\nreturn os.readlink('/proc/self/ns/{name}')"
    assert execute(client, body, "str") == os.readlink(f"/proc/self/ns/{name}")


@pytest.mark.parametrize(
    ("attack", "kind"),
    [
        ("libc.syscall(425, 8, ctypes.create_string_buffer(120))", "io_uring"),
        ("libc.syscall(323 if os.uname().machine == 'x86_64' else 282, 0)", "userfaultfd"),
        (
            "attributes = ctypes.create_string_buffer(b'\\x01\\0\\0\\0\\x70\\0\\0\\0', 112)\n"
            "libc.syscall(298 if os.uname().machine == 'x86_64' else 241, attributes, 0, -1, -1, 0)",
            "perf_event",
        ),
    ],
)
def test_a_node_opens_none_of_the_kernels_depths(client: Client, attack: str, kind: str) -> None:
    found = execute(client, f"{LIBC}{attack}{OPEN_FILES}", "list")
    assert isinstance(found, list)
    assert found
    assert not [name for name in found if kind in name]


def test_a_node_types_nothing_into_a_terminal(client: Client) -> None:
    ours, theirs = pty.openpty()
    try:
        typing = "for key in (b'x', b'\\n'): fcntl.ioctl(tty, 0x5412, key)"  # the line is handed over at its end
        body = f"import fcntl\nwith open({os.ttyname(theirs)!r}) as tty:\n    {typing}"
        execute(client, body)
        assert select.select([theirs], [], [], 0)[0] == []
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_node_cannot_raise_its_limits_even_as_root(client: Client) -> None:
    """Only root with CAP_SYS_RESOURCE could; some containers' has not."""
    body = (
        "import resource\n"
        "try: resource.setrlimit(resource.RLIMIT_FSIZE, (10**15, 10**15))\n"
        "except (ValueError, OSError): pass\n"
        "return resource.getrlimit(resource.RLIMIT_FSIZE)[1]"
    )
    assert execute(client, body) == 4_000_000_000


@pytest.mark.skipif(os.getuid() != 0, reason="only root has files of others to give")
def test_root_reads_no_file_that_its_owner_keeps_to_himself(client: Client, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    secret.chmod(0o600)
    os.chown(secret, 65534, 65534)
    assert secret.read_text() == "secret"  # the daemon's user may; its nodes may not
    assert execute(client, f"return open({str(secret)!r}).read()", "str") is None


def test_a_layer_that_the_machine_lacks_is_named(unharmed: RunningDaemon, tmp_path: Path) -> None:
    """An architecture for which there is no filter."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nexec setarch linux32 {sys.executable} "$@"\n')
    python.chmod(0o700)
    with unharmed.client() as client:
        assert client.run_document(graph(node("return 1")), python=python).result()["n0"]["output_1"] == 1
        lacks = {environment.python: environment.lacks for environment in client.status().environments}
    [(_, found)] = [item for item in lacks.items() if item[1] is not None]
    assert found is not None
    assert [layer.partition(" (")[0] for layer in found] == ["filter of system calls"]
    shown = pyflowctl(unharmed.socket, "status").stdout
    assert "unprotected: no filter of system calls ([Errno 2] No such file" in shown


def test_what_a_node_starts_is_confined_as_well(client: Client) -> None:
    pattern = "CapEff|CapBnd|NoNewPrivs|Seccomp:"
    body = (
        "import subprocess\n"
        f"command = ['grep', '-E', {pattern!r}, '/proc/self/status']\n"
        "return subprocess.run(command, capture_output=True, text=True).stdout"
    )
    assert execute(client, body, "str") == f"CapEff:\t{'0' * 16}\nCapBnd:\t{'0' * 16}\nNoNewPrivs:\t1\nSeccomp:\t2\n"
