"""Live sessions of the daemon that executes nothing: each node gives back the input that it was given.

The document is "live" and the titles of the nodes; ids are the titles in small letters. A node that is given "fail"
fails.
"""

import json
from collections.abc import Callable
from typing import Any

from pyflowd_client.protocol import events, replies, requests
from pyflowd_client.protocol.errors import ErrorCode, ErrorInfo
from pyflowd_client.protocol.states import ChangeKind, LiveAction, NodeState, RunState

KINDS = {
    LiveAction.SET_INPUT: ChangeKind.VALUE_CHANGED,
    LiveAction.UPDATE_GRAPH: ChangeKind.GRAPH_UPDATED,
    LiveAction.TRIGGER: ChangeKind.NODE_TRIGGER,
    LiveAction.EVERY: ChangeKind.TIMER_SET,
    LiveAction.PAUSE: ChangeKind.PAUSED,
    LiveAction.RESUME: ChangeKind.RESUMED,
    LiveAction.RESET: ChangeKind.GRAPH_RESET,
    LiveAction.RUN_ALL: ChangeKind.RUN_ALL,
}


class WouldNot(Exception):  # noqa: N818 - it reads as the sentence it is
    """A request that is refused."""

    def __init__(self, code: ErrorCode, message: str) -> None:
        self.error = ErrorInfo(code=code, message=message)


class LivePeer:
    """One session. `tell` numbers and keeps an event."""

    def __init__(self, tell: Callable[..., None], request: requests.OpenLive) -> None:
        self._tell = tell
        self._request = request
        self._titles = _titles(request.graph.document)
        self._inputs: dict[str, dict[str, Any]] = {}
        self._outputs: dict[str, dict[str, Any]] = {}
        self._errors: dict[str, ErrorInfo] = {}
        self._timers: dict[str | None, float | None] = {}
        self._dirty = list(self._titles)
        self._is_paused = request.live.is_paused
        self._changes = 0
        self.is_over = False
        for name, value in request.graph.inputs.items():
            title, _, pin = name.partition(".")
            self._inputs.setdefault(title.lower(), {})[pin] = json.loads(value)
        tell(events.RunStarted, graph=request.graph.name or "story.md", nodes=len(self._titles))
        tell(events.LiveChanged, change="0", kind=ChangeKind.OPENED, author="peer")
        self._work("0")

    def update(self, request: requests.UpdateLive) -> str:
        """Make a change; what it is called. WouldNot."""
        if self.is_over:
            raise WouldNot(ErrorCode.UNKNOWN_RUN, "the session is closed")
        node = None if request.node is None else self._node(request.node)
        titles = _titles(request.document or "") if request.action is LiveAction.UPDATE_GRAPH else []
        if request.action is LiveAction.EVERY and request.every_s is not None and request.every_s < 0.01:
            raise WouldNot(ErrorCode.BAD_INPUT, "a timer needs 0.01 s or more")
        self._changes += 1
        change = request.change or str(self._changes)
        said = {"node": node, "pin": request.pin, "every_s": request.every_s}
        if request.value is not None:
            said["value"] = json.loads(request.value)
        kind = request.kind or KINDS[request.action]
        self._tell(events.LiveChanged, change=change, kind=kind, author="peer", **said)
        self._apply(request, node, titles)
        self._work(change)
        return change

    def close(self) -> None:
        """The session ends."""
        if not self.is_over:
            self.is_over = True
            self._tell(events.RunFinished, state=RunState.SUCCEEDED, duration_s=0.1)

    def present(self, run: Any, last_seq: int) -> replies.LiveFollowing:
        """The session as it is."""
        nodes = tuple(
            replies.LiveNode(
                node=(node := title.lower()),  # type: ignore[arg-type]
                title=title,
                state=self._state(node),
                inputs=self._inputs.get(node, {}),
                outputs=self._outputs.get(node, {}),
                error=self._errors.get(node),
                every_s=self._timers.get(node),
            )
            for title in self._titles
        )
        return replies.LiveFollowing(
            run=run,
            state=RunState.SUCCEEDED if self.is_over else RunState.RUNNING,
            last_seq=last_seq,
            graph=self._request.graph.name or "story.md",
            isolation=self._request.live.isolation,
            is_paused=self._is_paused,
            nodes=nodes,
        )

    def _node(self, name: str) -> str:
        node = name.lower()
        if node not in [title.lower() for title in self._titles]:
            raise WouldNot(ErrorCode.BAD_INPUT, f"no node is called {name}")
        return node

    def _apply(self, request: requests.UpdateLive, node: str | None, titles: list[str]) -> None:
        match request.action:
            case LiveAction.EVERY:
                self._timers[node] = request.every_s
            case LiveAction.SET_INPUT:
                self._set(str(node), str(request.pin), request.value)
            case LiveAction.UPDATE_GRAPH:
                self._dirty += [title for title in titles if title not in self._titles]
                self._titles = titles
            case LiveAction.TRIGGER:
                self._dirty.append(str(node))
            case LiveAction.PAUSE | LiveAction.RESUME:
                self._is_paused = request.action is LiveAction.PAUSE
            case LiveAction.RESET | LiveAction.RUN_ALL:
                if request.action is LiveAction.RESET:
                    self._inputs, self._outputs, self._errors = {}, {}, {}
                self._dirty = list(self._titles)

    def _set(self, node: str, pin: str, value: str | None) -> None:
        given = self._inputs.setdefault(node, {})
        if value is None:
            given.pop(pin, None)
        else:
            given[pin] = json.loads(value)
        self._dirty.append(node)

    def _work(self, change: str) -> None:
        if self._is_paused:
            return
        dirty, self._dirty = dict.fromkeys(title.lower() for title in self._dirty), []
        for node in dirty:
            self._execute(node, change)
        failed = sum(node in self._errors for node in dirty)
        self._tell(events.LiveSettled, change=change, executed=len(dirty), failed=failed)

    def _execute(self, node: str, change: str) -> None:
        [title] = [title for title in self._titles if title.lower() == node]
        said = {"node": node, "title": title, "change": change}
        self._tell(events.NodeStarted, **said)
        given = self._inputs.get(node, {})
        self._outputs.pop(node, None)
        self._errors.pop(node, None)
        if "fail" in given.values():
            self._errors[node] = ErrorInfo(code=ErrorCode.EXCEPTION, message="ValueError: it would not")
            self._tell(events.NodeFinished, **said, state=NodeState.FAILED, error=self._errors[node])
        else:
            self._outputs[node] = given or {"out": 0}
            self._tell(events.NodeFinished, **said, state=NodeState.DONE, outputs=self._outputs[node])

    def _state(self, node: str) -> NodeState:
        if node in self._errors:
            return NodeState.FAILED
        return NodeState.DONE if node in self._outputs else NodeState.WAITING


def _titles(document: str) -> list[str]:
    name, *titles = document.split() or [""]
    if name != "live":
        raise WouldNot(ErrorCode.BAD_GRAPH, f"no story is called {name!r}")
    return titles
