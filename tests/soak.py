"""Hours in minutes: users who run graphs, keep live sessions and leave without a word, and somebody who kills workers.

    make soak SOAK="--cycles 40 --seconds 30 --seed 1"

In each cycle all of them are busy for a while, and then everybody rests. Every value is checked; what the daemon has at
rest - processes, descriptors, threads, memory - must not grow from cycle to cycle. The first cycles fill what is kept
on purpose: the last 100 runs, the last values of the few graphs that there are. Status 1, and why, when something is
wrong.
"""

import argparse
import contextlib
import os
import random
import signal
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import psutil

from pyflowd_client.blocking import Client
from pyflowd_client.errors import Refused
from pyflowd_client.live import Live
from pyflowd_client.protocol.errors import ErrorCode
from pyflowd_client.protocol.events import NodeFinished, RunStarted
from pyflowd_client.protocol.states import NodeState, RunState
from support.daemons import ADD, RunningDaemon, assert_serves, graph, node, running_daemon

PATIENCE_S = 60.0
WARM_UP_CYCLES = 2
MEMORY_GROWTH = 0.05  # at most, over all cycles after the warm-up
MISHAPS = {ErrorCode.WORKER_LOST, ErrorCode.KILLED, ErrorCode.SKIPPED}  # what a kill leads to
ISOLATIONS = ("fresh", "resident", "shared")
NOISY = node("print('hello', x)\nprogress(0.5)\nreturn x + 1", "x: int = 0")
SLOW = node("import time\ntime.sleep(0.05)\nreturn x + 1", "x: int = 0")
FAILS = node("raise ValueError('no')")


def chain(length: int, chance: random.Random, *more: str) -> str:
    """A graph in which every node adds 1 to what the one before it gave."""
    codes = [chance.choice((ADD, ADD, NOISY, SLOW)) for _ in range(length)]
    edges = tuple((f"n{i}", "output_1", f"n{i + 1}", "x") for i in range(length - 1))
    return graph(*codes, *more, edges=edges)


@dataclass(frozen=True)
class Rest:
    """What a daemon has when nobody needs it."""

    processes: int
    descriptors: int
    threads: int
    memory_bytes: int

    def __str__(self) -> str:
        memory = f"{self.memory_bytes / 1e6:.1f} MB"
        return f"{self.processes} processes, {self.descriptors} descriptors, {self.threads} threads, {memory}"


class Soak:
    """The users of one daemon, and what they have seen."""

    def __init__(self, daemon: RunningDaemon, seed: int) -> None:
        self._daemon = daemon
        self._random = random.Random(seed)
        self._graphs = [(length, chain(length, self._random, FAILS)) for length in (1, 3, 30) for _ in range(3)]
        self._live_graphs = [(length, chain(length, self._random)) for length in (1, 2, 10) for _ in range(3)]
        self._lock = threading.Lock()
        self._sessions: list[str] = []
        self._ends_at = 0.0
        self.counts: Counter[str] = Counter()
        self.failures: list[str] = []

    def cycle(self, seconds: float) -> Rest:
        """Everybody is busy for so long, and then rests."""
        self._ends_at = time.monotonic() + seconds
        users = [self.run_graphs] * 3 + [self.keep_session] * 3 + [self.look_on, self.kill_workers]
        threads = [threading.Thread(target=self._be, args=(user, self._random.random())) for user in users]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return self._rest()

    def _be(self, user: Callable[[Client, random.Random], None], seed: float) -> None:
        chance = random.Random(seed)
        while time.monotonic() < self._ends_at and not self.failures:
            try:
                with self._daemon.client() as client:
                    while time.monotonic() < self._ends_at and chance.random() > 0.1:
                        user(client, chance)
            except Exception as error:
                with self._lock:
                    self.failures.append(f"{user.__name__}: {type(error).__name__}: {error}")
                return

    def count(self, what: str, number: int = 1) -> None:
        """So many more of these."""
        with self._lock:
            self.counts[what] += number

    # -- users

    def run_graphs(self, client: Client, chance: random.Random) -> None:
        """One graph, of a few nodes or of many, to its end or not."""
        length, document = chance.choice(self._graphs)
        run = client.run_document(document, isolation=chance.choice(ISOLATIONS))
        if chance.random() < 0.2:
            run.cancel()
        events = list(run)
        ends = [event for event in events if isinstance(event, NodeFinished)]
        self.count("runs")
        self.count("nodes", len(ends))
        if any(isinstance(event, RunStarted) for event in events):
            assert sorted(end.node for end in ends) == sorted(f"n{number}" for number in range(length + 1))
        for end in ends:
            if end.state is NodeState.DONE:
                assert end.outputs == {"output_1": int(end.node[1:]) + 1}, (end.node, end.outputs)
            else:
                assert end.error is not None
                assert end.error.code in MISHAPS | {ErrorCode.EXCEPTION, ErrorCode.CANCELLED}, end.error
                self.count(end.error.code)

    def keep_session(self, client: Client, chance: random.Random) -> None:
        """A live session and a burst of changes; perhaps nobody closes it."""
        length, document = chance.choice(self._live_graphs)
        session = client.live_document(document, isolation=chance.choice(ISOLATIONS), linger_s=1.0)
        with self._lock:
            self._sessions.append(session.id)
        for _ in range(chance.randrange(1, 6)):
            self._change(session, chance, length)
        with self._lock:
            self._sessions.remove(session.id)
        if chance.random() < 0.5:
            session.close()
        else:
            session.leave()

    def _change(self, session: Live, chance: random.Random, length: int) -> None:
        value = 0
        for _ in range(chance.choice((1, 1, 50))):
            value = chance.randrange(1_000_000)
            session.set("n0", "x", value)
            self.count("changes")
        session.settle(PATIENCE_S)
        errors = [error.code for error in session.errors.values()]
        if errors:
            assert set(errors) <= MISHAPS, errors
            self.count("settled with errors")
        else:
            assert session.values[f"n{length - 1}"] == {"output_1": value + length}, (value, session.values)
            self.count("settled")

    def look_on(self, client: Client, chance: random.Random) -> None:
        """Follow somebody's session for a while, and leave without a word."""
        time.sleep(0.02)
        with self._lock:
            sessions = list(self._sessions)
        if not sessions:
            return
        with contextlib.suppress(Refused):  # it is over by now
            session = client.follow_live(chance.choice(sessions))
            for _ in range(20):
                if session.next_event(timeout_s=0.1) is None:
                    break
            session.leave()
            self.count("looks")

    def kill_workers(self, client: Client, chance: random.Random) -> None:
        """End a process that works, or is kept."""
        time.sleep(0.3)
        pids = [worker.pid for worker in client.status().workers if worker.state in ("busy", "held") and worker.pid]
        if pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(chance.choice(pids), signal.SIGKILL)
                self.count("kills")

    # -- rest

    def _rest(self) -> Rest:
        """What the daemon has once nothing is under way, and twice in a row the same."""
        with self._daemon.client() as client:
            give_up_at = time.monotonic() + PATIENCE_S
            before = None
            while time.monotonic() < give_up_at:
                time.sleep(1.0)
                status = client.status()
                is_busy = any(worker.state not in ("starting", "idle") for worker in status.workers)
                is_open = any(run.state in (RunState.QUEUED, RunState.RUNNING) for run in status.runs)
                now = None if is_busy or is_open else self._look()
                if now is not None and before is not None and now.processes == before.processes:
                    return now
                before = now
            states = Counter(worker.state for worker in status.workers)
            raise AssertionError(f"does not come to rest: {dict(states)}, open runs: {is_open}")

    def _look(self) -> Rest:
        daemon = psutil.Process(self._daemon.process.pid)
        return Rest(
            processes=len(self._daemon.family()),
            descriptors=daemon.num_fds(),
            threads=daemon.num_threads(),
            memory_bytes=daemon.memory_full_info().uss,
        )


def growth(rests: list[Rest]) -> list[str]:
    """What has grown from cycle to cycle."""
    if len(rests) < 2:
        return []
    first, last = rests[0], rests[-1]
    found = [
        f"{name} grew from {getattr(first, name)} to {getattr(last, name)}"
        for name in ("processes", "descriptors", "threads")
        if getattr(last, name) > getattr(first, name)
    ]
    if last.memory_bytes > first.memory_bytes * (1 + MEMORY_GROWTH):
        found.append(f"memory grew from {first.memory_bytes} to {last.memory_bytes} bytes")
    return found


def main() -> int:
    """Soak a daemon of our own; 1 when something is wrong with it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cycles", type=int, default=6)
    parser.add_argument("--seconds", type=float, default=15.0, help="of work in each cycle")
    parser.add_argument("--seed", type=int, default=random.randrange(1000))
    options = parser.parse_args()
    print(f"seed {options.seed}", flush=True)
    rests: list[Rest] = []
    with running_daemon() as daemon:
        with daemon.client() as client:
            assert_serves(client)
        soak = Soak(daemon, options.seed)
        for number in range(options.cycles):
            rests.append(soak.cycle(options.seconds))
            print(f"cycle {number + 1}: at rest {rests[-1]}", flush=True)
            if soak.failures:
                break
        print(", ".join(f"{count} {what}" for what, count in sorted(soak.counts.items())))
        wrong = soak.failures + growth(rests[WARM_UP_CYCLES:])
        if daemon.process.poll() is not None:
            wrong.append(f"the daemon has ended: {daemon.log.read_text()[-2000:]}")
    for reason in wrong:
        print(reason, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
