"""Which points of a search space to train: its grid, or draws from its distributions by Optuna."""

from dataclasses import replace

import numpy as np

from search_spaces.space import LogUniform, SearchSpace, Uniform
from trainers.config import TrainConfig
from trainers.errors import ConfigError


def choose(space: SearchSpace, num_samples: int | None, seed: int) -> list[TrainConfig]:
    """The points of `space`: the whole grid in its order, or `num_samples` draws.

    Draws go through the grid of the choices in random order, as often as it takes, so that cells are covered evenly;
    each draws the distributions anew. Without distributions they are distinct points of the grid.

    Raises:
        ConfigError: the space is empty, or a grid has fewer points than `num_samples`.
    """
    grid = space.grid()
    if not space.distributions:
        if num_samples is None:
            return grid
        if num_samples > len(grid):
            raise ConfigError(
                f"num_samples is {num_samples}, but the grid has {len(grid)} points; leave it out, or less"
            )
    count = num_samples or space.num_samples or len(grid)
    generator = np.random.default_rng(seed)
    rounds = -(-count // len(grid))
    cells = [grid[i] for _ in range(rounds) for i in generator.permutation(len(grid))][:count]
    return _draw(space, cells, seed) if space.distributions else cells


def _draw(space: SearchSpace, cells: list[TrainConfig], seed: int) -> list[TrainConfig]:
    """`cells` with each distribution of `space` drawn independently."""
    import optuna  # takes a second to import, and most spaces are grids

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed))
    distributions: dict[str, optuna.distributions.BaseDistribution] = {
        name: _to_optuna(axis) for name, axis in space.distributions.items()
    }
    return [replace(cell, **study.ask(distributions).params) for cell in cells]


def _to_optuna(axis: "Uniform | LogUniform"):
    from optuna.distributions import FloatDistribution

    return FloatDistribution(axis.low, axis.high, log=isinstance(axis, LogUniform))
