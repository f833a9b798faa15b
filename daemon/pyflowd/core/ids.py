"""The names of things inside the daemon. Numbers are never used twice in a daemon's life."""

from typing import NewType

EnvironmentId = NewType("EnvironmentId", str)
ZygoteId = NewType("ZygoteId", int)
WorkerId = NewType("WorkerId", int)
CallId = NewType("CallId", int)
SessionId = NewType("SessionId", bytes)
# a graph with what was chosen for it, and what its nodes are permitted
PreparationKey = tuple[str, EnvironmentId]
