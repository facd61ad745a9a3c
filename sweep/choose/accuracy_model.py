"""A Gaussian process of top-1 over the settings, and what a point may add to the frontier at its own, known cost."""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from scipy.stats import norm
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

Floats = NDArray[np.float64]
Params = Mapping[str, Any]


class AccuracyModel:
    """Predicts top-1 from settings; costs are counted and never modelled."""

    def __init__(self, distributions: Mapping[str, BaseDistribution]) -> None:
        self._distributions = distributions
        self._process: GaussianProcessRegressor | None = None

    def fit(self, params: Sequence[Params], top1: Sequence[float]) -> None:
        """Learn from points that were trained, one or more."""
        inputs = self._encoded(params)
        shape = Matern(np.ones(inputs.shape[1]), (0.05, 20.0), nu=2.5)  # type: ignore[arg-type]
        kernel = ConstantKernel(1.0, (0.05, 20.0)) * shape + WhiteKernel(1e-2, (1e-5, 1.0))
        self._process = GaussianProcessRegressor(kernel, normalize_y=True)
        with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):  # a scale at its bound is no harm
            self._process.fit(inputs, np.array(top1))

    def predict(self, params: Sequence[Params]) -> tuple[Floats, Floats]:
        """Mean and deviation of the top-1 of each, percent."""
        assert self._process is not None
        mean, deviation = self._process.predict(self._encoded(params), return_std=True)[:2]
        return np.asarray(mean, dtype=float), np.asarray(deviation, dtype=float)

    def _encoded(self, params: Sequence[Params]) -> Floats:
        """(N, D) in 0 to 1: listed numbers by their rank, drawn ones by their place in the range, others one-hot."""
        axes = self._distributions.items()
        return np.concatenate([_columns([each[name] for each in params], axis) for name, axis in axes]).T


def expected_improvement(mean: Floats, deviation: Floats, costs: Floats, top1: Floats, costs_seen: Floats) -> Floats:
    """Points of top-1 that each candidate is expected to gain over the best one seen that costs no more.

    Args:
        mean, deviation: of the candidates' top-1, (N,).
        costs: of the candidates, (N, K).
        top1: of what was seen, (M,), one or more.
        costs_seen: its costs, (M, K).

    Returns:
        (N,). What is cheaper than all that was seen is held against the least accurate of it.
    """
    affordable = (costs_seen[None] <= costs[:, None]).all(axis=2)  # (N, M)
    best = np.where(affordable, top1[None], top1.min()).max(axis=1)
    gain, spread = mean - best, np.maximum(deviation, 1e-9)
    return gain * norm.cdf(gain / spread) + spread * norm.pdf(gain / spread)


def _columns(values: Sequence[Any], distribution: BaseDistribution) -> Floats:
    """(columns, N)."""
    if isinstance(distribution, FloatDistribution):
        scale = np.log if distribution.log else np.asarray
        low, high = scale(distribution.low), scale(distribution.high)
        return (scale(np.array([values], dtype=float)) - low) / max(high - low, 1e-12)
    assert isinstance(distribution, CategoricalDistribution)
    choices = distribution.choices
    if all(isinstance(choice, (int, float)) for choice in choices):
        ascending = sorted(choices, key=float)  # type: ignore[arg-type]
        return np.array([[ascending.index(value) / max(1, len(ascending) - 1) for value in values]])
    return np.array([[value == choice for value in values] for choice in choices], dtype=float)
