"""When a worker leaves that has answered its last call."""

from pyflowd.worker_side import orders
from support.zygote import Zygote, send_call, wait_gone

SOURCE = "import os\n@node_entry\ndef f() -> int:\n    return os.getpid()\n"


def test_a_worker_that_is_to_wait_waits_until_it_is_dismissed(zygote: Zygote) -> None:
    code = zygote.compile(SOURCE)
    (worker,) = zygote.fork()
    send_call(worker, code, last=orders.WAIT)
    worker.receive()
    assert not wait_gone(worker.pid, 0.3)
    worker.hang_up()
    assert wait_gone(worker.pid)
    assert zygote.wait_exit(worker)["status"] == 0


def test_a_worker_that_is_to_leave_does_so_at_once(zygote: Zygote) -> None:
    code = zygote.compile(SOURCE)
    (worker,) = zygote.fork()
    send_call(worker, code, last=orders.LEAVE)
    worker.receive()
    assert wait_gone(worker.pid)
    assert zygote.wait_exit(worker)["status"] == 0
