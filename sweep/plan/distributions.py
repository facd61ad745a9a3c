"""The axes of a search space as Optuna's distributions, and settings as numbers for a surrogate."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import optuna
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from search_spaces.space import Axis, Choice, LogUniform, SearchSpace
from trainers.datasets.registry import canonical

optuna.logging.set_verbosity(optuna.logging.ERROR)


def distributions(space: SearchSpace) -> dict[str, BaseDistribution]:
    """Return Optuna's distributions of the axes of `space` by field; the values of a `data` axis are canonical."""
    return {name: distribution(_canonical(name, axis)) for name, axis in space.axes.items()}


def distribution(axis: Axis) -> BaseDistribution:
    """Return an axis as Optuna's distribution."""
    if isinstance(axis, Choice):
        return CategoricalDistribution([optuna_value(value) for value in axis.values])
    return FloatDistribution(axis.low, axis.high, log=isinstance(axis, LogUniform))


def draw(distribution: BaseDistribution, generator: np.random.Generator) -> float:
    """Draw a value of a range, uniformly on its linear or logarithmic scale."""
    assert isinstance(distribution, FloatDistribution)
    low, high = distribution.low, distribution.high
    return (
        math.exp(generator.uniform(math.log(low), math.log(high))) if distribution.log else generator.uniform(low, high)
    )


def optuna_value(value: Any) -> Any:
    """Return a setting as Optuna stores it: a tuple of numbers as a text such as `1+2`."""
    return "+".join(map(str, value)) if isinstance(value, tuple) else value


def coded(params: Sequence[Mapping[str, Any]], distributions: Mapping[str, BaseDistribution]) -> NDArray[np.float64]:
    """Return settings as inputs of a surrogate (N, D), from 0 to 1.

    Listed numbers are coded by their rank, drawn numbers by their position in the range, other values one-hot.
    """
    columns = [_columns([row[name] for row in params], axis) for name, axis in distributions.items()]
    return np.concatenate(columns).T


def _canonical(name: str, axis: Axis) -> Axis:
    if name != "data" or not isinstance(axis, Choice):
        return axis
    return Choice(tuple(canonical(str(value)) for value in axis.values))


def _columns(values: Sequence[Any], distribution: BaseDistribution) -> NDArray[np.float64]:
    """Return the coded values of one axis (columns, N)."""
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
