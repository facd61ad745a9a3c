"""What varies in a sweep. Data only: no torch, no Ray."""
