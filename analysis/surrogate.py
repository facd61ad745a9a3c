"""A Gaussian process of top-1 over coded settings, and what a point may add to the frontier at its own, known cost."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """Top-1 of settings, percent points."""

    mean: Floats
    """Expected top-1, (N,)."""
    deviation: Floats
    """Standard deviation of the expectation, (N,): what more observations would reduce."""
    noise: float
    """Standard deviation between two trainings of one setting, by which a new training deviates as well."""


class Surrogate:
    """Predicts top-1 from coded settings; costs are counted and never modelled."""

    def __init__(self) -> None:
        self._process: GaussianProcessRegressor | None = None
        self._noise = 0.0

    def fit(self, inputs: Floats, top1: Sequence[float]) -> None:
        """Learn from trained settings, one or more: inputs (N, D) from 0 to 1, top-1 (N,) in percent."""
        shape = Matern(np.ones(inputs.shape[1]), (0.05, 20.0), nu=2.5)  # type: ignore[arg-type]
        kernel = ConstantKernel(1.0, (0.05, 20.0)) * shape + WhiteKernel(1e-2, (1e-5, 1.0))
        self._process = GaussianProcessRegressor(kernel, normalize_y=True)
        values = np.array(top1, dtype=float)
        with warnings.catch_warnings(action="ignore", category=ConvergenceWarning):  # a scale at its bound is no harm
            self._process.fit(inputs, values)
        fitted = self._process.kernel_.k2  # type: ignore[union-attr]
        self._noise = float(np.sqrt(fitted.noise_level) * (values.std() or 1.0))

    def predict(self, inputs: Floats) -> Predicted:
        """Predict the top-1 of coded settings (N, D)."""
        assert self._process is not None, "fit comes first"
        mean, deviation = self._process.predict(inputs, return_std=True)[:2]
        variance = np.asarray(deviation, dtype=float) ** 2 - self._noise**2  # scikit-learn adds the noise
        return Predicted(
            mean=np.asarray(mean, dtype=float), deviation=np.sqrt(np.maximum(variance, 0.0)), noise=self._noise
        )


def expected_improvement(mean: Floats, deviation: Floats, costs: Floats, top1: Floats, costs_seen: Floats) -> Floats:
    """Points of top-1 that each candidate is expected to gain over the best seen setting that costs no more.

    Args:
        mean: expected top-1 of the candidates, (N,).
        deviation: standard deviation of that expectation, without the noise of a training, (N,).
        costs: costs of the candidates, (N, K).
        top1: expected top-1 of the seen settings, (M,), one or more; an observed one would be the luckiest training.
        costs_seen: costs of the seen settings, (M, K).

    Returns:
        (N,). A candidate cheaper than every seen setting is compared with the least accurate seen setting.
    """
    affordable = (costs_seen[None] <= costs[:, None]).all(axis=2)  # (N, M)
    best = np.where(affordable, top1[None], top1.min()).max(axis=1)
    gain, spread = mean - best, np.maximum(deviation, 1e-9)
    return gain * norm.cdf(gain / spread) + spread * norm.pdf(gain / spread)
