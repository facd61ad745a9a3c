"""The axes of a search space as Optuna has them."""

from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from search_spaces.space import Axis, Choice, LogUniform

optuna.logging.set_verbosity(optuna.logging.ERROR)


def distribution(axis: Axis) -> BaseDistribution:
    """An axis as Optuna has it."""
    if isinstance(axis, Choice):
        return CategoricalDistribution([optuna_value(value) for value in axis.values])
    return FloatDistribution(axis.low, axis.high, log=isinstance(axis, LogUniform))


def optuna_value(value: Any) -> Any:
    """A setting as Optuna keeps it: several numbers as a text."""
    return "+".join(map(str, value)) if isinstance(value, tuple) else value
