"""The spool: memory first, then segment files; metadata and reference counts in SQLite.

`spool.Reservoir` is the operator, `limits.Limits` what it may hold, `faults` what can go wrong with it.
"""
