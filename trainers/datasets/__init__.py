"""Datasets: the sources of images, their pixels and their batches."""
