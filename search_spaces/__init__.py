"""The search spaces: the settings that vary in a sweep. Data only: no torch, no Ray."""
