"""ResultDesk: whose result is looked up before it is executed, and whose is kept afterwards.

A node is a function of what its key has (see `ResultQuestion`) only if its author or its user says so: so nothing is
kept unless somebody asked for it. What is kept was executed in an environment with the fingerprint of its key, has
succeeded, and was told in full.
"""

import posixpath
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

from pyflowd.core import effects, result_reasons, stimuli
from pyflowd.core.calls import Call, NodeWork
from pyflowd.core.herald import Herald
from pyflowd.core.ids import EnvironmentId
from pyflowd.core.kept_results import KeptResult, ResultKey, ResultQuestion
from pyflowd.core.paths import is_within
from pyflowd.core.profiles import Profile, profile_of
from pyflowd.core.runs import Run
from pyflowd.graph.plan import Plan, PlanNode
from pyflowd_client.protocol import events
from pyflowd_client.protocol.ids import RunId
from pyflowd_client.protocol.options import NO_DEBUGGING


class Lookup(NamedTuple):
    """A question under way; `asked_at` is monotonic seconds."""

    work: NodeWork
    question: ResultQuestion
    asked_at: float


@dataclass(frozen=True, slots=True)
class _Intent:
    """A node whose result shall be kept under this key."""

    key: ResultKey
    question: ResultQuestion


class ResultDesk:
    """The lookups and intents of all runs. is_on: results are kept unless told not to."""

    def __init__(self, herald: Herald, emit: Callable[[effects.Effect], None], *, is_on: bool) -> None:
        self._herald = herald
        self._emit = emit
        self._is_on = is_on
        self._lookups: dict[int, Lookup] = {}
        self._intents: dict[NodeWork, _Intent] = {}
        self._asked = 0

    def concerns(self, run: Run, plan: Plan) -> bool:
        """Whether results of this run may be kept, or somebody wants to know why they are not."""
        options = run.options
        if options.explain or options.cache:
            return True
        return options.cache is None and (self._is_on or plan.wants_cache)

    def look_up(self, run: Run, index: int) -> bool:
        """Ask for the result of a node that is ready; False when it has to be executed in any case."""
        assert run.executor is not None
        node = run.executor.plan.nodes[index]
        profile = profile_of(run.profile)
        reason = self._reason_against(run, node, profile) or _ungranted(node, profile)
        if reason is not None:
            self.explain(run, node, result_reasons.executed(reason))
            return False
        question = ResultQuestion(
            place=f"{run.graph}\0{node.id}",
            source=run.executor.plan.sources[node.code],
            outputs=node.outputs,
            python=profile_of(run.environments[node.environment]).python,
            permissions=_canonical(run.profile),
            variables=run.variables,
            seed=run.options.seed,
            paths=tuple(dict.fromkeys((*profile.paths, *(_absolute(path, profile) for path in node.cache.files)))),
            identities=profile.identities,
            explains=run.options.explain,
        )
        self._asked += 1
        self._lookups[self._asked] = Lookup(NodeWork(run.id, index), question, self._herald.now)
        self._emit(
            effects.LookUpResult(lookup=self._asked, question=question, inputs=tuple(run.executor.inputs(index)))
        )
        return True

    def settle(self, lookup: int) -> Lookup:
        """A question is answered."""
        return self._lookups.pop(lookup)

    def missing(self, run: Run, lookup: Lookup, missing: stimuli.ResultMissing) -> None:
        """There is no result: keep the one that comes, if that can be."""
        assert run.executor is not None
        node = run.executor.plan.nodes[lookup.work.node]
        if missing.key is None:
            self.explain(run, node, result_reasons.executed(missing.problem))
            return
        self._intents[lookup.work] = _Intent(missing.key, lookup.question)
        reason = result_reasons.missing(missing.key.parts, missing.earlier)
        self.explain(run, node, result_reasons.executed(reason))

    def begun(self, run: Run, call: Call, work: NodeWork, fingerprint: str) -> None:
        """A node is executed, in an environment with this fingerprint."""
        intent = self._intents.get(work)
        if intent is None:
            return
        if intent.key.fingerprint == fingerprint:
            call.transcript = []
            return
        del self._intents[work]
        assert run.executor is not None
        self.explain(run, run.executor.plan.nodes[work.node], result_reasons.ENVIRONMENT_CHANGES)

    def keep(self, call: Call, work: NodeWork, done: stimuli.CallDone) -> None:
        """A node has succeeded."""
        intent = self._intents.pop(work, None)
        if intent is None or call.transcript is None or (call.output is not None and call.output.is_cut):
            return
        result = KeptResult(outputs=done.outputs, texts=tuple(call.transcript), warnings=done.warnings)
        self._emit(effects.KeepResult(key=intent.key, question=intent.question, result=result))

    def forget(self, work: NodeWork) -> None:
        """A node has failed."""
        self._intents.pop(work, None)

    def leave(self, run: RunId) -> None:
        """A run is over."""
        for work in [work for work in self._intents if work.run == run]:
            del self._intents[work]

    def explain(self, run: Run, node: PlanNode, message: str) -> None:
        """Tell who wants to know why a node is executed, or is not."""
        if run.options.explain:
            self._herald.publish(
                run,
                events.Diagnostic,
                severity="info",
                code="cache",
                message=message,
                node=node.id,
                title=node.title,
            )

    def _reason_against(self, run: Run, node: PlanNode, profile: Profile) -> str | None:
        """Why a node is neither looked up nor kept, by what was said of it."""
        wish = node.cache.is_wanted
        if run.options.cache is False:
            return result_reasons.OFF_FOR_RUN
        if run.debugging is not NO_DEBUGGING:
            return result_reasons.DEBUGGED
        if wish is False:
            return result_reasons.OFF_FOR_NODE
        if wish:
            return None
        if not run.options.cache and not self._is_on:
            return result_reasons.OFF
        if profile.everything:
            return result_reasons.MAY_DO_ALL
        return result_reasons.MAY_USE_NET if profile.net else None


def _ungranted(node: PlanNode, profile: Profile) -> str | None:
    """Why a node's files may not be looked at."""
    for path in node.cache.files:
        absolute = _absolute(path, profile)
        is_granted = absolute.startswith("/") and (profile.everything or is_within(absolute, profile.paths))
        if not is_granted:
            return result_reasons.not_granted(path)
    return None


def _absolute(path: str, profile: Profile) -> str:
    """Relative ones are below the folder that nodes start in; where there is none, they are nowhere."""
    return path if path.startswith("/") or profile.workdir is None else posixpath.join(profile.workdir, path)


@lru_cache(256)
def _canonical(profile: EnvironmentId) -> str:
    """What nodes are permitted, without what only bounds them, and without which files these were."""
    permitted = profile_of(profile)
    return replace(permitted, identities=(), scratch_bytes=None, scratch_files=None, processes=None).id
