"""Pipelines inside other people's jobs: one folder an orchestrator, each importable where its extra is installed.

They are made of the public `Pipeline` alone. What is the same for all is here: `carrying` runs a pipeline as far as a
job wants it, `figures` says what came of it in plain data, `waiting` looks whether a pipeline is far enough.
"""
