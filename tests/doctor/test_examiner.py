"""The daemon's answer to `examine`: facts of its own, and what it forgets."""

import asyncio
import sys
from pathlib import Path

import pytest

from pyflowd.core.ids import EnvironmentId
from pyflowd.core.limits import Graces, PoolLimits
from pyflowd.core.machines import ZygoteState
from pyflowd.core.worker_pool import WorkerPool, Zygote
from pyflowd.doctor.examination import Examination
from pyflowd.examiner import Examiner
from pyflowd.sandbox.memory import TierMemory
from pyflowd.sandbox.sandboxes import SandboxSettings
from pyflowd.sandbox.tiers import Tier
from pyflowd_client.location import locate
from pyflowd_client.protocol.replies import Examined

HERE = EnvironmentId(sys.executable)


def examined(memory: TierMemory, folder: Path, zygote: Zygote, settings: SandboxSettings) -> Examined:
    async def ask() -> Examined:
        loop = asyncio.get_running_loop()
        pool = WorkerPool(PoolLimits(), Graces())
        pool.zygotes[HERE] = zygote
        examination = Examination(HERE, settings, pool.limits, locate(folder / "d.sock"), None)
        examiner = Examiner(examination, pool, memory, loop, 100.0)
        told: asyncio.Future[Examined] = loop.create_future()
        examiner(told.set_result)
        result = await told
        examiner.close()
        return result

    return asyncio.run(ask())


@pytest.mark.parametrize(("highest", "is_kept"), [("T1", True), ("T3", False)])
def test_how_a_tier_was_found_is_forgotten_where_a_higher_one_could_be(
    tmp_path: Path, highest: str, is_kept: bool
) -> None:
    memory = TierMemory(tmp_path / "tiers")
    memory.put(HERE, Tier.T1, ("T3: bubblewrap is not installed",))
    zygote = Zygote(HERE, state=ZygoteState.WARM, tier="T1", lacks=("T3: bubblewrap is not installed",))
    reply = examined(memory, tmp_path, zygote, SandboxSettings(maximum_tier=highest))
    assert (TierMemory(tmp_path / "tiers").get(HERE) is not None) is is_kept
    [tier] = [one for one in reply.findings if (one.area, one.name) == ("sandbox", HERE)]
    assert tier.detail.startswith("T1: ")
    assert reply.time > 100.0


def test_an_environment_that_is_broken_has_its_reason_and_no_tier(tmp_path: Path) -> None:
    zygote = Zygote(HERE, state=ZygoteState.BROKEN, reason="it is no Python")
    reply = examined(TierMemory(tmp_path / "tiers"), tmp_path, zygote, SandboxSettings())
    told = {one.area: one for one in reply.findings if one.name == HERE}
    assert told["sandbox"].state == "unknown"
    assert "it is no Python" in told["environments"].detail
    assert told["environments"].matters
