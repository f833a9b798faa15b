"""Probing this machine, for real."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pyflowd.core.limits import PoolLimits
from pyflowd.doctor.examination import Examination
from pyflowd.doctor.probing import kernel, machine, trials
from pyflowd.sandbox.bubblewrap import find_bubblewrap
from pyflowd.sandbox.sandboxes import SandboxSettings
from pyflowd.worker_side import landlock
from pyflowd_client.location import locate
from pyflowd_client.protocol.states import Health


def test_every_feature_is_tried_and_none_of_it_sticks_to_us() -> None:
    found = kernel.find_kernel()
    assert set(found.trials) == set(trials.TRIALS)
    assert found.landlock == landlock.version()
    assert found.machine == os.uname().machine
    assert os.listdir("/")


ATTEMPTS = """
import os
from pyflowd.doctor.probing.trials import _expect_denial, attempt
for trial in (lambda: None, lambda: _expect_denial(lambda: None), lambda: os.kill(os.getpid(), 9)):
    print(attempt(trial))
"""


def test_a_trial_that_lets_through_or_dies_is_a_problem() -> None:
    done = subprocess.run([sys.executable, "-c", ATTEMPTS], capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.splitlines() == ["", trials.HELD_OPEN, "signal 9 ended the trial"]


def test_where_no_folder_has_bubblewrap_there_is_none(tmp_path: Path) -> None:
    assert kernel.find_wrapper(str(tmp_path)).program is None


@pytest.mark.skipif(find_bubblewrap() is None, reason="needs bubblewrap")
def test_bubblewrap_is_found_and_used() -> None:
    found = kernel.find_wrapper()
    assert found.program == find_bubblewrap()
    assert found.version[0].isdigit()


def test_a_bubblewrap_that_does_not_work_says_why(tmp_path: Path) -> None:
    program = tmp_path / "bwrap"
    program.write_text("#!/bin/sh\necho no namespaces here >&2\nexit 1\n")
    program.chmod(0o755)
    found = kernel.find_wrapper(str(tmp_path))
    assert (found.program, found.problem) == (str(program), "no namespaces here")


def test_this_interpreter_answers_and_others_say_why_not(tmp_path: Path) -> None:
    assert machine.ask_interpreter(sys.executable).version == tuple(sys.version_info[:3])
    assert "cannot be started" in machine.ask_interpreter(str(tmp_path / "gone")).problem
    assert "does not answer" in machine.ask_interpreter("/bin/true").problem
    assert "status 1" in machine.ask_interpreter("/bin/false").problem


def test_a_whole_examination_names_what_it_could_not_look_at(tmp_path: Path) -> None:
    examine = Examination(sys.executable, SandboxSettings(), PoolLimits(), locate(tmp_path / "gone" / "d.sock"), None)
    found = examine(())
    assert {one.area for one in found} >= {"sandbox", "kernel", "environments", "disk", "memory", "limits"}
    unseen = [one for one in found if one.area == "disk"]
    assert [one.state for one in unseen] == [Health.UNKNOWN, Health.UNKNOWN]
    assert "gone" in unseen[0].detail
