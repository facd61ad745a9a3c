"""Running the trials of a sweep and logging what they measure."""
