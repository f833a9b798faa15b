"""Finds out what there is, by trying it where that is possible."""
