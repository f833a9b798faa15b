"""What runs in the environment's own interpreter: standard library only, Python 3.8 syntax."""

BIND_NOW = "LD_BIND_NOW"  # asks the dynamic linker to bind all functions at once, and so for all children
CANNOT_BEGIN = 0xB9  # exit status of a worker that could not become what it must be before it serves
