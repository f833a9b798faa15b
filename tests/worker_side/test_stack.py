"""A failed node's frames: where it was, with short texts of its variables, whatever these do when they are shown."""

import json
import signal
import time
from typing import Any

import pytest

from pyflowd.worker_side.masking import is_secret, mask
from pyflowd.worker_side.portraits import ALL_S
from pyflowd.worker_side.short_repr import LONGEST
from support.zygote import Zygote, run_node, send_call

WITHIN_S = ALL_S + 3.0  # on a machine that does much else


def frames_of(zygote: Zygote, body: str, header: str = "", **options: Any) -> list[dict[str, Any]]:
    lines = "".join(f"    {line}\n" for line in body.splitlines())
    answer = run_node(zygote, f"{header}\n@node_entry\ndef f(x: int = 1) -> list:\n{lines}", **options)
    frames: list[dict[str, Any]] = answer.error["frames"]
    return frames


def shown(zygote: Zygote, value: str, header: str = "") -> str:
    """The text for a variable of a node that fails."""
    text: str = frames_of(zygote, f"v = {value}\n1 / 0", header)[-1]["locals"]["v"]
    return text


def test_each_frame_has_its_place_its_line_and_its_variables(anywhere: Zygote) -> None:
    header = "import json\ndef inner(y):\n    z = [y, 'a']\n    return y / 0\n"
    outer, inner = frames_of(anywhere, "w = None\nreturn inner(x + 1)", header, title="Load data")
    assert outer == {
        "title": "Load data",
        "line": 9,
        "function": "f",
        "source": "return inner(x + 1)",
        "locals": {"x": "1", "w": "None"},
    }
    assert inner == {
        "title": "Load data",
        "line": 4,
        "function": "inner",
        "source": "return y / 0",
        "locals": {"y": "2", "z": "[2, 'a']"},
    }


def test_a_failing_module_body_shows_its_names_without_modules_functions_and_classes(zygote: Zygote) -> None:
    answer = run_node(zygote, "import json\nclass A: pass\nn = 3\n1 / 0\n@node_entry\ndef f():\n    pass\n")
    [frame] = answer.error["frames"]
    assert (frame["function"], frame["line"], frame["locals"]) == ("<module>", 4, {"n": "3"})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("{1: [2.5, (True,)], 'a': {b'c'}}", "{1: [2.5, (True,)], 'a': {b'c'}}"),
        ("[set(), frozenset([1]), ...]", "[set(), frozenset({1}), Ellipsis]"),
        ("[[[[[1]]]]]", "[[[[[...]]]]]"),
        ("10 ** 5000", "<int of 16610 bits>"),
        ("list(range(100_000))", f"[{', '.join(map(str, range(20)))}, ...]"),
        ("__import__('decimal').Decimal('1.5')", "Decimal('1.5')"),
        ("[__import__('pathlib').PurePosixPath('/a')]", "[PurePosixPath('/a')]"),
    ],
)
def test_values_are_shown_in_short(anywhere: Zygote, value: str, text: str) -> None:
    assert shown(anywhere, value) == text


def test_a_value_that_holds_itself_is_shown(zygote: Zygote) -> None:
    assert frames_of(zygote, "v = []\nv.append(v)\n1 / 0")[0]["locals"]["v"] == "[[[[[...]]]]]"


def test_long_texts_and_wide_containers_stay_short(zygote: Zygote) -> None:
    for value in ("'a' * 10**8", "[['b' * 1000] * 1000] * 1000", "{i: 'c' * 99 for i in range(10**5)}", "b'd' * 10**6"):
        assert len(shown(zygote, value)) <= LONGEST


BAD = "import os, time\nclass Bad:\n    def __repr__(self):\n        {}\n"


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("1 / 0", "<Bad whose repr raises ZeroDivisionError>"),
        ("raise SystemExit", "<Bad whose repr raises SystemExit>"),
        ("return 1", "<Bad whose repr raises TypeError>"),
        ("return 'x' * 10**7", "x" * 147 + "..." + "x" * 47 + "..."),
        ("while True: pass", "<Bad whose repr takes too long>"),
        ("time.sleep(1000)", "<Bad whose repr takes too long>"),
        ("os._exit(0)", "<Bad whose repr takes too long>"),
        ("os.abort()", "<Bad whose repr takes too long>"),
        ("return '\\ud800'", "\\ud800"),
    ],
)
def test_a_repr_that_misbehaves_costs_nothing_but_its_text(anywhere: Zygote, body: str, text: str) -> None:
    began_s = time.monotonic()
    [frame] = frames_of(anywhere, "a = 1\nv = Bad()\nb = {2: 3.5}\n1 / 0", BAD.format(body))
    assert time.monotonic() - began_s < WITHIN_S
    assert frame["locals"] == {"x": "1", "a": "1", "v": text, "b": "{2: 3.5}"}


def test_a_repr_that_never_ends_and_lets_nothing_stop_it_costs_the_others_not_their_text(anywhere: Zygote) -> None:
    forever = "while True:\n            try:\n                while True: pass\n            except BaseException: pass"
    header = BAD.format(forever) + "from decimal import Decimal\n"
    answer = run_node(
        anywhere, f"{header}\n@node_entry\ndef f():\n    a = Decimal(1)\n    v = Bad()\n    b = Decimal(2)\n    1 / 0\n"
    )
    assert answer.error["type"] == "ZeroDivisionError"
    shown = answer.error["frames"][0]["locals"]
    assert shown == {"a": "Decimal('1')", "v": "<Bad whose repr takes too long>", "b": "Decimal('2')"}


def test_many_that_never_end_take_no_longer_than_a_few(zygote: Zygote) -> None:
    began_s = time.monotonic()
    body = "\n".join(f"v{number} = Bad()" for number in range(20)) + "\n1 / 0"
    [frame] = frames_of(zygote, body, BAD.format("while True: pass"))
    assert time.monotonic() - began_s < WITHIN_S
    assert frame["locals"]["v19"] == "<Bad>"


def test_a_repr_that_prints_and_changes_things_leaves_no_trace(anywhere: Zygote) -> None:
    header = BAD.format("self.n += 1; print('shown', flush=True); os.write(2, b''); return f'n={self.n}'")
    source = f"{header}    n = 0\n@node_entry\ndef f():\n    v = Bad()\n    print('begun', end='')\n    1 / 0\n"
    answer = run_node(anywhere, source)
    assert answer.error["frames"][0]["locals"] == {"v": "n=1"}
    assert answer.worker.read_to_end() == ("begun", "")


def test_where_no_process_can_be_had_the_class_is_named(zygote: Zygote) -> None:
    """The system refuses: root, who may run the tests, it would not."""
    header = "import os\nfrom decimal import Decimal\ndef refuse():\n    raise BlockingIOError(11, 'no')\n"
    [frame] = frames_of(zygote, "v = Decimal(1)\nw = 2\nos.fork = refuse\n1 / 0", header)
    assert frame["locals"] == {"x": "1", "v": "<Decimal>", "w": "2"}


def test_without_descriptors_the_error_arrives_all_the_same(anywhere: Zygote) -> None:
    body = "import os\nheld = []\nwhile True:\n    held.append(os.dup(0))"
    answer = run_node(anywhere, f"@node_entry\ndef f():\n    {body.replace(chr(10), chr(10) + '    ')}\n")
    assert answer.error["code"] in ("open_files_limit", "exception")


def test_of_many_variables_the_first_thirty_are_told(zygote: Zygote) -> None:
    [frame] = frames_of(zygote, "\n".join(f"v{number} = {number}" for number in range(50)) + "\n1 / 0")
    assert list(frame["locals"]) == ["x", *(f"v{number}" for number in range(29))]


def test_deep_recursion_keeps_its_ends(zygote: Zygote) -> None:
    frames = frames_of(zygote, "deep(0)", "def deep(n):\n    return deep(n + 1)\n")
    assert len(frames) == 20
    assert [frame["locals"].get("n") for frame in frames[:3]] == [None, "0", "1"]
    assert int(frames[-1]["locals"]["n"]) > 500


def test_all_of_it_fits_into_its_packet_and_the_innermost_come_first(zygote: Zygote) -> None:
    many = "\n    ".join(f"v{number} = chr(0x1F600) * 300" for number in range(40))
    header = f"def deep(n):\n    {many}\n    return deep(n + 1) if n < 30 else 1 / 0\n"
    frames = frames_of(zygote, "deep(0)", header)
    assert len(json.dumps(frames)) < 60_000
    assert len(frames[-1]["locals"]) > 5
    assert frames[5]["locals"] == {}


def test_secrets_are_masked_by_name_wherever_they_are(anywhere: Zygote) -> None:
    header = """
from dataclasses import dataclass
@dataclass
class Login:
    user: str
    password: str
"""
    body = """api_key = 'hunter2'
authToken = ['hunter2']
settings = {'user': 'me', 'password': 'hunter2', 'deep': [{b'secret': 'hunter2'}]}
login = Login('me', 'hunter2')
url = 'https://me:hunter2@example.org/'
line = 'Authorization: Bearer hunter2'
monkey = 'banana'
1 / 0"""
    [frame] = frames_of(anywhere, body, header)
    assert frame["locals"] == {
        "x": "1",
        "api_key": "***",
        "authToken": "***",
        "settings": "{'user': 'me', 'password': '***', 'deep': [{b'secret': '***'}]}",
        "login": "Login(user='me', password='***')",
        "url": "'https://***@example.org/'",
        "line": "'Authorization: ***'",
        "monkey": "'banana'",
    }


@pytest.mark.parametrize(
    "name", ["password", "DB_PASSWD", "apiKey", "API_KEY", "mySecretThing", "auth", "token2", "key"]
)
def test_names_that_look_secret(name: str) -> None:
    assert is_secret(name)


@pytest.mark.parametrize("name", ["monkey", "keyboard", "author", "tokenizer", "x", "", 3, None, ("key",)])
def test_names_that_do_not(name: object) -> None:
    assert not is_secret(name)


def test_a_long_text_is_masked_in_no_time() -> None:
    began_s = time.monotonic()
    for text in ("a" * 100_000, "key=" * 25_000, "'" * 100_000, "\\'" * 50_000, "a:" * 50_000):
        mask(text)
    assert time.monotonic() - began_s < 2.0


def test_what_is_interrupted_or_out_of_memory_has_none(zygote: Zygote) -> None:
    code = zygote.compile("import time\n@node_entry\ndef f():\n    progress(0)\n    time.sleep(60)\n")
    (worker,) = zygote.fork()
    send_call(worker, code)
    worker.wait_progress()
    worker.kill(signal.SIGINT)
    header, _ = worker.receive()
    assert "frames" not in header["error"]
    assert "frames" not in run_node(zygote, "@node_entry\ndef f():\n    raise MemoryError\n").error


def test_an_interrupt_gets_through_while_variables_are_shown(zygote: Zygote) -> None:
    """SIGINT comes from the repr itself, in its fork: so it comes in the middle of it."""
    header = BAD.format("os.kill(os.getppid(), 2); time.sleep(1000)")
    answer = run_node(zygote, f"{header}\n@node_entry\ndef f():\n    v = Bad()\n    1 / 0\n")
    assert answer.error["code"] == "cancelled"
