"""Stands where pandas would be found, for processes that are to run as where it is not installed."""

raise ImportError("pandas is kept out of this process")
