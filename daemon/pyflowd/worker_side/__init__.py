"""What runs in the environment's own interpreter: standard library only, Python 3.8 syntax."""
