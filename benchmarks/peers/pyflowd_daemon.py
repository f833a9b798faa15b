"""pyflowd itself: fresh processes, output capture and limits on, one connected client.

A workload is one submitted graph. Values are passed by `inputs`, so the document stays the same between calls.
"""

import functools
import json
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from daemon_process import DaemonProcess
from peers.base import Isolation, Peer

OUTPUT = "output_1"


def node(name: str, code: str) -> dict[str, Any]:
    """One node of the JSON form."""
    return {"uuid": name, "title": name, "pos": [0, 0], "code": f"@node_entry\n{code}"}


def edge(source: str, target: str) -> dict[str, str]:
    """The value of `source` goes to the input `x` of `target`."""
    return {"start_node_uuid": source, "start_pin_name": OUTPUT, "end_node_uuid": target, "end_pin_name": "x"}


def document(nodes: Sequence[dict[str, Any]], edges: Sequence[dict[str, str]] = ()) -> str:
    """The graph's text."""
    return json.dumps({"nodes": list(nodes), "connections": list(edges)})


@functools.lru_cache(16)
def independent_nodes(code: str, count: int) -> str:
    """Nodes n0, n1, ... without connections."""
    return document([node(f"n{i}", code) for i in range(count)])


@functools.lru_cache(16)
def chained_nodes(code: str, count: int) -> str:
    """Nodes n0 -> n1 -> ..."""
    return document([node(f"n{i}", code) for i in range(count)], [edge(f"n{i}", f"n{i + 1}") for i in range(count - 1)])


class PyflowdPeer(Peer):
    """A daemon of its own on a private socket, and a blocking client; nodes run in the interpreter of all peers."""

    note = "pyflowd: a fresh process per node, output captured, limits on"
    isolation = Isolation.FRESH
    requires = ("pyflowd", "pyflowd_client")
    skips = {"w5n": "arrays by reference are not there yet; values are JSON"}

    def start(self) -> None:
        from pyflowd_client import connect

        self._daemon = DaemonProcess("--python", sys.prefix)
        try:
            self._client = connect(socket=self._daemon.socket, autostart=False)
        except BaseException:
            self._daemon.stop()
            raise

    def stop(self) -> None:
        try:
            self._client.close()
        finally:
            self._daemon.stop()

    def call(self, code: str, inputs: Mapping[str, Any]) -> Any:
        outputs = self._run(independent_nodes(code, 1), {f"n0.{pin}": value for pin, value in inputs.items()})
        return outputs["n0"][OUTPUT]

    def chain(self, code: str, nodes: int) -> Any:
        return self._run(chained_nodes(code, nodes), {"n0.x": 0})[f"n{nodes - 1}"][OUTPUT]

    def fan(self, code: str, nodes: int) -> list[Any]:
        outputs = self._run(independent_nodes(code, nodes), {f"n{i}.x": i for i in range(nodes)})
        return [outputs[f"n{i}"][OUTPUT] for i in range(nodes)]

    def pass_value(self, make: str, use: str) -> Any:
        graph = document([node("make", make), node("use", use)], [edge("make", "use")])
        return self._run(graph, {})["use"][OUTPUT]

    def _run(self, text: str, inputs: Mapping[str, Any]) -> Mapping[str, Mapping[str, Any]]:
        run = self._client.run_document(text, name="bench.json", inputs=inputs, python=sys.prefix)
        return run.result()


PEERS = {"pyflowd": PyflowdPeer}
