"""Pools of worker processes: concurrent.futures, loky, pebble."""

import json
import multiprocessing
import sys
from abc import abstractmethod
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ProcessPoolExecutor
from typing import Any

from peers.base import CPUS, Isolation, Peer, run_json, run_objects


def forget_main_script() -> None:
    """Keep forkserver children from importing the main script again.

    Some Pythons do not preload it (cpython issues 98552, 137996), which costs 15 ms a node. Hidden here to
    show the start method's own cost; a plain user pays the larger figure.
    """
    main = sys.modules["__main__"]
    if hasattr(main, "__file__"):
        del main.__file__


class PoolPeer(Peer):
    """Anything with submit()."""

    isolation = Isolation.REUSED

    @abstractmethod
    def submit(self, function: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        """Hand a call to the pool."""

    def call(self, code: str, inputs: Mapping[str, Any]) -> Any:
        return json.loads(self.submit(run_json, code, json.dumps(inputs)).result())

    def fan(self, code: str, nodes: int) -> list[Any]:
        futures = [self.submit(run_json, code, json.dumps({"x": i})) for i in range(nodes)]
        return [json.loads(future.result()) for future in futures]

    def pass_value(self, make: str, use: str) -> Any:
        made = self.submit(run_objects, make, {}).result()
        return self.submit(run_objects, use, {"x": made}).result()


class ExecutorPeer(PoolPeer):
    """concurrent.futures.ProcessPoolExecutor with a start method."""

    def __init__(self, method: str) -> None:
        self._method = method
        self.note = f"ProcessPoolExecutor({CPUS}), {method}"

    def start(self) -> None:
        self._pool = ProcessPoolExecutor(CPUS, mp_context=multiprocessing.get_context(self._method))

    def stop(self) -> None:
        self._pool.shutdown()

    def submit(self, function: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        return self._pool.submit(function, *arguments)


class OneTaskExecutorPeer(ExecutorPeer):
    """The standard library's own way to a fresh process per call."""

    isolation = Isolation.FRESH
    is_slow = True

    def __init__(self) -> None:
        super().__init__("forkserver")
        self.note = f"ProcessPoolExecutor({CPUS}, max_tasks_per_child=1), forkserver, preloaded"

    def start(self) -> None:
        forget_main_script()
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["concurrent.futures.process", "peers.pools"])
        self._pool = ProcessPoolExecutor(CPUS, mp_context=context, max_tasks_per_child=1)


class LokyPeer(PoolPeer):
    """joblib's robust pool."""

    note = f"loky.get_reusable_executor({CPUS})"
    requires = ("loky",)

    def start(self) -> None:
        import loky

        self._pool = loky.get_reusable_executor(CPUS)

    def stop(self) -> None:
        self._pool.shutdown(kill_workers=True)

    def submit(self, function: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        return self._pool.submit(function, *arguments)


class PebblePeer(PoolPeer):
    """A pool with a time limit on every call."""

    note = f"pebble.ProcessPool({CPUS}), timeout=30"
    requires = ("pebble",)

    def start(self) -> None:
        import pebble

        self._pool = pebble.ProcessPool(CPUS)

    def stop(self) -> None:
        self._pool.stop()
        self._pool.join()

    def submit(self, function: Callable[..., Any], *arguments: Any) -> "Future[Any]":
        return self._pool.schedule(function, args=arguments, timeout=30)


PEERS = {
    "ppe-fork": lambda: ExecutorPeer("fork"),
    "ppe-forkserver": lambda: ExecutorPeer("forkserver"),
    "ppe-1task": OneTaskExecutorPeer,
    "loky": LokyPeer,
    "pebble": PebblePeer,
}
