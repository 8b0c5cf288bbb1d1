"""A bucket turned back into tables: rows and DDLs of a store applied to a database, each exactly once.

`Apply` (engine) takes a snapshot's steps in their order and gives them to a `Target`. How far it came is kept in the
target itself, in the transaction of the rows (docs/apply.md), so that a kill at any moment costs nothing but time.
"""
