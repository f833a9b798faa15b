"""A worker that has answered its last call waits until the daemon hangs up."""

from support.zygote import Zygote, send_call, wait_gone

SOURCE = "import os\n@node_entry\ndef f() -> int:\n    return os.getpid()\n"


def test_a_worker_that_has_answered_waits_to_be_dismissed(zygote: Zygote) -> None:
    code = zygote.compile(SOURCE)
    (worker,) = zygote.fork()
    send_call(worker, code)
    worker.receive()
    assert not wait_gone(worker.pid, 0.3)
    worker.hang_up()
    assert wait_gone(worker.pid)
    assert zygote.wait_exit(worker)["status"] == 0
