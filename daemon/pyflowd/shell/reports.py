"""What the daemon can say of itself."""

from collections.abc import Callable
from typing import NamedTuple

from pyflowd_client.protocol.replies import DaemonStatus, Examined


class Reports(NamedTuple):
    """status: what it does, at once. examine: how it and its machine are, told to a callback after a while."""

    status: Callable[[], DaemonStatus]
    examine: Callable[[Callable[[Examined], None]], None]
