"""The axes of a sweep: the axes of its search space, changed and extended by --axis."""

from dataclasses import replace

from search_spaces.registry import get_space
from search_spaces.space import SearchSpace, parse_axis
from sweep.config import SweepConfig
from trainers.errors import ConfigError


def effective_space(config: SweepConfig) -> SearchSpace:
    """Return the search space of `config` with `config.train` as its base and the axes of --axis."""
    axes = dict(parse_axis(text) for text in config.axis)
    if len(axes) < len(config.axis):
        raise ConfigError(f"an axis is given twice in {', '.join(config.axis)}; give each once, with all its values")
    return replace(get_space(config.space), base=config.train).with_axes(axes)
