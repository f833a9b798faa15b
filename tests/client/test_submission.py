"""What a run is asked for with: files, inputs, interpreters."""

import math
import os
from pathlib import Path

import pytest

from pyflowd_client.errors import GraphFileError, RequestUnsendable
from pyflowd_client.protocol.errors import ExitStatus
from pyflowd_client.protocol.limits import MAX_DOCUMENT_BYTES, MAX_REQUEST_BYTES
from pyflowd_client.protocol.options import WHOLE_GRAPH, EnvironmentChoice, Permissions, RunOptions, Selection
from pyflowd_client.requirements import interpreter
from pyflowd_client.submission import (
    RunArguments,
    check,
    encode_inputs,
    opening,
    origin_of,
    read_graph,
    submission,
    with_absolute_paths,
)


def test_a_graph_file_is_read_with_its_name_and_without_a_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "gr\u00e4ph.md"
    path.write_bytes(b"\xef\xbb\xbf# T\xc3\xa4st\r\n")
    assert read_graph(path) == ("# T\u00e4st\r\n", "gr\u00e4ph.md")


def test_a_file_name_that_is_no_unicode_can_still_travel(tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/\xff.md"
    Path(os.fsdecode(path)).write_text("x")
    read_graph(os.fsdecode(path))[1].encode()


def test_files_that_are_no_graphs_are_named_with_the_reason(tmp_path: Path) -> None:
    latin = tmp_path / "latin.md"
    latin.write_bytes(b"caf\xe9")
    huge = tmp_path / "huge.md"
    with open(huge, "wb") as file:
        file.truncate(MAX_DOCUMENT_BYTES + 1)
    for path, reason in (
        (tmp_path / "gone.md", "No such file"),
        (tmp_path, "directory"),
        (latin, "byte 3"),
        (huge, "16 MiB"),
    ):
        with pytest.raises(GraphFileError, match=reason) as caught:
            read_graph(path)
        assert str(path) in str(caught.value)
        assert caught.value.exit_status is ExitStatus.BAD_GRAPH


def test_inputs_are_json_in_pythons_dialect() -> None:
    values = {"a.nan": math.nan, "a.big": 10**30, "a.text": "\u20ac\ud800", "a.tuple": (1, None)}
    assert encode_inputs(values) == {
        "a.nan": "NaN",
        "a.big": "1" + "0" * 30,
        "a.text": '"\\u20ac\\ud800"',
        "a.tuple": "[1, null]",
    }


def test_an_input_that_is_not_json_is_named() -> None:
    with pytest.raises(TypeError, match=r"input Loader\.when: .*set"):
        encode_inputs({"Loader.when": {1}})
    circle: list[object] = []
    circle.append(circle)
    with pytest.raises(ValueError, match=r"input Loader\.when: it contains itself"):
        encode_inputs({"Loader.when": circle})


@pytest.mark.parametrize(
    ("arguments", "choice"),
    [
        ({}, EnvironmentChoice()),
        ({"environment": None, "requirements": (), "allow_builds": False}, EnvironmentChoice()),
        ({"environment": "science"}, EnvironmentChoice(name="science")),
        ({"requirements": ["numpy>=2", " pandas "]}, EnvironmentChoice(requirements=("numpy>=2", "pandas"))),
        ({"allow_builds": True}, EnvironmentChoice(allow_builds=True)),
    ],
)
def test_what_nodes_run_in_is_said_to_run_and_check_alike(arguments: RunArguments, choice: EnvironmentChoice) -> None:
    assert submission("d", None, arguments).environment == choice
    assert check("d", None, arguments).environment == choice


def test_an_environment_without_a_name_is_refused() -> None:
    with pytest.raises(ValueError, match="names no environment"):
        submission("d", None, {"environment": ""})


def test_an_interpreter_is_absolute_and_its_links_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "python").symlink_to("/usr/bin/env")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert interpreter("./python") == str(tmp_path / "python")
    assert interpreter("~/python") == str(tmp_path / "python")
    assert interpreter(None) is None


def test_options_left_out_have_the_protocols_defaults_and_none_means_no_limit() -> None:
    assert submission("d", "n.md", {}).options == RunOptions()
    assert submission("d", "n.md", {"seed": 0, "max_value_bytes": None}).options == RunOptions(
        seed=0, max_value_bytes=None
    )


def test_parts_and_origin_travel_as_they_were_named_and_the_whole_graph_as_nothing() -> None:
    part = submission("d", None, {"targets": ["a"], "start_from": ("b", "c"), "only": ["d"], "origin": "/g.md"})
    assert (part.selection, part.origin) == (Selection(targets=("a",), below=("b", "c"), only=("d",)), "/g.md")
    for whole in (submission("d", None, {}), submission("d", None, {"targets": (), "only": []})):
        assert (whole.selection is WHOLE_GRAPH, whole.origin) == (True, None)


@pytest.mark.parametrize("name", ["targets", "start_from", "only"])
def test_one_node_in_the_place_of_several_does_not_select_its_letters(name: str) -> None:
    with pytest.raises(TypeError, match="'Load' is one node"):
        submission("d", None, {name: "Load"})  # type: ignore[misc]


def test_a_file_is_known_by_its_absolute_path_which_need_not_be_unicode(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert origin_of("sub/../g.md") == origin_of(Path("g.md")) == str(tmp_path / "g.md")
    one, other = (origin_of(os.fsdecode(name)) for name in (b"\xff.md", b"\xfe.md"))
    assert one != other
    one.encode()


def test_nothing_is_permitted_unless_it_is_said() -> None:
    for request in (submission("d", None, {}), submission("d", None, {"permissions": None, "workdir": None})):
        assert (request.permissions, request.workdir) == (Permissions(), None)


def test_paths_that_are_granted_are_absolute_and_their_links_are_the_daemons_to_follow(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to("data")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    data, link = str((tmp_path / "data").resolve()), str(tmp_path / "link")
    asked = Permissions(net=True, read=("link", "data/../data/."), write=("~/link",), env={"A": "1"}, all=True)
    request = submission("d", None, {"permissions": asked, "workdir": Path("link")})
    assert request.permissions == Permissions(net=True, read=(link, data), write=(link,), env={"A": "1"}, all=True)
    assert request.workdir == link


def test_an_empty_path_does_not_become_the_folder_one_is_in() -> None:
    assert with_absolute_paths(Permissions(read=("",), write=("",))) == Permissions(read=("",), write=("",))


def test_one_path_in_the_place_of_several_does_not_grant_its_characters() -> None:
    with pytest.raises(TypeError, match="'/data' is one path"):
        with_absolute_paths(Permissions(read="/data"))  # type: ignore[arg-type]


def test_a_value_larger_than_a_request_is_refused_by_its_pin() -> None:
    with pytest.raises(RequestUnsendable, match=rf"input A\.x: the value has {MAX_REQUEST_BYTES + 2} bytes"):
        submission("d", None, {"inputs": {"A.x": "x" * MAX_REQUEST_BYTES}})


def test_a_live_session_is_of_the_whole_graph() -> None:
    with pytest.raises(ValueError, match="whole graph"):
        opening("d", None, {"only": ["A"]})
