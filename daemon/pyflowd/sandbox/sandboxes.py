"""What a fork server is started in: the best sandbox that it was shown to have, else the best that there may be.

remembered -> in its tier
new        -> T3 -> T2 -> T1 -> T0, until one withstands the attacks; none below the least that the settings allow
"""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pyflowd.core.ids import EnvironmentId
from pyflowd.core.limits import Limits
from pyflowd.core.profiles import Profile, profile_of
from pyflowd.environments.roots import roots_of
from pyflowd.sandbox.bubblewrap import command, find_bubblewrap, has_setuid, places
from pyflowd.sandbox.identity import identity
from pyflowd.sandbox.memory import TierMemory
from pyflowd.sandbox.targets import Targets
from pyflowd.sandbox.terms import terms
from pyflowd.sandbox.tiers import Tier, in_the_way, tier_of
from pyflowd.sandbox.user_namespace import make_user_namespace, node_ids
from pyflowd.sandbox.views import view
from pyflowd.worker_side import binding, confinement, frames, landlock

WORKER_SIDE = Path(frames.__file__).resolve().parent


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxSettings:
    """
    minimum_tier: no node runs in a lower one; "T0" runs everything everywhere.
    maximum_tier: no higher one is tried: for comparison, and where one is in the way.
    node_user: whom nodes are when root has started the daemon.
    """

    minimum_tier: str = "T1"
    maximum_tier: str = "T3"
    node_user: str = "nobody"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sandbox:
    """One way to start the fork server of a profile.

    prefix: what its command is put behind. descriptors: which it inherits. scratch: a folder of its own. targets: what
    it must try to attack before it is used; None when that was done before. reasons: why it is in no higher tier. seen:
    what nodes may read though nobody granted it; own: where they may do as they like; user: who they are, if not we.
    """

    environment: EnvironmentId
    tier: Tier
    prefix: tuple[str, ...]
    descriptors: tuple[int, ...]
    terms: Mapping[str, Any]
    scratch: Path
    targets: dict[str, Any] | None
    reasons: tuple[str, ...]
    seen: tuple[str, ...]
    own: tuple[str, ...]
    user: str | None

    @property
    def python(self) -> str:
        """The interpreter."""
        return profile_of(self.environment).python

    @property
    def is_wrapped(self) -> bool:
        """Whether process ids in it are others than outside."""
        return self.tier >= Tier.T2


class SandboxRefused(Exception):  # noqa: N818 - nobody erred
    """The settings demand more than this machine has; the message says what is in the way."""


@dataclass(slots=True)
class Sandboxes:
    """The sandboxes of one daemon.

    limits: of nodes that have no others. scratch: its folder for nodes. hidden: what no node may see.
    """

    settings: SandboxSettings
    limits: Limits
    scratch: Path
    hidden: tuple[str, ...]
    memory: TierMemory
    _made: int = field(default=0, init=False)
    _user_namespace: int | None = field(default=None, init=False)
    _targets: Targets | None = field(default=None, init=False)

    def first(self, environment: EnvironmentId) -> Sandbox:
        """Where to start; SandboxRefused."""
        known = self.memory.get(environment)
        best = self._best
        is_allowed = known is not None and Tier[self.settings.minimum_tier] <= known[0] <= best
        if known is not None and is_allowed and not self._obstacle(known[0]):
            return self._new(environment, *known, is_known=True)
        return self._next(environment, best, ())

    def lower(self, sandbox: Sandbox, reason: str, *, is_weak: bool) -> Sandbox:
        """Where to start instead of where nothing starts, or what does is not what it should be; SandboxRefused."""
        self.memory.forget(sandbox.environment)
        if sandbox.targets is None:
            return self._next(sandbox.environment, self._best, ())
        reasons = (*sandbox.reasons, f"{sandbox.tier.name}: {reason}")
        if not sandbox.is_wrapped and not is_weak:  # nothing of the sandbox stands between us and the interpreter
            raise SandboxRefused(reason)
        return self._next(sandbox.environment, Tier(sandbox.tier - 1), reasons)

    def judge(self, sandbox: Sandbox, successes: list[str] | None, uid: int) -> str:
        """What is in the way of using a sandbox whose attacks were tried, and whose nodes are this user; "" if nothing.

        Inside they all look the same: that nodes are not root is seen from here alone.
        """
        if sandbox.user is not None and uid == 0:
            return "its nodes would be root"
        if sandbox.targets is None:
            return ""
        if successes is None:
            return "its workers cannot be started"
        profile = profile_of(sandbox.environment)
        if tier_of(successes, profile) < sandbox.tier:
            return f"a node {', '.join(in_the_way(successes, profile, sandbox.tier))}"
        self.memory.put(sandbox.environment, sandbox.tier, sandbox.reasons)
        return ""

    @property
    def _best(self) -> Tier:
        return Tier[self.settings.maximum_tier]

    def close(self) -> None:
        """Give back what is kept open."""
        if self._user_namespace is not None:
            os.close(self._user_namespace)
            self._user_namespace = None
        if self._targets is not None:
            self._targets.close()
            self._targets = None

    def _next(self, environment: EnvironmentId, best: Tier, reasons: tuple[str, ...]) -> Sandbox:
        for tier in sorted((tier for tier in Tier if tier <= best), reverse=True):
            if tier < Tier[self.settings.minimum_tier]:
                break
            obstacle = self._obstacle(tier)
            if obstacle:
                reasons = (*reasons, f"{tier.name}: {obstacle}")
                continue
            return self._new(environment, tier, reasons, is_known=False)
        why = "; ".join(reasons)
        raise SandboxRefused(
            f"this machine cannot keep nodes from harm as well as the settings demand (at least"
            f" {self.settings.minimum_tier}; {why}). `pyflowctl doctor` says what can be done."
        )

    def _obstacle(self, tier: Tier) -> str:
        """Why a tier need not be tried."""
        if tier is Tier.T0:
            return ""
        if tier is Tier.T1:
            return "" if landlock.version() >= landlock.VERSION_WITH_SCOPES else "needs Landlock of Linux 6.12 or newer"
        program = find_bubblewrap()
        if program is None:
            return "bubblewrap is not installed"
        if has_setuid(program) and tier is Tier.T3:
            return f"{program} has the set-uid bit and gives no capabilities"
        if os.getuid() == 0 and self._user_namespace is None:
            try:
                self._user_namespace = make_user_namespace(*node_ids(self.settings.node_user))
            except (OSError, KeyError) as error:
                return f"no user namespace can be made ({error})"
        return ""

    def _new(self, environment: EnvironmentId, tier: Tier, reasons: tuple[str, ...], *, is_known: bool) -> Sandbox:
        profile = _filled(profile_of(environment), self.limits)
        for path, known in zip(profile.paths, profile.identities, strict=False):
            if not _is_still(path, known):
                raise SandboxRefused(
                    f"'{path}' is not what it was when it was granted; run again to grant what is there"
                )
        seen = view(profile, roots_of(profile.python), str(WORKER_SIDE))
        scratch = self._new_scratch()
        inside = places(profile, str(scratch), self.hidden)
        user: tuple[int, int] | None = None
        prefix: list[str] = []
        descriptors: tuple[int, ...] = ()
        if tier >= Tier.T2:
            program = find_bubblewrap()
            assert program is not None
            if self._user_namespace is not None:
                descriptors = (self._user_namespace,)
                user = None if profile.everything else node_ids(self.settings.node_user)
            prefix = command(
                program,
                profile,
                seen,
                inside,
                namespaces_for_nodes=tier is Tier.T3,
                user_namespace=self._user_namespace,
            )
            if user is not None:
                os.chown(scratch, *user)
        described = terms(tier, profile, seen, inside, user=user, landlock=landlock.version())
        if tier is Tier.T1 and described["files"] is not None:
            own = (str(scratch), confinement.WRITE)
            prefix = binding.command(sys.executable, str(WORKER_SIDE), [*described["files"], own])
        return Sandbox(
            environment=environment,
            tier=tier,
            prefix=tuple(prefix),
            descriptors=descriptors,
            terms=described,
            scratch=scratch,
            targets=None if is_known else self._new_targets(),
            reasons=reasons,
            seen=seen.read,
            own=(inside.owns_parent,) if tier is Tier.T3 else (str(scratch),),
            user=None if user is None else self.settings.node_user,
        )

    def _new_scratch(self) -> Path:
        self._made += 1
        scratch = self.scratch / f"{self._made}"
        self.scratch.mkdir(mode=0o700, exist_ok=True)  # somebody may have cleaned up where temporary files lie
        scratch.mkdir(mode=0o700)
        return scratch

    def _new_targets(self) -> dict[str, Any]:
        if self._targets is None:
            self._targets = Targets(self.scratch)
        return self._targets.described


def _is_still(path: str, known: str) -> bool:
    try:
        return identity(path) == known
    except OSError:
        return False


def _filled(profile: Profile, limits: Limits) -> Profile:
    return replace(
        profile,
        scratch_bytes=profile.scratch_bytes or limits.scratch_bytes,
        scratch_files=profile.scratch_files or limits.scratch_files,
        processes=profile.processes or limits.processes,
    )
