"""The hypervolume equals Optuna's, a brute force and closed forms; its chart has the expected numbers."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from optuna._hypervolume import compute_hypervolume

from analysis.frontier.pareto import hypervolume_over_time
from analysis.plots.hypervolume import HypervolumeInfo, info
from analysis.published.comparison import compare
from analysis.published.sweep_results import results_of

Row = dict[str, Any]
MakeRow = Callable[..., Row]
MakeTable = Callable[[list[Row]], pd.DataFrame]
Array = NDArray[np.float64]

NAN = float("nan")


def random_points(seed: int, distinct: int) -> tuple[Array, Array]:
    """Return costs and values on `distinct` levels from 0 to 1, so that many are equal."""
    random = np.random.default_rng(seed)
    costs, values = random.integers(0, distinct, (2, random.integers(1, 60))) / (distinct - 1)
    return costs, values


def by_optuna(costs: Array, values: Array) -> float:
    """Return Optuna's hypervolume from the reference (1, 0); Optuna minimises costs and negated values."""
    return compute_hypervolume(np.stack([costs, -values], axis=1), np.array([1.0, 0.0]))


def by_squares(costs: Array, values: Array, side: int) -> float:
    """Return the share of the squares of a grid that some point dominates, which is exact for points on the grid."""
    left = (np.arange(side) / side)[:, None, None]
    top = (np.arange(1, side + 1) / side)[:, None]
    return float(((costs <= left + 1e-9) & (values >= top - 1e-9)).any(axis=2).mean())


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("distinct", [2, 6, 1000])
def test_hypervolume_equals_optuna_after_every_point(seed: int, distinct: int) -> None:
    costs, values = random_points(seed, distinct)
    expected = [by_optuna(costs[:n], values[:n]) for n in range(1, len(costs) + 1)]

    assert hypervolume_over_time(costs, values, (1.0, 0.0)) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("seed", range(10))
def test_hypervolume_equals_a_brute_force(seed: int) -> None:
    costs, values = random_points(seed, 9)

    assert hypervolume_over_time(costs, values, (1.0, 0.0))[-1] == pytest.approx(by_squares(costs, values, 8), abs=1e-9)


@pytest.mark.parametrize(
    ("costs", "values", "expected"),
    [
        ([], [], []),
        ([1], [5], [15]),
        ([4], [5], [0]),
        ([1], [0], [0]),
        ([5, 1], [5, 5], [0, 15]),
        ([1, 2], [-1, 5], [0, 10]),
        ([NAN, 1, 1], [5, NAN, 2], [0, 0, 6]),
        ([2, 1, 1, 1], [3, 1, 1, 3], [6, 7, 7, 9]),
        ([1, 2, 3, 1], [1, 2, 3, 9], [3, 5, 6, 27]),
    ],
)
def test_hypervolume_of_small_sets_from_cost_4_and_value_0(
    costs: list[float], values: list[float], expected: list[float]
) -> None:
    assert hypervolume_over_time(costs, values, (4.0, 0.0)).tolist() == expected


def test_ten_thousand_points_on_a_diagonal_frontier_have_a_hypervolume_of_half() -> None:
    costs = np.random.default_rng(0).random(10_000)

    over_time = hypervolume_over_time(costs, costs, (1.0, 0.0))

    assert over_time[-1] == pytest.approx(0.5, abs=1e-3)


def chart_of(table: pd.DataFrame) -> HypervolumeInfo | None:
    return info(results_of(table, compare(table, None), name="demo"))


def test_chart_counts_every_ended_point_but_only_complete_points_add_hypervolume(
    make_row: MakeRow, make_table: MakeTable
) -> None:
    """The reference is 200 M MACs and 50 %; top-1 of 60 % at 1 M adds 10 points, and 80 % at 10 M another 20."""
    rows = [
        make_row(macs=10_000_000, top1=80.0, train_seconds=3600.0, ended_at=4.0),
        make_row(macs=1_000, state="PRUNED", top1=99.0, train_seconds=1800.0, ended_at=1.0),
        make_row(macs=1_000_000, top1=60.0, train_seconds=7200.0, ended_at=3.0),
        make_row(macs=1_000, state="FAILED", top1=None, train_seconds=None, ended_at=2.0),
        make_row(macs=100_000_000, top1=50.0, train_seconds=360.0, ended_at=5.0),
    ]
    chart = chart_of(make_table(rows))
    first, second = 10 * np.log10(200), 20 * np.log10(20)

    assert chart is not None
    assert chart.share == pytest.approx([0, 0, 0, first / (first + second), 1, 1])
    assert chart.hours == pytest.approx([0, 0.5, 0.5, 2.5, 3.5, 3.6])
    assert chart.texts.subtitle.startswith(
        "90 % of the hypervolume after 4 of 5 points and 3.5 of 3.6 hours of training"
    )
    assert "the reference 200 M MACs (twice the most) and 50.00 % (the lowest)" in chart.texts.caption[0]


@pytest.mark.parametrize(
    "rows",
    [
        [],
        [{}],
        [{}, {"lr": 9.0}],
        [{"state": "PRUNED"}, {"state": "PRUNED", "top1": 95.0}],
        [{}, {"top1": 95.0, "dataset": "cifar10"}],
    ],
)
def test_there_is_no_chart_without_a_hypervolume_of_one_dataset(
    rows: list[Row], make_row: MakeRow, make_table: MakeTable
) -> None:
    assert chart_of(make_table([make_row(**row) for row in rows])) is None
