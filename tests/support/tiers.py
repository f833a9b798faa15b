"""The tiers of sandboxes that this machine can give, as parameters of tests; the others are skipped."""

import shutil

import pytest

from pyflowd.worker_side import landlock

WRAPPED = [
    pytest.param(tier, marks=pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed"))
    for tier in ("T2", "T3")
]
BOUND = pytest.mark.skipif(landlock.version() < landlock.VERSION_WITH_SCOPES, reason="needs Landlock of Linux 6.12")
BEST = "T3" if shutil.which("bwrap") else "T0"
ALL = ["T0", pytest.param("T1", marks=BOUND), *WRAPPED]
