"""A request as the core takes it."""

import hashlib
from collections.abc import Callable

from pyflowd.core.stimuli import EnvironmentProvided, Submission
from pyflowd_client.protocol.requests import NO_CHOICE, CheckGraph, SubmitRun


def submission_of(request: SubmitRun | CheckGraph, at_hand: Callable[[], EnvironmentProvided | None]) -> Submission:
    """The graph of a request, without what is granted to its nodes. at_hand: gives the default environment."""
    chosen = ""
    is_default = request.python is None and request.environment is NO_CHOICE
    if not is_default:
        choice = request.environment
        chosen = repr((request.python, choice.name, choice.requirements, choice.allow_builds))  # faster than JSON
    makes = isinstance(request, SubmitRun)  # to look at a graph installs nothing
    text = f"{request.name}\0{chosen}\0{makes}\0{request.document}".encode("utf-8", "surrogatepass")
    return Submission(
        document=request.document,
        name=request.name,
        key=hashlib.blake2b(text, digest_size=16).hexdigest(),
        inputs=request.inputs,
        python=request.python,
        choice=request.environment,
        makes=makes,
        at_hand=at_hand() if is_default else None,
    )
