"""Which points of a search space to train: its grid, or draws from its distributions by Optuna."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from search_spaces.space import SearchSpace
from trainers.config import SHAPE_FIELDS, TrainConfig
from trainers.errors import ConfigError

MOST_ROUNDS = 10
"""Times that points are drawn again whose networks are outside the caps."""


def choose(
    space: SearchSpace, num_samples: int | None, seed: int, keep: Callable[[TrainConfig], bool] = lambda _: True
) -> list[TrainConfig]:
    """The points of `space` that `keep` holds for: the whole grid in its order, or `num_samples` draws.

    Draws go through the grid of the choices in random order, as often as it takes, so that cells are covered evenly;
    each draws the distributions anew. Without distributions they are distinct points of the grid. Where a distribution
    decides the network itself, draws that are not to be kept are drawn again, MOST_ROUNDS times at most: there may be
    fewer then.

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
    chosen: list[TrainConfig] = []
    for round_ in range(MOST_ROUNDS if grid else 0):
        round_seed = _round_seed(seed, round_)
        drawn = _draw(space, _cover(grid, count, round_seed), round_seed)
        chosen += filter(keep, drawn) if drawn_shapes else drawn
        if len(chosen) >= count:
            break
    return chosen[:count]


def _round_seed(seed: int, round_: int) -> int:
    """The seed of a round of draws: `seed` itself in the first round, and in no round the seed of another sweep's."""
    return seed if round_ == 0 else int(np.random.SeedSequence([seed, round_]).generate_state(1)[0])


def check_count(num_samples: int, grid: list[TrainConfig]) -> None:
    """Raise a ConfigError if a grid without distributions has fewer points than are to be drawn."""
    if num_samples > len(grid):
        raise ConfigError(f"num_samples is {num_samples}, but the grid has {len(grid)} points; leave it out, or less")


def _cover(grid: list[TrainConfig], count: int, seed: int) -> list[TrainConfig]:
    """`count` of the grid's points, each as often as any other, in random order."""
    generator = np.random.default_rng(seed)
    return [grid[i] for _ in range(-(-count // len(grid))) for i in generator.permutation(len(grid))][:count]


def _draw(space: SearchSpace, cells: list[TrainConfig], seed: int) -> list[TrainConfig]:
    """`cells` with each distribution of `space` drawn independently."""
    if not space.distributions:
        return cells
    import optuna  # takes a second to import, and most spaces are grids

    from sweep.choose.distributions import distribution

    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed))
    distributions = {name: distribution(axis) for name, axis in space.distributions.items()}
    return [replace(cell, **study.ask(distributions).params) for cell in cells]
