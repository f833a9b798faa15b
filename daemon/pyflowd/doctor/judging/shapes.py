"""Findings that ask for nothing, and words that several of them share."""

from pyflowd_client.protocol.replies import Observation
from pyflowd_client.protocol.states import Health

KERNEL = "kernel"
UNTRIED = "could not be tried; the daemon's log may say why"


def fine(area: str, name: str, detail: str) -> Observation:
    """It is as it should be."""
    return Observation(area=area, name=name, state=Health.OK, detail=detail)


def unknown(area: str, name: str, detail: str) -> Observation:
    """Nobody can say; the detail tells why."""
    return Observation(area=area, name=name, state=Health.UNKNOWN, detail=detail)
