"""What the process for such work is asked, and what it answers: fit for a reply as it is."""

import json
from pathlib import Path

from pyflowd.environments.inspections import ACTIONS
from pyflowd_client.protocol.codec import from_wire
from pyflowd_client.protocol.replies import EnvironmentsDetected, EnvironmentVerified, Package
from support.stand_in_python import REAL, VERSION
from support.tiny_wheels import install, make_environment, make_wheel


def test_each_answers_what_belongs_into_its_reply(tmp_path: Path) -> None:
    told: list[str] = []
    python = make_environment(tmp_path / ".venv", REAL)
    install(python, str(make_wheel(tmp_path, "tiny", "1.0")))

    def act(name: str, **params: object) -> dict[str, object]:
        answer = ACTIONS[name](json.loads(json.dumps(params)), told.append)
        return json.loads(json.dumps(answer))  # type: ignore[no-any-return]

    detected = from_wire(EnvironmentsDetected, act("detect", folders=[str(tmp_path)]), strict=True)
    assert python in [one.python for one in detected.environments]
    shown = act("show", python=python)
    assert [Package(**package) for package in shown.pop("packages")] == [Package(name="tiny", version="1.0")]  # type: ignore[attr-defined]
    assert 1000 < int(str(shown.pop("size_bytes"))) < 10_000_000
    assert shown == {"kind": "venv", "version": VERSION, "manager": "uv", "problem": None}
    verified = from_wire(
        EnvironmentVerified, act("verify", python=python, requirements=["tiny>1"], optional=[]), strict=True
    )
    assert verified == EnvironmentVerified(missing=("tiny>1: 1.0 is installed",))


def test_an_interpreter_alone_takes_what_its_packages_take(tmp_path: Path) -> None:
    shown = ACTIONS["show"]({"python": REAL}, print)
    assert (shown["kind"], shown["manager"], shown["problem"]) == ("interpreter", None, None)
