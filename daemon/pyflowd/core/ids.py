"""The names of things inside the daemon. Numbers are never used twice in a daemon's life."""

from typing import NewType

EnvironmentId = NewType("EnvironmentId", str)
WorkerId = NewType("WorkerId", int)
CallId = NewType("CallId", int)
SessionId = NewType("SessionId", bytes)
