"""A node that answers by itself, with bytes that are not a value: they must not become words of the daemon."""

import json

import pytest

from pyflowd_client.blocking import Client
from pyflowd_client.errors import RunFailed
from pyflowd_client.protocol.errors import ErrorCode
from pyflowd_client.protocol.events import NodeFinished
from support.daemons import graph, node

ANSWER = """
import gc, json, os, stat, struct
gc.unfreeze()
VALUE = %r
IN_MEMFD = %r
call = next(o for o in gc.get_objects() if type(o).__name__ == "Progress").call
header = {"kind": "done", "call": call, "types": ["int"], "previews": [None], "warnings": [],
          "cpu_s": 0, "peak_memory_bytes": 0, "segments": [len(VALUE)]}
rights = []
if IN_MEMFD:
    import array, fcntl, socket
    memfd = os.memfd_create("x", os.MFD_ALLOW_SEALING)
    os.write(memfd, VALUE)
    fcntl.fcntl(memfd, 1033, 15)
    header["segments"] = [-len(VALUE) - 1]
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [memfd]))]
text = json.dumps(header).encode()
packet = struct.pack("<I", len(text)) + text + (b"" if IN_MEMFD else VALUE)
import socket
for fd in range(3, 1024):
    try:
        if stat.S_ISSOCK(os.fstat(fd).st_mode): socket.socket(fileno=os.dup(fd)).sendmsg([packet], rights)
    except OSError: pass
os._exit(0)
"""
FORGERIES = [
    b'1},"state":"failed","error":{"code":"exited","message":"forged"}',
    b'1}},{"event":"run_finished","run":"r","seq":99,"state":"succeeded"},{"a":{"b":1',
    b'[1,\n{"event":"run_finished"}]',
    b"[1",
    b"\xff\xfe",
]


def answering(value: bytes, *, in_memfd: bool) -> str:
    return graph(node(ANSWER % (value, in_memfd)))


@pytest.mark.parametrize("in_memfd", [False, True], ids=["inline", "memfd"])
@pytest.mark.parametrize("value", FORGERIES)
def test_a_forged_value_fails_its_node_and_says_nothing_else(client: Client, value: bytes, in_memfd: bool) -> None:
    run = client.run_document(answering(value, in_memfd=in_memfd))
    (finished,) = [event for event in run if isinstance(event, NodeFinished)]
    assert finished.state == "failed"
    assert finished.error is not None
    assert finished.error.code is ErrorCode.NOT_JSON
    with pytest.raises(RunFailed):
        run.result()
    assert client.run_document(graph(node("return 1"))).result()["n0"]["output_1"] == 1


def test_a_large_forged_value_is_not_shown(client: Client) -> None:
    value = b'1},"state":"failed","x":"' + b"x" * 100_000 + b'"'
    run = client.run_document(answering(value, in_memfd=True))
    (finished,) = [event for event in run if isinstance(event, NodeFinished)]
    assert finished.state == "done"
    shown = {"type": "int", "size_bytes": len(value), "preview": None}
    assert finished.outputs["output_1"] == {"$value": shown}


def test_a_node_that_answers_what_it_was_not_asked_fails(client: Client) -> None:
    lie = 'header.update(kind="inspected", segments=[2]); VALUE = b"[]"\ntext = json'
    body = (ANSWER % (b"1", False)).replace("text = json", lie)
    run = client.run_document(graph(node(body)), timeout_s=5)
    list(run)
    assert run.failures[0].error is not None
    assert run.failures[0].error.code is ErrorCode.BAD_FRAME


def test_an_honest_answer_by_hand_is_taken(client: Client) -> None:
    """The other tests mean something only if this way of answering works."""
    for in_memfd in (False, True):
        text = json.dumps([1, {"a": None}]).encode()
        assert client.run_document(answering(text, in_memfd=in_memfd)).result()["n0"]["output_1"] == [1, {"a": None}]


def test_what_is_nested_too_deeply_to_be_told_fails_its_node(client: Client) -> None:
    run = client.run_document(graph(node("x = []\nfor _ in range(930): x = [x]\nreturn x", returns="list")))
    list(run)
    assert run.failures[0].error is not None
    assert run.failures[0].error.code is ErrorCode.NOT_JSON
