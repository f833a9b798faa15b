"""One multiprocessing.Process per node: fresh processes by the standard library."""

import json
import multiprocessing
from collections import deque
from collections.abc import Mapping
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import Any

from peers.base import CPUS, Isolation, Peer, run_json, run_objects
from peers.pools import forget_main_script

Launched = tuple[BaseProcess, Connection]


def answer_json(link: Connection, code: str, inputs: str) -> None:
    """What the process of a small node runs."""
    link.send(run_json(code, inputs))


def answer_object(link: Connection, code: str, inputs: Mapping[str, Any]) -> None:
    """What the process of a node with a large value runs."""
    link.send(run_objects(code, inputs))


class ProcessPeer(Peer):
    """Fork, or ask multiprocessing's fork server, for every node."""

    isolation = Isolation.FRESH

    def __init__(self, method: str, *preload: str) -> None:
        self._method = method
        self._preload = preload
        self.requires = preload
        self.note = f"multiprocessing.Process per node, {method}" + "".join(f", {name} preloaded" for name in preload)

    def start(self) -> None:
        self._context = multiprocessing.get_context(self._method)
        if self._method == "forkserver":
            forget_main_script()
            self._context.set_forkserver_preload(["peers.processes", *self._preload])

    def stop(self) -> None:
        pass

    def call(self, code: str, inputs: Mapping[str, Any]) -> Any:
        return json.loads(self._finish(self._launch(answer_json, code, json.dumps(inputs))))

    def fan(self, code: str, nodes: int) -> list[Any]:
        values = []
        running: deque[Launched] = deque()
        for i in range(nodes):
            running.append(self._launch(answer_json, code, json.dumps({"x": i})))
            if len(running) == CPUS * 2:
                values.append(self._finish(running.popleft()))
        values += [self._finish(launched) for launched in running]
        return [json.loads(value) for value in values]

    def pass_value(self, make: str, use: str) -> Any:
        made = self._finish(self._launch(answer_object, make, {}))
        return self._finish(self._launch(answer_object, use, {"x": made}))

    def _launch(self, *target_and_arguments: Any) -> Launched:
        target, *arguments = target_and_arguments
        here, there = self._context.Pipe(duplex=False)
        process = self._context.Process(target=target, args=(there, *arguments))
        process.start()
        there.close()
        return process, here

    @staticmethod
    def _finish(launched: Launched) -> Any:
        process, link = launched
        value = link.recv()
        process.join()
        process.close()
        link.close()
        return value


PEERS = {
    "mp-fork": lambda: ProcessPeer("fork"),
    "mp-forkserver": lambda: ProcessPeer("forkserver"),
    "mp-forkserver-np": lambda: ProcessPeer("forkserver", "numpy"),
    "mp-forkserver-pd": lambda: ProcessPeer("forkserver", "numpy", "pandas"),
}
