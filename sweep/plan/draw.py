"""The points of a search space to train: its grid, or random draws by Optuna where axes are distributions."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from search_spaces.space import SearchSpace
from trainers.config import SHAPE_FIELDS, TrainConfig
from trainers.errors import ConfigError

MOST_ROUNDS = 10
"""Most rounds of draws; each round after the first replaces points whose networks exceed the caps."""


def choose(
    space: SearchSpace, num_samples: int | None, seed: int, keep: Callable[[TrainConfig], bool] = lambda _: True
) -> list[TrainConfig]:
    """Return the points of `space` for which `keep` is true: the whole grid in its order, or `num_samples` draws.

    Draws pass through the grid of the choices in random order, repeatedly if needed, so that cells are covered evenly;
    each draw takes a new value from every distribution. Without distributions, draws are distinct points of the grid.
    Where a distribution decides the network itself, rejected draws are replaced in up to MOST_ROUNDS rounds, so fewer
    than `num_samples` points may be returned.

    Raises:
        ConfigError: the space is empty, or a grid has fewer points than `num_samples`.
    """
    drawn_shapes = not space.distributions.keys().isdisjoint(SHAPE_FIELDS)
    grid = space.grid() if drawn_shapes else [config for config in space.grid() if keep(config)]
    if not space.distributions:
        if num_samples is None:
            return grid
        check_count(num_samples, grid)
    count = num_samples or space.num_samples or len(grid)
    points: list[TrainConfig] = []
    for round_ in range(MOST_ROUNDS if grid else 0):
        round_seed = _round_seed(seed, round_)
        draws = _draw(space, _cover(grid, count, round_seed), round_seed)
        points += filter(keep, draws) if drawn_shapes else draws
        if len(points) >= count:
            break
    return points[:count]


def _round_seed(seed: int, round_: int) -> int:
    """Return the seed of a round of draws: `seed` itself in the first round, later ones distinct between sweeps."""
    return seed if round_ == 0 else int(np.random.SeedSequence([seed, round_]).generate_state(1)[0])


def check_count(num_samples: int, grid: list[TrainConfig]) -> None:
    """Raise a ConfigError if a grid without distributions has fewer than `num_samples` points."""
    if num_samples > len(grid):
        raise ConfigError(
            f"num_samples is {num_samples}, but the grid has {len(grid)} points; lower it or leave it out"
        )


def _cover(grid: list[TrainConfig], count: int, seed: int) -> list[TrainConfig]:
    """Return `count` points of the grid in random order; no point comes twice more often than another."""
    generator = np.random.default_rng(seed)
    return [grid[i] for _ in range(-(-count // len(grid))) for i in generator.permutation(len(grid))][:count]


def _draw(space: SearchSpace, cells: list[TrainConfig], seed: int) -> list[TrainConfig]:
    """Return `cells`, each with an independent draw from every distribution of `space`."""
    if not space.distributions:
        return cells
    import optuna  # takes a second to import, and most spaces are grids

    from sweep.plan.distributions import distribution

    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed))
    distributions = {name: distribution(axis) for name, axis in space.distributions.items()}
    return [replace(cell, **study.ask(distributions).params) for cell in cells]
