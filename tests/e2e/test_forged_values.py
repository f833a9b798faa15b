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
HOW = %r
IN_MEMFD = HOW == "memfd"
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
if HOW == "brief":
    packet = struct.pack("<IQdQqHIH", 0, call, 0.0, 0, -1, 1, len(VALUE), 3) + b"int" + VALUE
import socket
for fd in range(3, 1024):
    try:
        if stat.S_ISSOCK(os.fstat(fd).st_mode): socket.socket(fileno=os.dup(fd)).sendmsg([packet], rights)
    except OSError: pass
os._exit(0)
"""
WAYS = ["inline", "memfd", "brief"]
FORGERIES = [
    b'1},"state":"failed","error":{"code":"exited","message":"forged"}',
    b'1}},{"event":"run_finished","run":"r","seq":99,"state":"succeeded"},{"a":{"b":1',
    b'[1,\n{"event":"run_finished"}]',
    b"[1",
    b"\xff\xfe",
]


def answering(value: bytes, how: str) -> str:
    return graph(node(ANSWER % (value, how)))


@pytest.mark.parametrize("how", WAYS)
@pytest.mark.parametrize("value", FORGERIES)
def test_a_forged_value_fails_its_node_and_says_nothing_else(client: Client, value: bytes, how: str) -> None:
    run = client.run_document(answering(value, how))
    (finished,) = [event for event in run if isinstance(event, NodeFinished)]
    assert finished.state == "failed"
    assert finished.error is not None
    assert finished.error.code is ErrorCode.NOT_JSON
    with pytest.raises(RunFailed):
        run.result()
    assert client.run_document(graph(node("return 1"))).result()["n0"]["output_1"] == 1


def test_a_large_forged_value_is_not_shown(client: Client) -> None:
    value = b'1},"state":"failed","x":"' + b"x" * 100_000 + b'"'
    run = client.run_document(answering(value, "memfd"))
    (finished,) = [event for event in run if isinstance(event, NodeFinished)]
    assert finished.state == "done"
    shown = {"type": "int", "size_bytes": len(value), "preview": None}
    assert finished.outputs["output_1"] == {"$value": shown}


def test_a_node_that_answers_what_it_was_not_asked_fails(client: Client) -> None:
    lie = 'header.update(kind="inspected", segments=[2]); VALUE = b"[]"\ntext = json'
    body = (ANSWER % (b"1", "inline")).replace("text = json", lie)
    run = client.run_document(graph(node(body)), timeout_s=5)
    list(run)
    assert run.failures[0].error is not None
    assert run.failures[0].error.code is ErrorCode.BAD_FRAME


@pytest.mark.parametrize("how", WAYS)
def test_an_honest_answer_by_hand_is_taken(client: Client, how: str) -> None:
    """The other tests mean something only if this way of answering works."""
    text = json.dumps([1, {"a": None}]).encode()
    assert client.run_document(answering(text, how)).result()["n0"]["output_1"] == [1, {"a": None}]


def test_what_is_nested_too_deeply_to_be_told_fails_its_node(client: Client) -> None:
    run = client.run_document(graph(node("x = []\nfor _ in range(930): x = [x]\nreturn x", returns="list")))
    list(run)
    assert run.failures[0].error is not None
    assert run.failures[0].error.code is ErrorCode.NOT_JSON
