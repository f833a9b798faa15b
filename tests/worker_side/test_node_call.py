"""What a node's author may rely on: inputs, outputs, output, module, progress, seed."""

import json
import os

import pytest

from support.zygote import Zygote, run_node, send_call

ADD = """
@node_entry
def add(a: int, b: int = 2) -> int:
    return a + b
"""


def test_a_node_gets_its_inputs_and_gives_its_output(anywhere: Zygote) -> None:
    answer = run_node(anywhere, ADD, {"a": b"40"})
    assert answer.outputs == {"output_1": "42"}
    assert answer.header["types"] == ["int"]
    assert answer.header["cpu_s"] >= 0
    assert answer.header["peak_memory_bytes"] > 1_000_000


def test_a_worker_that_answered_its_last_call_leaves_with_status_0(anywhere: Zygote) -> None:
    answer = run_node(anywhere, ADD, {"a": b"1"})
    assert anywhere.wait_exit(answer.worker)["status"] == 0


def test_parameters_of_every_kind_receive_their_values(anywhere: Zygote) -> None:
    source = """
@node_entry
def mix(a, b=2, /, c=3, *rest, d, e=5, **more) -> list:
    return [a, b, c, list(rest), d, e, more]
"""
    answer = run_node(anywhere, source, {"a": b"1", "d": b"4", "c": b"30"})
    assert json.loads(answer.outputs["output_1"]) == [1, 2, 30, [], 4, 5, {}]


def test_a_gap_before_a_given_positional_only_parameter_is_filled_with_its_default(zygote: Zygote) -> None:
    source = "@node_entry\ndef f(a=1, b=2, /) -> list:\n    return [a, b]\n"
    assert run_node(zygote, source, {"b": b"20"}).outputs == {"output_1": "[1,20]"}


def test_values_survive_in_pythons_dialect_of_json(anywhere: Zygote) -> None:
    values = {
        "nan": b"NaN",
        "inf": b"-Infinity",
        "big": b"1" + b"0" * 6000,
        "text": b'"\\ud800 \\u00e9"',
        "spaced": b' \n{"a": [1.5, null, true]} ',
    }
    source = "@node_entry\ndef f(nan, inf, big, text, spaced) -> list:\n    return [nan, inf, big, text, spaced]\n"
    answer = run_node(anywhere, source, values)
    expected = '[NaN,-Infinity,1%s,"\\ud800 \\u00e9",{"a":[1.5,null,true]}]' % ("0" * 6000)
    assert answer.outputs["output_1"] == expected


def test_several_outputs_are_encoded_apart_and_named_by_the_docstring(anywhere: Zygote) -> None:
    source = '''
from typing import Tuple

@node_entry
def split() -> Tuple[int, str]:
    """
    @outputs: number, text
    """
    return 1, "one", "ignored"
'''
    answer = run_node(anywhere, source)
    assert answer.outputs == {"number": "1", "text": '"one"'}
    assert answer.header["warnings"] == ["the node returned 3 values for 2 outputs: the rest is ignored"]


def test_a_node_without_return_annotation_gives_nothing(zygote: Zygote) -> None:
    assert run_node(zygote, "@node_entry\ndef f():\n    return 1\n").outputs == {}


def test_a_node_annotated_none_gives_null(zygote: Zygote) -> None:
    assert run_node(zygote, "@node_entry\ndef f() -> None:\n    pass\n").outputs == {"output_1": "null"}


def test_a_value_over_the_inline_budget_travels_whole_with_a_preview(anywhere: Zygote) -> None:
    source = "@node_entry\ndef f(text: str) -> list:\n    return [text] * 20\n"
    answer = run_node(anywhere, source, {"text": json.dumps("x" * 100_000).encode()})
    assert json.loads(answer.outputs["output_1"]) == ["x" * 100_000] * 20
    (preview,) = answer.header["previews"]
    assert preview.startswith("['xxx")
    assert len(preview) <= 200


def test_everything_printed_is_in_the_pipes_before_the_answer(anywhere: Zygote) -> None:
    source = """
import ctypes, os, sys
print("at import")

@node_entry
def f():
    print("é", chr(0xd800), end="")
    sys.stderr.write("to stderr")
    os.write(1, b" raw")
    sys.stdout.flush()
    ctypes.CDLL(None).printf(b" from C")
    os.system("echo ' from a child'")
"""
    worker = run_node(anywhere, source).worker
    printed = worker.stdout.decode()
    assert printed.startswith("at import\n")
    for part in ("é \\ud800", " raw", " from C", " from a child\n"):
        assert part in printed
    assert worker.stderr == b"to stderr"


def test_a_flood_of_output_arrives_complete(zygote: Zygote) -> None:
    source = "@node_entry\ndef f():\n    for _ in range(100):\n        print('x' * 999_999)\n"
    worker = run_node(zygote, source).worker
    assert len(worker.stdout) == 100_000_000


def test_input_finds_the_end_of_file(zygote: Zygote) -> None:
    error = run_node(zygote, "@node_entry\ndef f():\n    input()\n").error
    assert (error["code"], error["type"]) == ("exception", "EOFError")


def test_the_module_is_registered_under_a_name_of_its_own(anywhere: Zygote) -> None:
    source = """
import dataclasses, inspect, pickle, sys, typing

@dataclasses.dataclass
class Point:
    x: "typing.Optional[int]" = None

def double(x):
    return 2 * x

@node_entry
def f() -> list:
    back = pickle.loads(pickle.dumps(Point(3)))
    main = sys.modules["__main__"]
    return [__name__, back == Point(3), inspect.getsource(double), hasattr(main, "main"), "__file__" in globals(),
            "return 2 * x" in __loader__.get_source(__name__)]
"""
    answer = run_node(anywhere, source, title="Load data")
    expected = ["node_Load_data", True, "def double(x):\n    return 2 * x\n", False, False, True]
    assert json.loads(answer.outputs["output_1"]) == expected


def test_nothing_of_ours_can_be_imported_by_accident(anywhere: Zygote) -> None:
    source = """
import importlib.util, os, sys

@node_entry
def f() -> list:
    found = [name for name in ("frames", "zygote", "child", "values") if importlib.util.find_spec(name)]
    return [found, sys.argv, sorted(set(os.listdir("/proc/self/fd")) & {str(n) for n in range(3, 100)})]
"""
    found, argv, descriptors = json.loads(run_node(anywhere, source).outputs["output_1"])
    assert found == []
    assert argv == [""]
    assert len(descriptors) <= 1  # the one that lists the folder


def test_a_node_starts_with_pythons_own_signal_handlers_and_an_empty_mask(anywhere: Zygote) -> None:
    source = """
import signal

@node_entry
def f() -> list:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD)
    handlers = [signal.getsignal(number) for number in numbers]
    mask = sorted(signal.pthread_sigmask(signal.SIG_BLOCK, []))
    return [handlers == [signal.default_int_handler, signal.SIG_DFL, signal.SIG_DFL], mask]
"""
    assert run_node(anywhere, source).outputs == {"output_1": "[true,[]]"}


def test_a_node_works_in_a_scratch_folder_that_is_gone_with_what_it_left_there(anywhere: Zygote) -> None:
    source = """
import os, tempfile

@node_entry
def f() -> list:
    os.makedirs("deep/deeper")
    open("deep/deeper/file", "w").close()
    os.symlink("/etc", "link")
    os.chmod("deep", 0)
    return [os.getcwd(), tempfile.gettempdir(), os.environ["TMPDIR"]]
"""
    answer = run_node(anywhere, source)
    folders = json.loads(answer.outputs["output_1"])
    assert set(folders) == {folders[0]}
    assert os.path.dirname(os.path.dirname(folders[0])) == anywhere.scratch
    anywhere.wait_exit(answer.worker)
    anywhere.wait_quiet()
    assert not os.path.exists(folders[0])
    assert os.path.isdir("/etc")


def test_a_seed_repeats_the_numbers_and_none_does_not(anywhere: Zygote) -> None:
    source = "import random\n\n@node_entry\ndef f() -> float:\n    return random.random()\n"
    seeded = {run_node(anywhere, source, seed=7).outputs["output_1"] for _ in range(2)}
    free = {run_node(anywhere, source).outputs["output_1"] for _ in range(2)}
    assert len(seeded) == 1
    assert len(free) == 2


def test_progress_is_reported_clamped_and_ends_with_the_latest(anywhere: Zygote) -> None:
    source = """
@node_entry
def f():
    progress(-1)
    for step in range(5000):
        progress(step / 5000, "step %d" % step)
    progress(2, "x" * 2000)
"""
    progress = run_node(anywhere, source).worker.progress
    assert progress[0] == (0.0, "")
    assert progress[-1] == (1.0, "x" * 1000)
    assert len(progress) < 500


@pytest.mark.parametrize("fraction", ["float('nan')", "'half'"])
def test_progress_refuses_what_is_no_fraction(zygote: Zygote, fraction: str) -> None:
    error = run_node(zygote, f"@node_entry\ndef f():\n    progress({fraction})\n").error
    assert error["type"] == "ValueError"
    assert "progress.py" not in error["traceback"]


def test_threads_and_exit_functions_finish_before_the_answer(anywhere: Zygote) -> None:
    source = """
import atexit, threading
from concurrent.futures import ThreadPoolExecutor

release = threading.Event()

def late():
    release.wait()
    print("thread")

@node_entry
def f() -> int:
    ThreadPoolExecutor(1).submit(int)
    atexit.register(print, "exit function")
    threading.Thread(target=late).start()
    threading.Timer(0.05, release.set).start()
    return 1
"""
    answer = run_node(anywhere, source)
    assert answer.outputs == {"output_1": "1"}
    assert answer.worker.stdout == b"thread\nexit function\n"


def test_a_call_can_be_queued_before_its_worker_exists(anywhere: Zygote) -> None:
    code = anywhere.compile(ADD)
    (worker,) = anywhere.send_fork([1_000_000])
    send_call(worker, code, {"a": b"1"})
    assert worker.receive()[1] == [b"3"]
    anywhere.wait_exit(worker)


def test_code_compiled_for_another_title_shows_its_own_in_tracebacks(zygote: Zygote) -> None:
    source = "def inner():\n    1 / 0\n\n@node_entry\ndef f():\n    inner()\n"
    error = run_node(zygote, source, title="Mine").error
    assert error["traceback"].count('File "<node: Mine>"') == 2
