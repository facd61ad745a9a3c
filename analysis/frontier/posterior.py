"""Top-1 of settings over endless seeds, drawn from its posterior, which corrects for the luck of the best. Pure.

The model: setting i has the mean top-1 m_i over n_i seeds, m_i ~ N(mu_i, s^2 / n_i), and mu_i ~ N(t_i, (r s)^2), where
the trend t_i is a parabola in the logarithm of the cost and s is the deviation between two seeds of one setting. Given
r, the expected mu_i is t_i + b_i (m_i - t_i) with b_i = r^2 / (r^2 + 1 / n_i): a mean of few, noisy seeds is drawn
towards the trend, and a mean of many seeds stays. The ratio r has a half-Cauchy prior of scale 1 (Gelman, Bayesian
Analysis 1, 2006), the trend a flat one and s the prior 1 / s; r, s and the trend are drawn with every mu (Gelman et
al., Bayesian Data Analysis, section 5.4). Where settings are no more than the coefficients of the trend, nothing is
shrunk, and the noise is Student's t with the degrees of freedom of s.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

DEGREE = 2
"""Degree of the trend, a polynomial in the logarithm of the cost."""
NUM_RATIOS, LEAST_RATIO = 64, 0.01
"""Grid of the ratio between the deviation of settings from the trend and the deviation between seeds."""


@dataclass(frozen=True, kw_only=True)
class _Fit:
    """The trend for one ratio, by weighted least squares."""

    ratio: float
    coefficients: Floats
    root: Floats
    """Square root of the covariance of the coefficients, in units of the variance between seeds."""
    squares: float
    """Weighted sum of the squared residuals."""
    log_weight: float
    """Logarithm of the prior and likelihood of the ratio, without the factor of `squares`."""


def draw_means(
    costs: Floats, means: Floats, num_seeds: Floats, *, deviation: float, freedom: int, num_draws: int
) -> Iterator[Floats]:
    """Draw the top-1 of settings over endless seeds, (n,) a draw; equal arguments give equal draws.

    Args:
        costs: above 0, (n,).
        means: mean top-1 over the seeds of each setting, (n,).
        num_seeds: seeds of each setting, (n,).
        deviation: pooled standard deviation of top-1 between seeds, above 0.
        freedom: degrees of freedom of the deviation, 1 or more.
        num_draws: number of draws.
    """
    columns = _trend_columns(costs)
    ratios = np.geomspace(LEAST_RATIO, 100 * max(1.0, float(np.ptp(means)) / deviation), NUM_RATIOS)
    fits = [_fit(columns, means, num_seeds, float(ratio)) for ratio in ratios]
    total_freedom = freedom + len(means) - columns.shape[1]
    squares = freedom * deviation**2 + np.array([fit.squares for fit in fits])
    logs = np.array([fit.log_weight for fit in fits]) - total_freedom / 2 * np.log(squares)
    weights = np.exp(logs - logs.max())
    generator = np.random.default_rng(0)
    for i in generator.choice(NUM_RATIOS, num_draws, p=weights / weights.sum()):
        seed_deviation = np.sqrt(squares[i] / generator.chisquare(total_freedom))
        noise = fits[i].root @ generator.standard_normal(columns.shape[1])
        trend = columns @ (fits[i].coefficients + seed_deviation * noise)
        share = fits[i].ratio ** 2 / (fits[i].ratio ** 2 + 1 / num_seeds)
        spread = seed_deviation * np.sqrt(share / num_seeds)
        yield trend + share * (means - trend) + spread * generator.standard_normal(len(means))


def _trend_columns(costs: Floats) -> Floats:
    """Return the powers of the standardised log cost, (n, p): fewer where there are fewer distinct costs."""
    logs = np.log(costs)
    centred = (logs - logs.mean()) / (logs.std() or 1.0)
    return np.vander(centred, min(DEGREE + 1, len(np.unique(costs))), increasing=True)


def _fit(columns: Floats, means: Floats, num_seeds: Floats, ratio: float) -> _Fit:
    scale = 1 / np.sqrt(ratio**2 + 1 / num_seeds)
    orthogonal, triangle = np.linalg.qr(columns * scale[:, None])
    root = np.linalg.inv(triangle)
    coefficients = root @ (orthogonal.T @ (means * scale))
    residuals = (means - columns @ coefficients) * scale
    log_prior = np.log(ratio / (1 + ratio**2))  # of log ratio, in which the grid is even
    log_weight = log_prior + np.log(scale).sum() - np.log(np.abs(np.diag(triangle))).sum()
    return _Fit(
        ratio=ratio,
        coefficients=coefficients,
        root=root,
        squares=float(residuals @ residuals),
        log_weight=float(log_weight),
    )
