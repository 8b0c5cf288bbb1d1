"""A source, a transform and a sink, one file each: what `afterbay init --node` copies, and the guide shows."""
