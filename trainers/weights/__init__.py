"""Weights: what a training leaves, what others published, and how files name tensors."""
