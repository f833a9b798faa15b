"""Whatever a node raises or returns becomes one clear answer."""

import dataclasses
import json
import resource
import signal

import pytest

from support.zygote import Answer, Zygote, run_node, send_call


def failing(zygote: Zygote, body: str, header: str = "") -> Answer:
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    return run_node(zygote, f"{header}\n@node_entry\ndef f() -> list:\n{lines}")


def test_a_traceback_names_the_node_and_shows_only_its_code(anywhere: Zygote) -> None:
    source = """@node_entry
def f():
    try:
        {}["a"]
    except KeyError:
        raise ValueError("bad") from None
"""
    error = run_node(anywhere, source, title="Load data").error
    assert (error["code"], error["type"], error["message"]) == ("exception", "ValueError", "bad")
    lines = error["traceback"].splitlines()
    assert lines[:3] == [
        "Traceback (most recent call last):",
        '  File "<node: Load data>", line 6, in f',
        '    raise ValueError("bad") from None',
    ]
    assert lines[-1] == "ValueError: bad"


def test_chained_exceptions_are_shown_without_our_frames(anywhere: Zygote) -> None:
    error = failing(anywhere, "try:\n    1 / 0\nexcept ZeroDivisionError:\n    raise ValueError('second')").error
    assert "ZeroDivisionError" in error["traceback"]
    assert "During handling" in error["traceback"]
    assert "node_module" not in error["traceback"]


def test_a_missing_argument_is_an_exception_without_frames_of_ours(anywhere: Zygote) -> None:
    error = run_node(anywhere, "@node_entry\ndef f(x):\n    pass\n").error
    assert error["type"] == "TypeError"
    assert "File" not in error["traceback"]


def test_an_exception_group_shows_its_parts(zygote: Zygote) -> None:
    error = failing(zygote, "raise ExceptionGroup('both', [ValueError('a'), KeyError('b')])").error
    assert "ValueError: a" in error["traceback"]
    assert "KeyError: 'b'" in error["traceback"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("raise SystemExit(3)", "exited"),
        ("import sys; sys.exit()", "exited"),
        ("raise KeyboardInterrupt", "cancelled"),
        ("raise type('Odd', (BaseException,), {})()", "exception"),
        ("raise GeneratorExit", "exception"),
        ("def deep(): deep()\ndeep()", "exception"),
        ("exec('def broken(')", "exception"),
        ("raise type('E', (Exception,), {'__str__': lambda self: 1 / 0})()", "exception"),
        ("raise type('E', (Exception,), {'__str__': lambda self: exit(1)})()", "exception"),
        ("raise type('E', (Exception,), {'__repr__': None, '__str__': lambda s: chr(0xd800)})()", "exception"),
        ("raise type('E', (Exception,), {'__cause__': property(lambda self: 1 / 0)})()", "exception"),
        ("raise type('E', (Exception,), {'__del__': lambda self: 1 / 0})()", "exception"),
        ("return [] if False else {1}", "not_json"),
        ("return b'bytes'", "not_json"),
        ("return object()", "not_json"),
        ("return {(1, 2): 3}", "not_json"),
        ("x = []; x.append(x); return x", "not_json"),
        ("x = []\nfor _ in range(100_000): x = [x]\nreturn x", "not_json"),
        ("import os; os.close(1); return []", None),
        ("import os; os.close(1); print('x'); return []", "exception"),
        ("import sys; sys.stdout.close(); sys.stderr = None; return []", None),
    ],
)
def test_a_hostile_end_is_told_from_a_good_one(anywhere: Zygote, body: str, code: str) -> None:
    answer = failing(anywhere, body)
    if code is None:
        assert answer.outputs == {"output_1": "[]"}
    else:
        assert answer.error["code"] == code
        assert answer.error["message"]
    assert anywhere.wait_exit(answer.worker)["status"] == 0


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("{1}", "output 'output_1' is a set, which is not JSON: return sorted(value) or list(value)"),
        (
            "[{'a': b''}]",
            "output 'output_1' holds a bytes, which is not JSON: return value.decode() or a list of numbers",
        ),
        ("{(1,): 2}", "output 'output_1' is not JSON: keys must be str, int, float, bool or None, not tuple"),
    ],
)
def test_the_message_for_what_is_not_json_says_what_to_return(zygote: Zygote, value: str, message: str) -> None:
    assert failing(zygote, f"return {value}").error["message"] == message


@pytest.mark.parametrize("value", ["1", "{'a': 1, 'b': 2}", "'ab'", "(1,)", "None"])
def test_too_few_values_for_the_declared_outputs_are_refused(zygote: Zygote, value: str) -> None:
    error = run_node(zygote, f"@node_entry\ndef f() -> tuple[int, int]:\n    return {value}\n").error
    assert error["code"] == "bad_output"
    assert error["message"].startswith("2 outputs are declared, but the node returned ")


@pytest.mark.parametrize("text", [b"", b"{", b"1 2", b"\xff", b"[" * 200_000], ids=["empty", "{", "1 2", "ff", "deep"])
def test_an_input_that_is_not_json_is_refused_by_name(anywhere: Zygote, text: bytes) -> None:
    error = run_node(anywhere, "@node_entry\ndef f(x):\n    pass\n", {"x": text}).error
    assert error["code"] == "bad_input"
    assert error["message"].startswith("input 'x' is not JSON: ")


def test_a_node_over_its_memory_limit_fails_for_that_reason(anywhere: Zygote) -> None:
    source = "kept = []\n@node_entry\ndef f():\n    while True:\n        kept.append(bytearray(1 << 20))\n"
    error = run_node(anywhere, source, bounds={resource.RLIMIT_DATA: 200 << 20}).error
    assert (error["code"], error["type"]) == ("memory_limit", "MemoryError")


def test_memory_filled_with_small_objects_still_leaves_room_for_the_report(anywhere: Zygote) -> None:
    source = "@node_entry\ndef f():\n    kept = []\n    while True:\n        kept.append([None])\n"
    assert run_node(anywhere, source, bounds={resource.RLIMIT_DATA: 100 << 20}).error["code"] == "memory_limit"


def test_a_node_over_its_cpu_limit_is_ended_by_the_kernel(zygote: Zygote) -> None:
    code = zygote.compile("@node_entry\ndef f():\n    while True: pass\n")
    (worker,) = zygote.fork()
    send_call(worker, code, cpu_s=1)
    assert zygote.wait_exit(worker)["status"] & 0x7F == signal.SIGXCPU


def test_messages_and_tracebacks_are_capped_whatever_their_script(anywhere: Zygote) -> None:
    error = failing(anywhere, "raise ValueError('start' + chr(0x1F600) * 1_000_000 + 'end')").error
    assert error["message"].startswith("start")
    assert error["message"].endswith("end")
    assert len(json.dumps(error["message"])) <= 10_100
    assert len(json.dumps(error["traceback"])) <= 30_100


def interrupted(zygote: Zygote, source: str) -> str:
    """The error code of a node that gets SIGINT once it has reported progress."""
    code = zygote.compile(source)
    (worker,) = zygote.fork()
    send_call(worker, code)
    worker.wait_progress()
    worker.kill(signal.SIGINT)
    header, _ = worker.receive()
    return str(header["error"]["code"])


def test_an_interrupt_cancels_the_node(anywhere: Zygote) -> None:
    assert (
        interrupted(anywhere, "import time\n@node_entry\ndef f():\n    progress(0)\n    time.sleep(60)\n")
        == "cancelled"
    )


def test_an_interrupt_gets_through_to_a_node_that_waits_for_its_threads(anywhere: Zygote) -> None:
    source = """
import threading
@node_entry
def f():
    threading.Thread(target=lambda: (progress(0), threading.Event().wait())).start()
"""
    assert interrupted(anywhere, source) == "cancelled"


@pytest.mark.parametrize("instead", ["raise RuntimeError('release unlocked lock')", "sys.exit(1)"])
def test_an_interrupt_counts_though_something_else_is_raised_over_it(zygote: Zygote, instead: str) -> None:
    source = f"""
import sys, threading, time
@node_entry
def f():
    threading.Thread(target=threading.Event().wait).start()
    try:
        progress(0)
        time.sleep(60)
    finally:
        {instead}
"""
    assert interrupted(zygote, source) == "cancelled"


def test_code_compiled_by_another_interpreter_is_the_environments_fault(zygote: Zygote) -> None:
    code = zygote.compile("@node_entry\ndef f():\n    pass\n")
    (worker,) = zygote.fork()
    send_call(worker, dataclasses.replace(code, compiled=b"\x00nonsense"))
    header, _ = worker.receive()
    assert header["error"]["code"] == "environment"
