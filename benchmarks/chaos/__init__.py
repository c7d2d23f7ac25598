"""Kill the export at every step, and count what was started, returned and left."""
