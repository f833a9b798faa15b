"""Python environments that nodes run in."""
