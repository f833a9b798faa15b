"""The two shapes of a finding that asks for nothing."""

from pyflowd_client.protocol.replies import Observation
from pyflowd_client.protocol.states import Health


def fine(area: str, name: str, detail: str) -> Observation:
    """It is as it should be."""
    return Observation(area=area, name=name, state=Health.OK, detail=detail)


def unknown(area: str, name: str, detail: str) -> Observation:
    """Nobody can say; the detail tells why."""
    return Observation(area=area, name=name, state=Health.UNKNOWN, detail=detail)
