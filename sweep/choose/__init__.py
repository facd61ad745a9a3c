"""Schedulers and samplers, which choose the next trial and stop points early."""
