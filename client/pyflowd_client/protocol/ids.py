"""The names of things on the wire. All are opaque to the side that did not make them."""

from typing import NewType

RunId = NewType("RunId", str)
NodeId = NewType("NodeId", str)
