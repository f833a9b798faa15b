"""Where the socket lives, and which folders are not trusted."""

import os
from pathlib import Path

import pytest

from pyflowd_client.errors import LocationRefused
from pyflowd_client.location import MAX_SOCKET_PATH_BYTES, locate
from pyflowd_client.protocol.errors import ExitStatus


def test_a_given_path_wins_and_keeps_everything_beside_it(tmp_path: Path) -> None:
    location = locate(tmp_path / "a.sock", environ={"PYFLOWD_SOCKET": "/elsewhere"})
    assert location.socket == tmp_path / "a.sock"
    assert location.lock == tmp_path / "a.sock.lock"
    assert location.log == tmp_path / "a.sock.state" / "daemon.log"


def test_the_environment_names_a_socket_relative_to_where_we_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert locate(environ={"PYFLOWD_SOCKET": "b.sock"}).socket == tmp_path / "b.sock"


def test_the_runtime_folder_of_the_user_comes_next(tmp_path: Path) -> None:
    location = locate(environ={"XDG_RUNTIME_DIR": str(tmp_path)})
    assert location.socket == tmp_path / "pyflowd" / "daemon.sock"
    assert not (tmp_path / "pyflowd").exists()


def test_a_service_uses_its_runtime_directory_and_a_client_does_not(tmp_path: Path) -> None:
    environ = {"RUNTIME_DIRECTORY": f"{tmp_path}/first:{tmp_path}/second", "XDG_RUNTIME_DIR": str(tmp_path)}
    assert locate(environ=environ, service=True).socket == tmp_path / "first" / "daemon.sock"
    assert locate(environ=environ).socket == tmp_path / "pyflowd" / "daemon.sock"


def test_a_runtime_folder_that_is_missing_is_passed_over(tmp_path: Path) -> None:
    location = locate(environ={"XDG_RUNTIME_DIR": str(tmp_path / "gone"), "TMPDIR": str(tmp_path)})
    assert location.socket.name == "daemon.sock"
    assert "gone" not in location.socket.parts


def test_preparing_makes_a_folder_for_the_owner_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    location = locate(environ={"XDG_RUNTIME_DIR": str(tmp_path)})
    location.prepare()
    location.prepare()
    assert location.socket.parent.stat().st_mode & 0o777 == 0o700
    assert location.state == tmp_path / "state" / "pyflowd"


@pytest.fixture
def fallback(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder under the temporary directory, for a user without a runtime folder."""
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_000)
    return tmp_path / "pyflowd-4000000000"


def test_without_a_runtime_folder_the_temporary_directory_serves(fallback: Path) -> None:
    assert locate(environ={"TMPDIR": str(fallback.parent)}).socket == fallback / "daemon.sock"


def test_a_folder_of_somebody_else_is_refused(fallback: Path) -> None:
    fallback.mkdir(mode=0o700)
    with pytest.raises(LocationRefused, match="belongs to user"):
        locate(environ={"TMPDIR": str(fallback.parent)})


def test_a_link_in_place_of_the_folder_is_refused(fallback: Path, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir(mode=0o700)
    fallback.symlink_to(tmp_path / "real")
    with pytest.raises(LocationRefused, match="not a folder"):
        locate(environ={"TMPDIR": str(fallback.parent)})


def test_a_folder_that_others_can_enter_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pyflowd").mkdir()
    (tmp_path / "pyflowd").chmod(0o755)
    with pytest.raises(LocationRefused, match="mode 755") as caught:
        locate(environ={"XDG_RUNTIME_DIR": str(tmp_path)})
    assert caught.value.exit_status is ExitStatus.CONFIGURATION


def test_a_path_that_the_system_cannot_bind_is_refused_with_its_length() -> None:
    longest = "/" + "x" * (MAX_SOCKET_PATH_BYTES - 1)
    assert str(locate(longest).socket) == longest
    with pytest.raises(LocationRefused, match="108 bytes"):
        locate(longest + "x")


def test_folders_that_cannot_be_made_are_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LocationRefused, match=r"cannot make .*file"):
        locate(tmp_path / "file" / "d.sock").prepare()
