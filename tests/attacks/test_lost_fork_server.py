"""A fork server that was killed: what its nodes have started ends too, from T2 on, where a namespace holds it all."""

import os
import signal

import pytest

from attacks.bystanders import MARK, clean_up, left_behind
from pyflowd_client.protocol.events import NodeProgress
from support.daemons import assert_serves, graph, node, running_daemon
from support.zygote import poll_until

OUTLIVE = f"""
import ctypes, os, time
libc = ctypes.CDLL(None)
libc.prctl(1, 0, 0, 0, 0)
if not os.fork():
    os.setsid()
    if not os.fork(): os.execv("/bin/sleep", ["{MARK}", "600"])
    os._exit(0)
time.sleep(0.1)
progress(1)
time.sleep(60)
"""


@pytest.mark.parametrize("tier", ["T3", "T2"])
def test_no_process_outlives_its_fork_server(tier: str) -> None:
    settings = f'[sandbox]\nminimum_tier = "{tier}"\nmaximum_tier = "{tier}"\n'
    with running_daemon(settings=settings) as daemon, daemon.client() as client:
        run = client.run_document(graph(node(OUTLIVE)))
        next(event for event in run if isinstance(event, NodeProgress))
        poll_until(lambda: bool(left_behind()))
        [zygote] = [environment.pid for environment in client.status().environments]
        assert zygote is not None
        os.kill(zygote, signal.SIGKILL)
        list(run)
        try:
            poll_until(lambda: not left_behind())
        finally:
            clean_up()
        assert_serves(client)
