"""Ticks that people read: 10, 20, 50, 100 on a logarithmic axis, however short it is."""

import math

import numpy as np
from matplotlib.ticker import MaxNLocator

MANTISSAS = ((1,), (1, 2, 5), (1, 1.5, 2, 3, 4, 5, 7))
ENOUGH = 4


def log_ticks(low: float, high: float) -> list[float]:
    """Return round numbers within [low, high], 0 < low < high: the sparsest of a few patterns that gives at least four.

    Where the axis spans too little for that, evenly spaced round numbers.
    """
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for mantissas in MANTISSAS:
        ticks = [m * 10.0**decade for decade in decades for m in mantissas if low <= m * 10.0**decade <= high]
        if len(ticks) >= ENOUGH:
            return ticks
    even = MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    return [float(tick) for tick in even if low <= tick <= high]


def log_limits(values: np.ndarray) -> tuple[float, float]:
    """Return limits around positive `values` (at least one), padded by 7 % and never narrower than a factor 1.4."""
    low, high = math.log10(values.min()), math.log10(values.max())
    pad = max(0.07 * (high - low), (math.log10(1.4) - (high - low)) / 2)
    return 10 ** (low - pad), 10 ** (high + pad)


def percent_limits(values: np.ndarray) -> tuple[float, float]:
    """Return limits around percentages (at least one), padded by 9 % of the axis and never narrower than one point."""
    low, high = float(values.min()), float(values.max())
    pad = max(0.09 * (high - low), (1.0 - (high - low)) / 2)
    return low - pad, high + pad


def percent_ticks(low: float, high: float) -> list[float]:
    """Return evenly spaced round percentages within [low, high], none below 0 or above 100."""
    even = MaxNLocator(nbins=7, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
    return [float(tick) for tick in even if max(low, 0) <= tick <= min(high, 100)]
