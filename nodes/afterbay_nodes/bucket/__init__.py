"""A store as its consumers see it: what is there, in the order in which it may be used, and what is wrong with it.

`open_bucket` opens a store by URI, `Bucket.snapshot` reads it as the protocol says (index first; see
docs/storage-protocol.md), and a `Snapshot` gives its steps: schema files and data files, each after all that must come
before it.
"""
