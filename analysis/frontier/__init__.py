"""Pareto frontiers and how two of them differ."""
