"""What runs in the environment's own interpreter: standard library only, Python 3.8 syntax."""

BIND_NOW = "LD_BIND_NOW"  # asks the dynamic linker to bind all functions at once, and so for all children
