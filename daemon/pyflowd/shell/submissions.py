"""A request as the core takes it."""

import hashlib

from pyflowd.core.stimuli import Submission
from pyflowd_client.protocol.requests import NO_CHOICE, CheckGraph, SubmitRun


def submission_of(request: SubmitRun | CheckGraph) -> Submission:
    """The graph of a request, without what is granted to its nodes."""
    chosen = ""
    if request.python is not None or request.environment is not NO_CHOICE:
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
    )
