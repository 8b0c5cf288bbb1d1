"""Afterbay: a dataflow framework for change data. This is the public face, re-exported once."""
