"""What each request of a client means: the stimulus that it is, or the answer to it. A literal table, and no policy.

What is about the connection itself (hello, goodbye, who has received how much) is the server's.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, get_args

from pyflowd.core.ids import EnvironmentId, SessionId
from pyflowd.core.stimuli import (
    CancelAsked,
    ChangeAsked,
    CheckAsked,
    CoolAsked,
    LiveAsked,
    LiveCloseAsked,
    LiveFollowAsked,
    LiveUpdateAsked,
    RunSubmitted,
    Stimulus,
    StopAsked,
    Submission,
    TerminalResized,
    TerminalTyped,
    WarmAsked,
)
from pyflowd.shell.environment_answers import EnvironmentAnswers, EnvironmentRequest
from pyflowd.shell.grants import granted
from pyflowd.shell.planner import Conversion, Planner
from pyflowd.shell.refusals import Refusal
from pyflowd.shell.reports import Reports
from pyflowd.shell.sessions import Session
from pyflowd.shell.submissions import submission_of
from pyflowd_client.protocol import replies, requests
from pyflowd_client.protocol.errors import ErrorCode, ErrorInfo
from pyflowd_client.protocol.options import NO_DEBUGGING, NO_PERMISSIONS, WHOLE_GRAPH

CHANGES = ("create", "install", "uninstall")
FORMATS = ("md", "json")

Reply = Callable[[SessionId, int, replies.Reply], None]
Take = Callable[[Session, int, Any], None]


class Intake:
    """`table` says who takes which request: given the session, the number of the request, and the request.

    Those raise `Refusal`. `reply` is given the answers that are not the core's.
    """

    def __init__(
        self,
        feed: Callable[[Stimulus], None],
        reply: Reply,
        planner: Planner,
        reports: Reports,
        environments: EnvironmentAnswers,
    ) -> None:
        self._feed = feed
        self._reply = reply
        self._planner = planner
        self._reports = reports
        self._environments = environments
        self.table: Mapping[type[Any], Take] = {
            requests.SubmitRun: self._submit,
            requests.CheckGraph: self._check,
            requests.ConvertGraph: self._convert,
            requests.CancelRun: self._cancel,
            requests.OpenLive: self._open_live,
            requests.UpdateLive: self._update_live,
            requests.FollowLive: self._follow_live,
            requests.CloseLive: self._close_live,
            requests.WriteTerminal: self._type,
            requests.ResizeTerminal: self._resize,
            requests.WarmEnvironment: self._warm,
            requests.CoolEnvironment: self._cool,
            requests.ChangeEnvironment: self._change_environment,
            **dict.fromkeys(get_args(EnvironmentRequest), self._answer_of_environments),
            requests.GetStatus: self._status,
            requests.Examine: self._examine,
            requests.StopDaemon: self._stop,
        }

    # -- graphs

    def _submit(self, session: Session, request_id: int, request: requests.SubmitRun) -> None:
        self._feed(
            RunSubmitted(
                session=session.id,
                request=request_id,
                submission=self._submission(request),
                options=request.options,
                debugging=request.debugging,
            )
        )

    def _submission(self, request: requests.SubmitRun) -> Submission:
        submission = submission_of(request, self._environments.at_hand)
        if request.permissions is not NO_PERMISSIONS or request.workdir is not None:
            submission = granted(submission, request.permissions, request.workdir)
        return submission

    def _check(self, session: Session, request_id: int, request: requests.CheckGraph) -> None:
        submission = submission_of(request, self._environments.at_hand)
        self._feed(CheckAsked(session=session.id, request=request_id, submission=submission))

    def _convert(self, session: Session, request_id: int, request: requests.ConvertGraph) -> None:
        if request.to not in FORMATS:
            raise Refusal(ErrorCode.BAD_INPUT, f"A graph can be written as md or json, not as '{request.to}'.")
        self._planner.convert(request, partial(self._converted, session.id, request_id))

    def _converted(self, session: SessionId, request_id: int, conversion: Conversion) -> None:
        converted, reasons = conversion
        refused = replies.Refused(error=ErrorInfo(code=ErrorCode.BAD_GRAPH, message=reasons))
        self._reply(session, request_id, refused if converted is None else converted)

    def _cancel(self, session: Session, request_id: int, request: requests.CancelRun) -> None:
        self._feed(CancelAsked(session=session.id, request=request_id, run=request.run))

    # -- live sessions

    def _open_live(self, session: Session, request_id: int, request: requests.OpenLive) -> None:
        if request.graph.selection is not WHOLE_GRAPH or request.graph.debugging is not NO_DEBUGGING:
            raise Refusal(ErrorCode.BAD_INPUT, "A live session is of a whole graph, and has no debuggers.")
        self._feed(
            LiveAsked(
                session=session.id,
                request=request_id,
                author=session.client,
                submission=self._submission(request.graph),
                options=request.graph.options,
                live=request.live,
            )
        )

    def _update_live(self, session: Session, request_id: int, request: requests.UpdateLive) -> None:
        self._feed(LiveUpdateAsked(session=session.id, request=request_id, author=session.client, update=request))

    def _follow_live(self, session: Session, request_id: int, request: requests.FollowLive) -> None:
        self._feed(LiveFollowAsked(session=session.id, request=request_id, run=request.run))

    def _close_live(self, session: Session, request_id: int, request: requests.CloseLive) -> None:
        self._feed(LiveCloseAsked(session=session.id, request=request_id, run=request.run))

    # -- terminals

    def _type(self, session: Session, request_id: int, request: requests.WriteTerminal) -> None:
        self._feed(
            TerminalTyped(session=session.id, request=request_id, run=request.run, node=request.node, text=request.text)
        )

    def _resize(self, session: Session, request_id: int, request: requests.ResizeTerminal) -> None:
        self._feed(
            TerminalResized(
                session=session.id,
                request=request_id,
                run=request.run,
                node=request.node,
                columns=request.columns,
                rows=request.rows,
            )
        )

    # -- environments

    def _warm(self, session: Session, request_id: int, request: requests.WarmEnvironment) -> None:
        environment = EnvironmentId(self._environments.python(request.environment))
        self._feed(WarmAsked(session=session.id, request=request_id, environment=environment))

    def _cool(self, session: Session, request_id: int, request: requests.CoolEnvironment) -> None:
        python = self._environments.python(request.environment)
        self._feed(CoolAsked(session=session.id, request=request_id, python=python))

    def _change_environment(self, session: Session, request_id: int, request: requests.ChangeEnvironment) -> None:
        if request.action not in CHANGES:
            raise Refusal(ErrorCode.BAD_INPUT, f"An environment can be changed by {', '.join(CHANGES)}.")
        self._feed(ChangeAsked(session=session.id, request=request_id, change=request))

    def _answer_of_environments(self, session: Session, request_id: int, request: EnvironmentRequest) -> None:
        self._environments(request, partial(self._reply, session.id, request_id))

    # -- the daemon

    def _status(self, session: Session, request_id: int, request: requests.GetStatus) -> None:
        self._reply(session.id, request_id, self._reports.status())

    def _examine(self, session: Session, request_id: int, request: requests.Examine) -> None:
        self._reports.examine(partial(self._reply, session.id, request_id))

    def _stop(self, session: Session, request_id: int, request: requests.StopDaemon) -> None:
        self._feed(StopAsked(session=session.id, request=request_id, drain=request.drain))
