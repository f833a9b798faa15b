"""The floor under a change of a live session: the same hops, and nothing else.

    client - ZeroMQ, ipc - ROUTER in an event loop - SEQPACKET pair - process, and back

JSON at both ends, a node loaded once. No events, no sessions, no limits, no sandbox, nothing checked. It shows what a
system of this shape costs before it does anything for its users.
"""

import asyncio
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import zmq

from peers.base import run_objects

ROOM_BYTES = 65536


def _work(code: str, channel: socket.socket) -> None:
    while message := channel.recv(ROOM_BYTES):
        channel.send(json.dumps(run_objects(code, json.loads(message))).encode())


def _serve(code: str, address: str) -> None:
    """Be the daemon, until killed; then its process ends by itself."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork() == 0:
        ours.close()
        _work(code, theirs)
        return
    theirs.close()
    router = zmq.Context().socket(zmq.ROUTER)
    router.bind(address)
    askers: list[bytes] = []

    def ask() -> None:
        while zmq.zmq_poll([(router, zmq.POLLIN)], 0):
            asker, message = router.recv_multipart(zmq.NOBLOCK)
            askers.append(asker)
            ours.send(message)

    def answer() -> None:
        router.send_multipart([askers.pop(0), ours.recv(ROOM_BYTES)], zmq.NOBLOCK)
        ask()  # what the send may have hidden

    loop = asyncio.new_event_loop()
    loop.add_reader(router.fileno(), ask)
    loop.add_reader(ours.fileno(), answer)
    loop.run_forever()


@contextmanager
def bare_transport(code: str) -> Iterator[Callable[[dict[str, Any]], Any]]:
    """A function that has the node executed with these inputs, one call after the other."""
    with tempfile.TemporaryDirectory(prefix="bare-") as folder:
        address = f"ipc://{folder}/socket"
        daemon = subprocess.Popen([sys.executable, __file__, code, address])
        context = zmq.Context()
        dealer = context.socket(zmq.DEALER)
        dealer.connect(address)

        def call(inputs: dict[str, Any]) -> Any:
            dealer.send(json.dumps(inputs).encode())
            zmq.zmq_poll([(dealer, zmq.POLLIN)], -1)
            return json.loads(dealer.recv(zmq.NOBLOCK))

        try:
            yield call
        finally:
            dealer.close(0)
            context.term()
            daemon.kill()
            daemon.wait()


if __name__ == "__main__":
    _serve(*sys.argv[1:])
