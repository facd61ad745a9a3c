"""Weights: checkpoints of trainings, published weights, and the names of tensors in files."""
