"""The thin client of pyflowd."""
