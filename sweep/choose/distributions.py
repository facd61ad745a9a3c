"""The axes of a search space as Optuna has them."""

import math
from typing import Any

import numpy as np
import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from search_spaces.space import Axis, Choice, LogUniform

optuna.logging.set_verbosity(optuna.logging.ERROR)


def distribution(axis: Axis) -> BaseDistribution:
    """An axis as Optuna has it."""
    if isinstance(axis, Choice):
        return CategoricalDistribution([optuna_value(value) for value in axis.values])
    return FloatDistribution(axis.low, axis.high, log=isinstance(axis, LogUniform))


def draw(distribution: BaseDistribution, generator: np.random.Generator) -> float:
    """A value of a range, as likely as any other on its scale."""
    assert isinstance(distribution, FloatDistribution)
    low, high = distribution.low, distribution.high
    return (
        math.exp(generator.uniform(math.log(low), math.log(high))) if distribution.log else generator.uniform(low, high)
    )


def optuna_value(value: Any) -> Any:
    """A setting as Optuna keeps it: several numbers as a text."""
    return "+".join(map(str, value)) if isinstance(value, tuple) else value
