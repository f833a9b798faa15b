"""Where attacks are tried: a real daemon in one tier, and everything that they could harm; or nothing that confines."""

import itertools
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import Any

import psutil

from attacks.attack import PRELUDE, SUCCESS, Attack
from attacks.bystanders import (
    ATTACKERS_KEY,
    MARK,
    SHARED_FOLDERS,
    Home,
    KernelObjects,
    Listeners,
    clean_up,
    left_behind,
)
from attacks.sibling import Sibling, numbers_of, sibling_node, unconfined_sibling
from attacks.victim import SECRET, Victim, looks_of
from pyflowd.worker_side.probes import start_of
from pyflowd_client.protocol.options import Permissions
from support.daemons import graph, node, running_daemon

PATIENCE_S = 4.0
DAEMON_BYTES, DAEMON_DESCRIPTORS = 300_000_000, 3000
TIMEOUT_S = 12.0
TOLD_SHOWN = 1500
# What a later node finds, where an attack could have left something for it.
CANARY = node(
    f"""
import builtins, innocent, json, os, resource, signal, sys, tempfile
above = [os.path.dirname(os.getcwd())]
above += [os.path.dirname(above[0]), "/tmp", "/var/tmp", "/dev/shm", "/node"]
def has(folder): return os.path.lexists(os.path.join(folder, "{MARK}"))
return [
    innocent.VALUE, json.dumps([1]), hasattr(builtins, "{MARK}"), sys.path, "{MARK}" in sys.modules,
    "{MARK}" in os.environ, os.listdir("."), [folder for folder in above if has(folder)],
    str(signal.getsignal(signal.SIGINT)), resource.getrlimit(resource.RLIMIT_NOFILE), os.umask(0o077),
    tempfile.gettempdir().replace(os.getcwd(), ""), os.getpriority(os.PRIO_PROCESS, 0), sorted(os.sched_getaffinity(0)),
]
""",
    returns="list",
)


class Outcome:
    """How one attack went: what it learnt of what it should not, and whom it changed."""

    def __init__(self, told: str, before: Mapping[str, Any], after: Mapping[str, Any]) -> None:
        self.told = told
        self.is_success = SECRET in told or SUCCESS in told
        self.harmed = {name: (before[name], after[name]) for name in before if before[name] != after[name]}

    def __repr__(self) -> str:
        changes = [f"{name}: {_difference(*states)}" for name, states in self.harmed.items()]
        return "\n".join(["harmed:", *changes, "told:", self.told[-TOLD_SHOWN:]])

    @property
    def has_harmed(self) -> bool:
        """Whether the attack succeeded in any way."""
        return self.is_success or bool(self.harmed)


def _difference(before: Any, after: Any) -> str:
    """What is not as it was."""
    if isinstance(before, dict) and isinstance(after, dict):
        return str({name: (before[name], after.get(name)) for name in before if before[name] != after.get(name)})
    if isinstance(before, list) and isinstance(after, list):
        return str([pair for pair in itertools.zip_longest(before, after) if pair[0] != pair[1]])
    return str((before, after))


class _Ground:
    """What the two kinds have in common."""

    def __init__(self, stack: ExitStack) -> None:
        self.folder = Path(stack.enter_context(TemporaryDirectory(prefix="pfa")))
        self.folder.chmod(0o755)
        self.home = Home(self.folder)
        self._stack = ExitStack()
        self._before: Mapping[str, Any] = {}
        self.is_spoilt = False  # by an attack that was not seen to its end

    def try_out(self, attack: Attack) -> Outcome:
        """Run an attack, and look at everybody; who was harmed is replaced."""
        if not self._before:
            self._before = self.state()
        before, self._before = self._before, {}
        self.is_spoilt = True
        told = self.execute(attack)
        after = self.state()
        give_up_s = time.monotonic() + PATIENCE_S
        while any(isinstance(left, int) for left in after["left behind"]) and time.monotonic() < give_up_s:
            time.sleep(0.05)  # a process that a node leaves is ended when the node is over, which may take a moment
            after = self.state()
        outcome = Outcome(told, before, after)
        if outcome.has_harmed:
            self.renew(outcome)
        else:
            self._before = after
        self.is_spoilt = False
        return outcome

    def state(self) -> dict[str, Any]:
        """Everybody's state."""
        return {
            "sibling": self.sibling.state(),
            "program": self.program.state(),
            "home": self.home.state(),
            "listeners": self.listeners.state(),
            "kernel": self.kernel.state(),
            "left behind": left_behind(),
        }

    def execute(self, attack: Attack) -> str:
        """Run it; all that it told."""
        raise NotImplementedError

    def renew(self, outcome: Outcome) -> None:
        """Replace the victims."""
        self._stack.close()
        clean_up()
        self.home.make()
        self.settle()

    def settle(self) -> None:
        """Bring the victims in."""
        self.program = self._stack.enter_context(Victim())
        self.listeners = Listeners(self._stack, self.home)
        self.kernel = KernelObjects(self._stack)
        self.sibling: Sibling

    environments = ""  # the folder of the daemon's own

    def victims(self) -> dict[str, Any]:
        """What attackers are told of them: everything, but no secret."""
        node = self.sibling
        return {
            "NODE": numbers_of(node.pid),
            "NODE_SINCE": start_of(node.pid),
            "NODE_ADDRESS": node.address,
            "NODE_DESCRIPTOR": node.descriptor,
            "NODE_SCRATCH": node.scratch,
            "PROGRAM": [self.program.pid],
            "PROGRAM_ADDRESS": self.program.address,
            "HOME": str(self.home.folder),
            "OPEN": str(self.home.open),
            "SITE": str(self.home.site),
            "ENVIRONMENTS": self.environments,
            "SHARED": SHARED_FOLDERS,
            "PORTS": self.listeners.ports,
            "ABSTRACT": self.listeners.abstract,
            "SOCKETS": self.listeners.paths,
            "SEGMENT": self.kernel.segment,
            "QUEUE": self.kernel.queue,
            "TERMINAL": self.kernel.terminal,
            "KEY": ATTACKERS_KEY,
        }

    def code(self, attack: Attack) -> str:
        """What is executed: the victims, the prelude, the attack."""
        named = "".join(f"{name} = {value!r}\n" for name, value in self.victims().items())
        return f"{named}{PRELUDE}{attack.code}".replace("attacked", MARK)


class Ground(_Ground):
    """In one tier: the daemon itself, its fork server, and nodes that come later, are among the victims."""

    def __init__(self, stack: ExitStack, tier: str) -> None:
        super().__init__(stack)
        self.tier = tier
        self._daemons = stack.enter_context(ExitStack())
        self._start()
        stack.enter_context(self._stack)
        self.settle()

    def _start(self) -> None:
        kept = "spares = 4\n[environments]\nlearn = false\n"  # what is learnt would change who the victims are
        settings = f'python = "{self.home.environment}"\n{kept}[sandbox]\nminimum_tier = "{self.tier}"\n'
        os.environ["TOKEN"] = SECRET
        try:
            self.daemon = self._daemons.enter_context(
                running_daemon(settings=f'{settings}maximum_tier = "{self.tier}"\n')
            )
        finally:
            del os.environ["TOKEN"]
        self.client = self._daemons.enter_context(self.daemon.client())
        self.environments = f"{self.daemon.socket}.environments"
        secret = Path(f"{self.daemon.socket}.state", "secret")
        other = Path(f"{self.daemon.socket}.environments", "named", "other", "secret")
        other.parent.mkdir(mode=0o755, parents=True)
        for path in (secret, other):
            path.write_text(SECRET)
            path.chmod(0o666)
        self._canary()

    def settle(self) -> None:
        super().settle()
        visitor = self._stack.enter_context(self.daemon.client())
        self.sibling = self._stack.enter_context(sibling_node(visitor))
        self.zygote = self._zygote()

    def renew(self, outcome: Outcome) -> None:
        if outcome.harmed.keys() & {"zygote", "daemon", "daemon's files", "later nodes"}:
            self._stack.close()
            self.daemon.kill()
            with suppress(ProcessLookupError):
                os.kill(self.zygote, signal.SIGCONT)
            with suppress(AssertionError):
                self._daemons.close()
            self._start()
        super().renew(outcome)

    def execute(self, attack: Attack) -> str:
        granted: dict[str, Any] = {
            name: tuple(path.format(**self.victims(), FOLDER=self.daemon.folder) for path in value)
            if isinstance(value, tuple)
            else value
            for name, value in attack.permissions.items()
        }
        run = self.client.run_document(
            graph(node(self.code(attack), returns="object")),
            permissions=Permissions(**granted),
            **{"timeout_s": TIMEOUT_S, **attack.limits},
        )
        told = [repr(event) for event in run]
        return "\n".join([*told, repr(run.error)])

    def victims(self) -> dict[str, Any]:
        return super().victims() | {
            "ZYGOTE": numbers_of(self.zygote),
            "DAEMON": [self.daemon.process.pid],
            "DAEMON_SOCKET": str(self.daemon.socket),
        }

    def state(self) -> dict[str, Any]:
        process = psutil.Process(self.daemon.process.pid)
        return {
            **super().state(),
            "daemon's size": [process.memory_info().rss < DAEMON_BYTES, process.num_fds() < DAEMON_DESCRIPTORS],
            "daemon's files": self._files(),
            "later nodes": self._canary(),
            "zygote": looks_of(self.zygote),  # last: a signal may take a moment
            "daemon": looks_of(self.daemon.process.pid),
        }

    def _zygote(self) -> int:
        return next(
            environment.pid
            for environment in self.client.status().environments
            if environment.pid is not None and environment.permissions is None
        )

    def _files(self) -> Any:
        """What it keeps beside its socket; its log may only grow."""
        folder = self.daemon.folder
        seen = {path.name: path.lstat() for path in folder.iterdir()}
        return [
            {name: (status.st_mode, status.st_ino, status.st_uid) for name, status in seen.items()},
            [path.read_bytes()[:1] for kept in ("*/secret", "*.lock", "*/tiers") for path in folder.glob(kept)],
            MARK in self.daemon.log.read_text(),
        ]

    def _canary(self) -> Any:
        run = self.client.run_document(graph(CANARY))
        list(run)
        return run.outputs.get("n0", {}).get("output_1", run.failures)


class Unconfined(_Ground):
    """Where everything should succeed that could: the attacker is a process like any other."""

    def __init__(self, stack: ExitStack) -> None:
        super().__init__(stack)
        self._scratch = self.folder / "scratch"
        self._scratch.mkdir()
        stack.enter_context(self._stack)
        self.settle()

    def settle(self) -> None:
        super().settle()
        self.server, self.daemon = (self._stack.enter_context(Victim()) for _ in range(2))
        self.sibling = self._stack.enter_context(unconfined_sibling(self._stack.enter_context(TemporaryDirectory())))

    def execute(self, attack: Attack) -> str:
        code = f"def attack():\n{textwrap.indent(self.code(attack), '    ')}\nattack()"
        with TemporaryFile("w+") as told:  # a pipe would be held open by what the attacker leaves behind
            subprocess.run(
                [sys.executable, "-I", "-c", code],
                stdout=told,
                stderr=told,
                timeout=TIMEOUT_S,
                check=False,
                cwd=self._scratch,
                start_new_session=True,
            )
            told.seek(0)
            return told.read()

    def victims(self) -> dict[str, Any]:
        return super().victims() | {
            "ZYGOTE": [self.server.pid],
            "DAEMON": [self.daemon.pid],
            "DAEMON_SOCKET": "",
        }

    def state(self) -> dict[str, Any]:
        return super().state() | {"zygote": self.server.state(), "daemon": self.daemon.state()}


@contextmanager
def ground(tier: str) -> Iterator[Ground]:
    """A daemon in a tier, with its surroundings."""
    with ExitStack() as stack:
        yield Ground(stack, tier)


@contextmanager
def unconfined() -> Iterator[Unconfined]:
    """The same without a daemon."""
    with ExitStack() as stack:
        yield Unconfined(stack)
