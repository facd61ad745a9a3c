"""The probability that a setting is on a frontier equals closed forms and the frequency in simulated sweeps."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from analysis.frontier.frontier import frontier_mask, frontier_probability
from analysis.frontier.pareto import pareto_mask
from analysis.results.settings import by_setting

Floats = NDArray[np.float64]
Row = dict[str, Any]
MakeRow = Callable[..., Row]
MakeTable = Callable[[list[Row]], pd.DataFrame]


def seeds(make_row: MakeRow, top1s: Sequence[float], **settings: Any) -> list[Row]:
    """Return the points of one setting, with a seed for each top-1."""
    return [make_row(seed=seed, top1=top1, **settings) for seed, top1 in enumerate(top1s)]


def settings_of(costs: Floats, top1: Floats) -> pd.DataFrame:
    """Return the columns of `by_setting` for settings of the costs (n,) and the top-1 of their seeds (n, k)."""
    return pd.DataFrame(
        {
            "state": "COMPLETE",
            "dataset": "digits",
            "macs": costs,
            "top1": top1.mean(axis=1),
            "sd_top1": top1.std(axis=1, ddof=1),
            "num_seeds": top1.shape[1],
            "num_val": 10_000,
            "majority_top1": 10.0,
        }
    )


@pytest.mark.parametrize(("num", "equal_costs", "spread"), [(8, True, 0.5), (12, False, 0.5)])
def test_settings_on_the_observed_frontier_are_on_the_true_one_as_often_as_predicted(
    num: int, equal_costs: bool, spread: float
) -> None:
    """With two seeds and equal costs, resampling around the observed means would predict 53 % where 35 % is true."""
    random = np.random.default_rng(1)
    costs = np.full(num, 1e6) if equal_costs else np.geomspace(1e6, 1e8, num)
    predicted, actual = list[float](), list[float]()
    for _ in range(100):
        true = 70 + 5 * np.log(costs / 1e6) / np.log(100) + spread * random.standard_normal(num)
        table = settings_of(costs, true[:, None] + random.standard_normal((num, 2)))
        winners = frontier_mask(table, "macs")
        predicted.append(frontier_probability(table, "macs", num_draws=100)[winners].mean())
        actual.append(pareto_mask(costs, true)[winners].mean())

    assert np.mean(predicted) == pytest.approx(np.mean(actual), abs=0.08)


def test_noise_of_few_seeds_follows_students_t() -> None:
    """The means of two settings differ by one standard error, so t of 2 degrees of freedom is 1."""
    table = settings_of(np.array([1.0, 2.0]), np.array([[79.0, 81.0], [79.0, 81.0]]) + np.array([[0.0], [2**0.5]]))

    probabilities = frontier_probability(table, "macs", num_draws=10_000)

    assert probabilities.tolist() == [1, pytest.approx(0.789, abs=0.015)]


def test_probabilities_of_many_seeds_are_those_of_normal_noise() -> None:
    random = np.random.default_rng(0)
    costs, num_seeds = np.geomspace(1, 10, 10), 400
    samples = random.standard_normal((10, num_seeds))
    samples -= samples.mean(axis=1, keepdims=True)
    means = 70 + np.array([0, 9, 9.04, 13, 13.06, 13.03, 17, 20, 20.02, 19.9])
    table = settings_of(costs, means[:, None] + samples)

    noise = random.standard_normal((4000, 10)) / np.sqrt(num_seeds)
    expected = np.mean([pareto_mask(costs, means + draw) for draw in noise], axis=0)
    assert frontier_probability(table, "macs", num_draws=4000) == pytest.approx(expected, abs=0.03)


def test_probabilities_without_noise_equal_the_frontier() -> None:
    table = settings_of(np.array([1.0, 2.0, 3.0]), np.array([[80.0, 80.0], [79.0, 79.0], [80.1, 80.1]]))

    assert frontier_probability(table, "macs").tolist() == [1, 0, 1]


def test_probability_is_unknown_without_repeated_seeds(make_row: MakeRow, make_table: MakeTable) -> None:
    """Every dataset has its own noise, and an incomplete point has no probability."""
    rows = [*seeds(make_row, [80.0, 81.0]), make_row(dataset="cifar10"), make_row(state="PRUNED")]

    probabilities = frontier_probability(by_setting(make_table(rows)), "num_params")

    assert probabilities[0] == 1
    assert np.isnan(probabilities).tolist() == [False, True, True]


def test_probabilities_of_a_table_are_reproducible(make_row: MakeRow, make_table: MakeTable) -> None:
    rows = [row for macs in range(1, 6) for row in seeds(make_row, [80.0 + macs, 83.0], macs=macs)]
    table = by_setting(make_table(rows))

    assert frontier_probability(table, "macs").tolist() == frontier_probability(table, "macs").tolist()
