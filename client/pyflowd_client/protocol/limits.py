"""How much either side may send. Part of the protocol: a change here is a change of its version."""

MAX_REQUEST_BYTES = 64 * 1024 * 1024
MAX_DOCUMENT_BYTES = 16 * 1024 * 1024
WINDOW_BYTES = 1024 * 1024
WINDOW_EVENTS = 1000
