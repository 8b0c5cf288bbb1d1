"""A bank's changes in a lake, as scheduled assets."""
