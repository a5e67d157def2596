"""A label image as runs: read, connected, grouped, painted, enlarged, in memory or by chunk."""
