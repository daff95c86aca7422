"""Sends requests in an open or a closed loop from a process of its own and records every one.

`run(plan)` in `process.py` is the way in. Nothing here knows what the requests mean.
"""
