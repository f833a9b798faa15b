"""Whole systems one could pick instead: dask.distributed, ray, a Jupyter kernel."""

import json
import logging
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from peers.base import CPUS, Isolation, Peer, run_json, run_json_x, run_object_x, run_objects

REPLY_LIMIT_S = 60


class DaskPeer(Peer):
    """Futures on a local cluster; values stay on the workers."""

    note = f"dask.distributed LocalCluster({CPUS} processes), a graph of futures"
    isolation = Isolation.REUSED
    requires = ("distributed",)

    def start(self) -> None:
        from distributed import Client, LocalCluster

        self._cluster = LocalCluster(
            n_workers=CPUS, threads_per_worker=1, processes=True, dashboard_address=None, silence_logs=logging.ERROR
        )
        self._client = Client(self._cluster)

    def stop(self) -> None:
        self._client.close()
        self._cluster.close()

    def call(self, code: str, inputs: Mapping[str, Any]) -> Any:
        return json.loads(self._submit(run_json, code, json.dumps(inputs)).result())

    def chain(self, code: str, nodes: int) -> Any:
        value: Any = json.dumps(0)
        for _ in range(nodes):
            value = self._submit(run_json_x, code, value)
        return json.loads(value.result())

    def fan(self, code: str, nodes: int) -> list[Any]:
        futures = [self._submit(run_json, code, json.dumps({"x": i})) for i in range(nodes)]
        return [json.loads(value) for value in self._client.gather(futures)]

    def pass_value(self, make: str, use: str) -> Any:
        return self._submit(run_object_x, use, self._submit(run_objects, make, {})).result()

    def _submit(self, *call: Any) -> Any:
        return self._client.submit(*call, pure=False)


class RayPeer(Peer):
    """Remote functions and object references on one machine."""

    note = f"ray, num_cpus={CPUS}, remote functions"
    isolation = Isolation.REUSED
    requires = ("ray",)

    def start(self) -> None:
        import ray

        self._ray = ray
        ray.init(num_cpus=CPUS, include_dashboard=False, logging_level=logging.ERROR, log_to_driver=False)
        self._json, self._json_x = ray.remote(run_json), ray.remote(run_json_x)
        self._objects, self._object_x = ray.remote(run_objects), ray.remote(run_object_x)

    def stop(self) -> None:
        self._ray.shutdown()

    def call(self, code: str, inputs: Mapping[str, Any]) -> Any:
        return json.loads(self._ray.get(self._json.remote(code, json.dumps(inputs))))

    def chain(self, code: str, nodes: int) -> Any:
        value: Any = json.dumps(0)
        for _ in range(nodes):
            value = self._json_x.remote(code, value)
        return json.loads(self._ray.get(value))

    def fan(self, code: str, nodes: int) -> list[Any]:
        references = [self._json.remote(code, json.dumps({"x": i})) for i in range(nodes)]
        return [json.loads(value) for value in self._ray.get(references)]

    def pass_value(self, make: str, use: str) -> Any:
        return self._ray.get(self._object_x.remote(use, self._objects.remote(make, {})))


class KernelPeer(Peer):
    """One Jupyter kernel; a node is a cell, and values stay in the kernel."""

    note = "ipykernel through jupyter_client, from execute request to idle"
    isolation = Isolation.REUSED
    requires = ("ipykernel", "jupyter_client")

    def start(self) -> None:
        from jupyter_client import KernelManager

        self._manager = KernelManager()
        self._manager.kernel_spec.argv[0] = sys.executable
        self._manager.start_kernel()
        self._client = self._manager.blocking_client()
        self._client.start_channels()
        self._client.wait_for_ready(REPLY_LIMIT_S)

    def stop(self) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)

    def call(self, code: str, inputs: Mapping[str, Any]) -> Any:
        return json.loads(self._execute([self._cell(code, inputs)])[0])

    def fan(self, code: str, nodes: int) -> list[Any]:
        return [json.loads(text) for text in self._execute([self._cell(code, {"x": i}) for i in range(nodes)])]

    def pass_value(self, make: str, use: str) -> Any:
        self._execute([f"{make}\n_value = node()"])
        return json.loads(self._execute([f"{use}\nnode(_value)"])[0])

    @staticmethod
    def _cell(code: str, inputs: Mapping[str, Any]) -> str:
        return f"{code}\nimport json; node(**json.loads({json.dumps(inputs)!r}))"

    def _execute(self, cells: Sequence[str]) -> list[str]:
        """The text results of the cells, once all of them are idle."""
        pending = {self._client.execute(cell, store_history=False) for cell in cells}
        results = []
        while pending:
            message = self._client.get_iopub_msg(timeout=REPLY_LIMIT_S)
            kind, content = message["msg_type"], message["content"]
            if kind == "error":
                raise RuntimeError(content["evalue"])
            if kind == "execute_result":
                results.append(content["data"]["text/plain"])
            elif kind == "status" and content["execution_state"] == "idle":
                pending.discard(message["parent_header"].get("msg_id"))
        return results


PEERS = {"dask": DaskPeer, "ray": RayPeer, "ipykernel": KernelPeer}
