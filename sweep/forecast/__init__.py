"""The cost of a sweep in time, memory and disk, predicted before it starts."""
