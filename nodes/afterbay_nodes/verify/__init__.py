"""What is stored, held against every rule of the protocol; and against a change log, a state or a database.

`verifier.verify` takes a snapshot and gives a `Report`: counts, faults with their files, and what could not be checked.
A rule that cannot be checked is never passed over: it stands in the report.
"""
