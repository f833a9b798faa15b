"""One examination: facts are found and judged, one thing after the other. Takes a second; not for the event loop."""

import logging
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from pyflowd.core.limits import PoolLimits
from pyflowd.doctor.facts import Environment
from pyflowd.doctor.judging.kernel import judge_control_groups, judge_kernel
from pyflowd.doctor.judging.machine import (
    judge_descriptors,
    judge_environment,
    judge_folder,
    judge_interpreter,
    judge_memory,
)
from pyflowd.doctor.judging.sandbox import judge_least, judge_tier, judge_users
from pyflowd.doctor.judging.shapes import unknown
from pyflowd.doctor.probing import kernel, machine
from pyflowd.sandbox.cgroups import Groups
from pyflowd.sandbox.sandboxes import SandboxSettings
from pyflowd.sandbox.tiers import Tier
from pyflowd_client.location import Location
from pyflowd_client.protocol.replies import Observation

log = logging.getLogger(__name__)

Judge = Callable[[], list[Observation]]


@dataclass(frozen=True, slots=True)
class Examination:
    """What one daemon knows of itself beforehand."""

    python: str
    sandbox: SandboxSettings
    pool: PoolLimits
    location: Location
    groups: Groups | None

    def __call__(self, environments: tuple[Environment, ...]) -> tuple[Observation, ...]:
        """Everything that can be said; what fails is told as a finding."""
        return tuple(found for name, judge in self._parts(environments) for found in _tried(name, judge))

    def _parts(self, environments: tuple[Environment, ...]) -> Iterator[tuple[str, Judge]]:
        yield "sandbox", partial(self._sandbox, environments)
        yield "nodes", partial(self._users, environments)
        yield "kernel", partial(self._kernel, environments)
        yield "environments", partial(self._environments, environments)
        for purpose, folder in (("state", self.location.state), ("sockets and scratch", self.location.socket.parent)):
            yield "disk", partial(_folder, purpose, folder)
        yield "memory", lambda: [judge_memory(machine.find_memory())]
        yield "limits", partial(self._limits, environments)

    def _sandbox(self, environments: tuple[Environment, ...]) -> list[Observation]:
        highest = Tier[self.sandbox.maximum_tier]
        return [
            *(judge_tier(one, highest) for one in environments),
            judge_least(Tier[self.sandbox.minimum_tier]),
        ]

    def _users(self, environments: tuple[Environment, ...]) -> list[Observation]:
        looked_at = [machine.with_user(one) for one in environments]
        return judge_users(looked_at, machine.find_users(self.sandbox.node_user))

    def _kernel(self, environments: tuple[Environment, ...]) -> list[Observation]:
        lowest = min((one.tier for one in environments if one.tier is not None), default=Tier.T0)
        family = machine.find_family()
        features = judge_kernel(kernel.find_kernel(), kernel.find_wrapper(), family, is_exposed=lowest < Tier.T2)
        return [*features, judge_control_groups(kernel.find_control_groups(self.groups), family)]

    def _environments(self, environments: tuple[Environment, ...]) -> list[Observation]:
        asked = judge_interpreter(machine.ask_interpreter(self.python))
        return [asked, *(judge_environment(one) for one in environments)]

    def _limits(self, environments: tuple[Environment, ...]) -> list[Observation]:
        workers = self.pool.running + self.pool.ahead + self.pool.spares * max(1, len(environments))
        return [judge_descriptors(machine.find_descriptors(workers))]


def _folder(purpose: str, folder: Path) -> list[Observation]:
    return [judge_folder(machine.find_folder(purpose, folder))]


def _tried(area: str, judge: Judge) -> list[Observation]:
    try:
        return judge()
    except OSError as error:
        where = f"{os.fsdecode(error.filename)}: " if error.filename else ""
        return [unknown(area, area, f"could not be looked at: {where}{error.strerror}")]
    except Exception as error:  # whoever is ill wants to hear all that can be said
        log.exception("the examination of %s failed", area)
        return [unknown(area, area, f"could not be looked at: {error!r}")]
