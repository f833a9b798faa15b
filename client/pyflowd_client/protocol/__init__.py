"""The wire protocol as Python types. `client/PROTOCOL.md` is the authority; this package follows it."""
