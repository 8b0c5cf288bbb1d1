"""The state of a pipeline, `checkpoint.db`: checkpoint, intents, positions, schema history.

`store` is what a run uses, `status` what anyone may read beside it; importing this package loads neither.
"""
