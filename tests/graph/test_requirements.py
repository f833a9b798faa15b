"""Requirements, Python versions and script blocks one by one: their normal forms, and what is refused."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyflowd.graph.environment_specs import is_environment_name
from pyflowd.graph.python_versions import PythonVersionError, combined, read_python
from pyflowd.graph.requirements import RequirementError, name_of, read_given, read_requirement, without_label
from pyflowd.graph.script_blocks import ScriptBlockError, find_script_block, parse_script_block
from support.graphs import texts

BLOCK_OF_THE_PEP = re.compile(r"(?m)^# /// (?P<type>[a-zA-Z0-9-]+)$\s(?P<content>(^#(| .*)$\s)+)^# ///$")
COMMENTS = ("# /// script", "# /// other", "# ///", "#", "# x = 1", "#x", "x = 1", "", " # ///", "# /// script ")


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("PIL", "pil"),
        ("torch>=2.0", "torch>=2.0"),
        ("Foo.Bar_baz >= 2 , < 3", "foo-bar-baz<3,>=2"),
        ("a[Z, b_c]~=1.0", "a[b-c,z]~=1.0"),
        ("a (==1.*)", "a==1.*"),
        ("a; python_version<'3.9'", 'a; python_version < "3.9"'),
        ("torch==2.0.0+cu118", "torch==2.0.0+cu118"),
    ],
)
def test_a_requirement_has_one_normal_form(written: str, normal: str) -> None:
    assert read_requirement(written) == read_given(written) == normal
    assert read_requirement(normal) == normal
    assert name_of(normal) == re.split("[^a-z-]", normal)[0]


@pytest.mark.parametrize(
    "written",
    [
        "x @ https://example.org/x.whl",
        "x@file:///tmp/x",
        "https://example.org/x.whl",
        "git+https://example.org/x",
        "./x",
        "../x",
        ".",
        "/tmp/x",
        "~/x",
        "tmp/x",
        r"C:\x",
        "x-1.0-py3-none-any.whl",
        "-e .",
        "-r other.txt",
        "--index-url=https://example.org",
    ],
)
def test_a_graph_does_not_say_where_a_package_comes_from(written: str) -> None:
    with pytest.raises(RequirementError, match="--with"):
        read_requirement(written)


@pytest.mark.parametrize("written", ["", "numpy=1", "numpy 1", "é", "a\nb", "a\x1b", "a>=x", "x" * 501, "\udc80"])
def test_what_is_no_requirement_is_refused_whoever_gives_it(written: str) -> None:
    for read in (read_requirement, read_given):
        with pytest.raises(RequirementError):
            read(written)


@pytest.mark.parametrize(
    ("written", "name"),
    [
        ("/tmp/a b/x", None),
        ("https://example.org/x.whl", None),
        ("git+https://example.org/x@v1", None),
        ("x @ https://example.org/x.whl", "x"),
        ('x @ https://example.org/x.whl ; python_version < "3.9"', "x"),
    ],
)
def test_who_runs_the_graph_says_where_a_package_comes_from(written: str, name: str | None) -> None:
    assert read_given(written) == written
    assert name_of(written) == name


@pytest.mark.parametrize("written", ["./x", "x", "tmp/x", "x @ ./x", "x @ /tmp/x", "-e /tmp/x", "--pre"])
def test_who_runs_the_graph_gives_no_relative_paths_nor_options(written: str) -> None:
    if written == "x":
        assert read_given(written) == "x"
        return
    with pytest.raises(RequirementError):
        read_given(written)


def test_labels_of_builds_go_only_where_versions_are_compared() -> None:
    assert without_label("a>=2.0+cu118,<3+x") == "a>=2.0,<3"
    assert without_label("a==2.0+cu118") == "a==2.0+cu118"


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("3.9", "3.9"),
        ("3.9.1", "3.9.1"),
        ("3.8+", ">=3.8"),
        ("3.8 or newer", ">=3.8"),
        ("Python 3.10", "3.10"),
        ("python>=3.8", ">=3.8"),
        ("3.10.*", "3.10"),
        ("==3.10.x", "3.10"),
        (" >= 3.8 ", ">=3.8"),
        ("<3.13, >=3.9", ">=3.9,<3.13"),
        (">=3.8,>=3.10", ">=3.10"),
        ("~=3.10,!=3.10.2", "!=3.10.2,~=3.10"),
    ],
)
def test_a_version_of_python_has_one_normal_form(written: str, normal: str) -> None:
    assert set(read_python(written).split(",")) == set(normal.split(","))
    assert read_python(read_python(written)) == read_python(written)


@pytest.mark.parametrize(
    "written",
    ["", "snake", "/usr/bin/python3", "3.9t", "===3.9", ">=3.10,<3.9", ">3.9.1,<3.9.2", ">" * 300, "\uff13.9"],
)
def test_what_no_python_is_is_refused(written: str) -> None:
    with pytest.raises(PythonVersionError):
        read_python(written)


@pytest.mark.parametrize(
    ("asked", "together"),
    [
        (("", ""), ""),
        (("3.9", "", "3.9"), "3.9"),
        (("3.9", ">=3.8"), "==3.9.*,>=3.8"),
        ((">=3.8", ">=3.10", "<3.13", "<4"), "<3.13,>=3.10"),
        (("3.9.2", "3.9"), "==3.9.*,==3.9.2"),
        ((">=3.9", "!=3.9.*", "!=3.10.*"), "!=3.10.*,!=3.9.*,>=3.9"),
        (("<3.9", "!=3.8.99"), "!=3.8.99,<3.9"),
    ],
)
def test_versions_that_several_ask_for_are_combined(asked: tuple[str, ...], together: str) -> None:
    assert combined(asked) == combined(reversed(asked)) == together


@pytest.mark.parametrize("asked", [("3.9", "3.10"), (">=3.10", "<3.9"), ("3.9", "!=3.9.*"), ("~=3.10", ">=4")])
def test_versions_that_exclude_each_other_are_refused(asked: tuple[str, ...]) -> None:
    with pytest.raises(PythonVersionError, match="no version of Python"):
        combined(asked)


@given(bounds=st.lists(st.tuples(st.sampled_from([">=", "<", ">", "<=", "!=", "=="]), st.integers(6, 14)), max_size=6))
@settings(deadline=None)
def test_there_is_a_version_when_one_of_the_usual_suits_and_then_it_still_does(bounds: list[tuple[str, int]]) -> None:
    from packaging.specifiers import SpecifierSet

    asked = [f"{operator}3.{minor}" for operator, minor in bounds]
    usual = [f"3.{minor}.{micro}" for minor in range(5, 16) for micro in (0, 1)]
    suiting = [version for version in usual if version in SpecifierSet(",".join(asked))]
    try:
        together = combined(asked)
    except PythonVersionError:
        assert not suiting
    else:
        assert [version for version in usual if version in SpecifierSet(together)] == suiting


@given(text=texts)
def test_no_text_makes_reading_raise_anything_else(text: str) -> None:
    for read, error in (
        (read_requirement, RequirementError),
        (read_given, RequirementError),
        (read_python, PythonVersionError),
    ):
        try:
            normal = read(text)
        except error:
            continue
        assert read(normal) == normal


@pytest.mark.parametrize("name", ["plots", "py39", "a.b-c_d", "3d-tools", "A"])
def test_these_may_be_names(name: str) -> None:
    assert is_environment_name(name)


@pytest.mark.parametrize(
    "name", ["", "3", "3.9", "3.x", "3.13t", "-a", ".a", "a/b", "a b", "a\n", "é", "..", "a" * 101]
)
def test_these_may_not(name: str) -> None:
    assert not is_environment_name(name)


def test_a_script_block_is_found_with_its_line() -> None:
    block = find_script_block('import os\n# /// script\n# dependencies = ["a"]\n#\n# ///\n')
    assert block is not None
    assert (block.line, block.text) == (2, 'dependencies = ["a"]\n\n')
    assert parse_script_block(block) == {"dependencies": ["a"]}


@pytest.mark.parametrize(
    ("code", "line"),
    [
        ("x\n# /// script\n# a = 1\nx", 2),
        ("# /// script\n# a = 1\n# ///\n\n# /// script\n# a = 1\n# ///", 5),
        ("# /// script\n# a = 1\n# a = 2\n# ///", 3),
        ("# /// script\n# a =\n# b = 2\n# ///", 2),
        ("# /// script\n# a = [\n# ///", 1),
        ("# /// script\n# a = " + "[" * 9000 + "\n# ///", 1),
        ("# /// script\n# a = " + "1" * 9000 + "\n# ///", 1),
        ("# /// script\n# " + "a" * 30_000 + "\n# ///", 1),
    ],
)
def test_a_broken_script_block_is_told_with_its_line(code: str, line: int) -> None:
    with pytest.raises(ScriptBlockError) as caught:
        parse_script_block(find_script_block(code) or pytest.fail("found none"))
    assert caught.value.line == line


@given(lines=st.lists(st.sampled_from(COMMENTS) | texts.filter(lambda text: "\r" not in text), max_size=12))
def test_the_lines_of_a_block_are_those_of_the_pep(lines: list[str]) -> None:
    code = "\n".join(lines)
    scripts = [found for found in BLOCK_OF_THE_PEP.finditer(code) if found["type"] == "script"]
    try:
        block = find_script_block(code)
    except ScriptBlockError:
        assert len(scripts) != 1
        return
    expected = [
        "\n".join(line[2:] if line.startswith("# ") else line[1:] for line in found["content"].split("\n"))
        for found in scripts
    ]
    assert ([block.text] if block else []) == expected


def test_looking_for_blocks_takes_time_in_proportion() -> None:
    assert find_script_block("# /// other\n" * 200_000 + "x\n") is None
    with pytest.raises(ScriptBlockError, match="does not end"):
        find_script_block("# /// script\n" * 200_000)
