"""How well nodes are kept from what is not theirs on this machine, and whether the rest is in order.

`probing` finds facts by trying, `judging` says what they mean; `examination` does both for a client.
"""
