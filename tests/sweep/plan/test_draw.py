"""Draws from a search space are reproducible, within bounds, and cover the cells evenly."""

import math
from collections import Counter
from dataclasses import asdict, replace

import pytest

from search_spaces.registry import get_space
from search_spaces.space import Choice, LogUniform, SearchSpace, Uniform
from sweep.plan.draw import MOST_ROUNDS, _round_seed, choose
from trainers.errors import ConfigError

MIXED = SearchSpace(
    doc="",
    axes={"width_mult": Choice((0.25, 0.5)), "dropout": Uniform(0.1, 0.3), "lr": LogUniform(1e-4, 1.0)},
    num_samples=4,
)


def test_without_samples_a_grid_gives_all_its_points_in_order() -> None:
    assert choose(get_space("mnv2_grid"), None, seed=0) == get_space("mnv2_grid").grid()


def test_samples_of_a_grid_are_distinct_grid_points() -> None:
    drawn = choose(get_space("mnv2_grid"), 21, seed=0)

    assert len(set(drawn)) == 21
    assert set(drawn) < set(get_space("mnv2_grid").grid())


def test_more_samples_than_grid_points_are_an_error() -> None:
    with pytest.raises(ConfigError, match="num_samples is 23, but the grid has 22 points"):
        choose(get_space("mnv2_grid"), 23, seed=0)


@pytest.mark.parametrize("seed", [0, 1])
def test_a_seed_decides_the_draws(seed: int) -> None:
    assert choose(MIXED, 9, seed) == choose(MIXED, 9, seed)
    assert choose(MIXED, 9, seed) != choose(MIXED, 9, seed + 1)


def test_draws_are_distinct_and_within_their_bounds() -> None:
    drawn = choose(MIXED, 200, seed=3)

    assert all(0.1 <= config.dropout <= 0.3 and 1e-4 <= config.lr <= 1 for config in drawn)
    assert len({config.lr for config in drawn}) == 200


def test_a_log_uniform_axis_is_uniform_in_its_logarithm() -> None:
    below = sum(config.lr < 1e-2 for config in choose(MIXED, 400, seed=5))

    assert math.isclose(below / 400, 0.5, abs_tol=0.1)


@pytest.mark.parametrize("num_samples", [4, 5, 11])
def test_cells_are_covered_evenly(num_samples: int) -> None:
    counts = Counter(config.width_mult for config in choose(MIXED, num_samples, seed=0))

    assert max(counts.values()) - min(counts.values()) <= 1


@pytest.mark.parametrize(("default", "given", "expected"), [(4, None, 4), (4, 7, 7), (None, None, 2), (None, 5, 5)])
def test_the_number_of_draws_is_given_or_the_default_of_the_space_or_one_for_each_cell(
    default: int | None, given: int | None, expected: int
) -> None:
    assert len(choose(replace(MIXED, num_samples=default), given, seed=0)) == expected


def test_draws_differ_from_the_base_only_in_the_axes() -> None:
    base = asdict(MIXED.base)

    for config in choose(MIXED, 3, seed=0):
        changed = {name for name, value in asdict(config).items() if value != base[name]}
        assert changed <= {"width_mult", "dropout", "lr"}


def test_no_round_of_draws_repeats_a_round_of_another_seed() -> None:
    seeds = {_round_seed(seed, round_) for seed in range(100) for round_ in range(MOST_ROUNDS)}

    assert len(seeds) == 100 * MOST_ROUNDS
    assert [_round_seed(seed, 0) for seed in range(3)] == [0, 1, 2]  # so that the draws of earlier versions stay
