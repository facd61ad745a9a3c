"""Advice from a sweep: which network to ship, what to trust, what to train again."""
