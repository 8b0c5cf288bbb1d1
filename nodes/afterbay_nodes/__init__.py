"""Ready nodes."""
