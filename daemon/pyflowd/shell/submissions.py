"""A request as the core takes it."""

import hashlib
from collections.abc import Callable

from pyflowd.core.stimuli import EnvironmentProvided, Submission
from pyflowd_client.protocol.options import NO_CHOICE, WHOLE_GRAPH
from pyflowd_client.protocol.requests import CheckGraph, SubmitRun


def submission_of(request: SubmitRun | CheckGraph, at_hand: Callable[[], EnvironmentProvided | None]) -> Submission:
    """The graph of a request, without what is granted to its nodes. at_hand: gives the default environment.

    Its origin is a digest: of what the client calls it, else of the document.
    """
    chosen = ""
    is_default = request.python is None and request.environment is NO_CHOICE
    if not is_default:
        choice = request.environment
        chosen = repr((request.python, choice.name, choice.requirements, choice.allow_builds))  # faster than JSON
    makes = isinstance(request, SubmitRun)  # to look at a graph installs nothing
    document = _digest(request.document)
    origin, selection = document, WHOLE_GRAPH
    if isinstance(request, SubmitRun):
        selection = request.selection
        if request.origin is not None:
            origin = _digest(f"origin\0{request.origin}")
    return Submission(
        document=request.document,
        name=request.name,
        key=_digest(f"{request.name}\0{chosen}\0{makes}\0{document}"),
        inputs=request.inputs,
        python=request.python,
        choice=request.environment,
        makes=makes,
        at_hand=at_hand() if is_default else None,
        origin=origin,
        selection=selection,
    )


def _digest(text: str) -> str:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
