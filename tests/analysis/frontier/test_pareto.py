"""The Pareto frontier equals a brute force over all pairs."""

import numpy as np
import pytest
from numpy.typing import NDArray

from analysis.frontier.pareto import joint_pareto_mask, pareto_mask, step_line

NAN = float("nan")


def brute_force(costs: NDArray[np.float64], values: NDArray[np.float64]) -> NDArray[np.bool_]:
    no_dearer = costs[:, None] <= costs[None]
    no_worse = values[:, None] >= values[None]
    better = (costs[:, None] < costs[None]) | (values[:, None] > values[None])
    dominated = (no_dearer & no_worse & better).any(axis=0)
    return ~dominated & ~np.isnan(costs) & ~np.isnan(values)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("distinct", [2, 7, 1000])
def test_mask_equals_brute_force_on_random_sets_with_ties(seed: int, distinct: int) -> None:
    random = np.random.default_rng(seed)
    costs, values = random.integers(0, distinct, (2, random.integers(1, 120))).astype(float)
    costs[random.random(len(costs)) < 0.1] = NAN
    values[random.random(len(values)) < 0.1] = NAN

    assert pareto_mask(costs, values).tolist() == brute_force(costs, values).tolist()


@pytest.mark.parametrize(
    ("costs", "values", "expected"),
    [
        ([], [], []),
        ([1], [2], [True]),
        ([NAN], [2], [False]),
        ([1], [NAN], [False]),
        ([1, 1, 1], [2, 2, 2], [True, True, True]),
        ([1, 2], [2, 2], [True, False]),
        ([1, 1], [2, 3], [False, True]),
        ([1, 2], [3, 2], [True, False]),
        ([2, 1], [3, 2], [True, True]),
        ([NAN, 2], [9, 2], [False, True]),
        ([1, float("inf")], [2, 3], [True, True]),
        ([1, 2], [float("-inf"), float("-inf")], [True, False]),
    ],
)
def test_mask_of_a_small_set_equals_the_mask_by_hand(
    costs: list[float], values: list[float], expected: list[bool]
) -> None:
    assert pareto_mask(costs, values).tolist() == expected


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("distinct", [2, 5, 1000])
def test_joint_mask_equals_brute_force_on_random_sets_with_ties(seed: int, distinct: int) -> None:
    random = np.random.default_rng(seed)
    points = random.integers(0, distinct, (3, random.integers(1, 120))).astype(float)
    points[random.random(points.shape) < 0.05] = NAN
    costs, others, values = points
    no_worse = (costs[:, None] <= costs) & (others[:, None] <= others) & (values[:, None] >= values)
    better = (costs[:, None] < costs) | (others[:, None] < others) | (values[:, None] > values)

    expected = ~(no_worse & better).any(axis=0) & ~np.isnan(points).any(axis=0)
    assert joint_pareto_mask(costs, others, values).tolist() == expected.tolist()


@pytest.mark.parametrize(
    ("costs", "values", "corners"),
    [
        ([], [], []),
        ([5], [1], [(5, 1)]),
        ([2, 1], [4, 3], [(1, 3), (2, 3), (2, 4)]),
        ([1, 1, 3, 2], [3, 3, 5, 1], [(1, 3), (3, 3), (3, 5)]),
        ([1, NAN, 4], [3, 9, 5], [(1, 3), (4, 3), (4, 5)]),
    ],
)
def test_step_line_runs_level_and_then_up(
    costs: list[float], values: list[float], corners: list[tuple[float, float]]
) -> None:
    assert list(zip(*step_line(costs, values), strict=True)) == corners


@pytest.mark.parametrize("seed", range(5))
def test_no_point_lies_above_the_step_line(seed: int) -> None:
    costs, values = np.random.default_rng(seed).random((2, 50))
    xs, ys = step_line(costs, values)

    for cost, value in zip(costs, values, strict=True):
        assert value <= ys[xs <= cost].max()
