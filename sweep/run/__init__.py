"""Runs the trials of a sweep and logs their measurements."""
