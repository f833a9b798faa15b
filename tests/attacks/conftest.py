"""Attacks run on a real daemon, as in the end-to-end tests."""

from e2e.conftest import client, daemon, unharmed

__all__ = ["client", "daemon", "unharmed"]
