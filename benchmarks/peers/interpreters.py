"""A new interpreter for every node, and no isolation at all: what PyFlowGraph did and does."""

import json
import pickle
import subprocess
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from peers.base import CPUS, Isolation, Peer, run_objects

JSON_SCRIPT = """
import sys, json
_inputs = json.load(sys.stdin)
{code}
sys.stdout.write(json.dumps(node(**_inputs)))
"""
PICKLE_SCRIPT = """
import sys, pickle
_inputs = pickle.load(sys.stdin.buffer)
{code}
pickle.dump(node(**_inputs), sys.stdout.buffer, 5)
"""


def run_script(template: str, code: str, stdin: bytes) -> bytes:
    """Standard output of a new interpreter that runs the code."""
    command = [sys.executable, "-c", template.format(code=code)]
    return subprocess.run(command, input=stdin, capture_output=True, check=True).stdout


class SubprocessPeer(Peer):
    """One interpreter start per node."""

    note = "subprocess.run([python, '-c', code]) per node, JSON on stdin and stdout (PyFlowGraph v0.10)"
    isolation = Isolation.FRESH
    is_slow = True

    def start(self) -> None:
        pass

    def stop(self) -> None:
        pass

    def call(self, code: str, inputs: Mapping[str, Any]) -> Any:
        return json.loads(run_script(JSON_SCRIPT, code, json.dumps(inputs).encode()))

    def fan(self, code: str, nodes: int) -> list[Any]:
        with ThreadPoolExecutor(CPUS) as threads:
            return list(threads.map(lambda i: self.call(code, {"x": i}), range(nodes)))

    def pass_value(self, make: str, use: str) -> Any:
        made = run_script(PICKLE_SCRIPT, make, pickle.dumps({}, 5))
        return pickle.loads(run_script(PICKLE_SCRIPT, use, pickle.dumps({"x": pickle.loads(made)}, 5)))


class InProcessPeer(Peer):
    """The bound: nothing is faster, and nothing is protected."""

    note = "exec in the client's own process (PyFlowGraph v0.11): the bound, without isolation"

    def start(self) -> None:
        pass

    def stop(self) -> None:
        pass

    def call(self, code: str, inputs: Mapping[str, Any]) -> Any:
        namespace: dict[str, Any] = {}
        exec(compile(code, "<node>", "exec"), namespace)
        return json.loads(json.dumps(namespace["node"](**json.loads(json.dumps(inputs)))))

    def pass_value(self, make: str, use: str) -> Any:
        return run_objects(use, {"x": run_objects(make, {})})


PEERS = {"subprocess": SubprocessPeer, "inprocess": InProcessPeer}
