"""What nodes import is told with their answers."""

from collections.abc import Iterator

import pytest

from support.environments import make_environment
from support.zygote import Zygote, find_interpreters, run_node, send_call

INTERPRETERS = find_interpreters()
MANY = 80
MODULES = {
    "outer/__init__.py": "import inner, time\ntime.sleep(0.02)\nfrom . import part\n",
    "outer/part.py": "",
    "inner.py": "",
    "alone.py": "from time import perf_counter\nend = perf_counter() + 0.02\nwhile perf_counter() < end:\n    pass\n",
    "second/__init__.py": "",
    "second/sub/__init__.py": "",
    "second/sub/deep.py": "",
    "spread/deep/leaf.py": "",
    "breaks.py": "import inner\nraise RuntimeError('broken')\n",
    **{f"many_{number}.py": "" for number in range(MANY)},
}


@pytest.fixture(scope="module", params=INTERPRETERS, ids=[path.split("/")[-3] for path in INTERPRETERS])
def zygote_of_module(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    with Zygote(make_environment(request.param, tmp_path_factory.mktemp("learn") / "env", MODULES)) as zygote:
        yield zygote


@pytest.fixture
def anywhere(zygote_of_module: Zygote) -> Iterator[Zygote]:
    yield zygote_of_module
    zygote_of_module.dismiss_workers()


def imports_of(zygote: Zygote, body: str) -> dict[str, float]:
    """What a node with these lines is said to have imported; in the order of import."""
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    header = run_node(zygote, f"@node_entry\ndef f():\n{lines}\n").header
    return dict(header.get("imports", []))


def test_the_outermost_imports_are_told_in_their_order(anywhere: Zygote) -> None:
    found = imports_of(anywhere, "import outer, inner, outer.part\nimport second.sub.deep\nimport spread.deep.leaf")
    assert list(found) == ["outer", "second", "second.sub", "second.sub.deep", "spread.deep.leaf"]
    assert 0.02 <= found["outer"] < 5


def test_one_that_imports_nothing_itself_is_no_cheaper_than_it_is(anywhere: Zygote) -> None:
    source = "import second, alone\n@node_entry\ndef f():\n    import time\n    time.sleep(0.5)\n"
    found = dict(run_node(anywhere, source).header["imports"])
    assert 0.02 <= found["alone"] < 0.5
    assert found["second"] < 0.02 + found["alone"]


def test_a_node_that_imports_nothing_new_tells_nothing(anywhere: Zygote) -> None:
    header = run_node(anywhere, "import sys, json\n@node_entry\ndef f():\n    import os\n").header
    assert header["kind"] == "done"
    assert "imports" not in header


def test_what_a_failing_node_imported_is_told_as_well(anywhere: Zygote) -> None:
    answer = run_node(anywhere, "import inner\n@node_entry\ndef f():\n    1 / 0\n")
    assert answer.error["type"] == "ZeroDivisionError"
    assert [name for name, _ in answer.header["imports"]] == ["inner"]


def test_what_does_not_come_about_does_not_count(anywhere: Zygote) -> None:
    body = "for name in ('nowhere', 'inner.nothing', 'breaks'):\n    try:\n        __import__(name)\n"
    assert list(imports_of(anywhere, body + "    except Exception:\n        pass")) == ["inner"]


def test_only_what_takes_long_counts_of_the_standard_library(anywhere: Zygote) -> None:
    assert list(imports_of(anywhere, "import decimal, sched, this, xml.dom.minidom, __future__")) == [
        "decimal",
        "xml.dom.minidom",
    ]


def test_what_a_node_has_written_itself_does_not_count(anywhere: Zygote) -> None:
    body = """
import os, sys
open("mine.py", "w").close()
os.makedirs("site-packages")
open("site-packages/hers.py", "w").close()
sys.path[:0] = [os.getcwd(), os.path.join(os.getcwd(), "site-packages")]
import mine, hers
sys.modules["theirs"] = type(sys)("theirs")
import theirs
"""
    assert imports_of(anywhere, body.strip()) == {}


def test_no_more_is_told_than_fits(anywhere: Zygote) -> None:
    found = imports_of(anywhere, f"for number in range({MANY}):\n    __import__('many_%d' % number)")
    assert list(found) == [f"many_{number}" for number in range(50)]


def test_looking_on_loads_no_module_that_is_lazy(anywhere: Zygote) -> None:
    source = """
import importlib.util, sys
@node_entry
def f() -> str:
    spec = importlib.util.find_spec("inner")
    loader = importlib.util.LazyLoader(spec.loader)
    spec.loader = loader
    module = importlib.util.module_from_spec(spec)
    sys.modules["inner"] = module
    loader.exec_module(module)
    import decimal
    return type(module).__name__
"""
    assert run_node(anywhere, source).outputs == {"output_1": '"_LazyModule"'}


def test_no_frame_of_ours_is_in_what_an_import_raises(anywhere: Zygote) -> None:
    source = """
import traceback
@node_entry
def f() -> str:
    try:
        import breaks
    except RuntimeError:
        return traceback.format_exc()
"""
    (text,) = run_node(anywhere, source).outputs.values()
    assert text.count("File ") == 2
    assert "worker_side" not in text


def test_what_another_call_imported_is_not_told_again(anywhere: Zygote) -> None:
    code = anywhere.compile("@node_entry\ndef f():\n    import inner\n")
    (worker,) = anywhere.fork()
    told = []
    for last in (0, 1):
        send_call(worker, code, last=last)
        told.append(worker.receive()[0].get("imports"))
    assert [name for name, _ in told[0]] == ["inner"]
    assert told[1] is None
