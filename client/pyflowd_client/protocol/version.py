"""The protocol's own version. It changes when the wire changes, not when the package is released."""

PROTOCOL_VERSION = 1
OLDEST_PROTOCOL_VERSION = 1
