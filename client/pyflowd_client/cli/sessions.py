"""The session of a command. Where no daemon runs it is started first: its start and our imports take place at once."""

import os

from pyflowd_client.location import locate

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pyflowd_client.blocking import Client


def open_session(socket: str | None) -> "Client":
    """As `connect`, with the same errors; a daemon is started if none runs."""
    location = locate(socket)
    starting = None
    if not os.path.lexists(location.address):  # a socket that exists is tried: whether somebody listens, it tells
        from pyflowd_client.autostart import StartingDaemon

        starting = StartingDaemon(location)
    from pyflowd_client.blocking import connect  # loads libzmq

    if starting is not None:
        starting.wait()
    return connect(socket)
