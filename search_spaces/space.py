"""SearchSpace: which fields of TrainConfig vary, over what, from which base. Pure data, and the grid it spans."""

import itertools
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from trainers.config import TrainConfig, field_names
from trainers.errors import ConfigError, unknown_choice
from trainers.values import Value, accepts, parse_field


@dataclass(frozen=True)
class Choice:
    """One of these values, each of them in a grid."""

    values: tuple[Value, ...]


@dataclass(frozen=True)
class Uniform:
    """A float drawn evenly from `low` to `high`."""

    low: float
    high: float


@dataclass(frozen=True)
class LogUniform:
    """A float drawn from `low` to `high`, evenly in its logarithm."""

    low: float
    high: float


Axis = Choice | Uniform | LogUniform


@dataclass(frozen=True)
class Constraint:
    """A rule that every point of a space keeps; `text` completes "dropped because ..."."""

    text: str
    holds: Callable[[TrainConfig], bool]


@dataclass(frozen=True, kw_only=True)
class SearchSpace:
    """A base configuration and the axes along which points differ from it."""

    doc: str
    """One line for `list`: what it spans and where it was published."""
    axes: Mapping[str, Axis]
    """Axes by field of TrainConfig, the slowest first."""
    base: TrainConfig = field(default_factory=TrainConfig)
    constraints: tuple[Constraint, ...] = ()
    num_samples: int | None = None
    """Points drawn by default where an axis is a distribution; unset: as many as the choices have combinations."""

    def __post_init__(self) -> None:
        for name, axis in self.axes.items():
            check_axis(name, axis)

    @property
    def choices(self) -> dict[str, Choice]:
        """The axes that are lists of values."""
        return {name: axis for name, axis in self.axes.items() if isinstance(axis, Choice)}

    @property
    def distributions(self) -> dict[str, Uniform | LogUniform]:
        """The axes that are distributions."""
        return {name: axis for name, axis in self.axes.items() if not isinstance(axis, Choice)}

    def grid(self) -> list[TrainConfig]:
        """Every combination of the choices that keeps the constraints, the last axis fastest; distributions stay out.

        Raises:
            ConfigError: no combination keeps the constraints; the message says which one dropped how many.
        """
        combinations = itertools.product(*(axis.values for axis in self.choices.values()))
        configs = [replace(self.base, **dict(zip(self.choices, values, strict=True))) for values in combinations]
        kept = [config for config in configs if all(c.holds(config) for c in self.constraints)]
        if not kept:
            dropped = [f"{sum(not c.holds(config) for config in configs)} because {c.text}" for c in self.constraints]
            raise ConfigError(
                f"the space is empty: of {len(configs)} combinations are dropped {'; '.join(dropped)}; "
                "change the axes with --axis"
            )
        return kept

    def with_axes(self, axes: Mapping[str, Axis]) -> "SearchSpace":
        """The same space with `axes` added, or put in the place of those of the same name."""
        return replace(self, axes={**self.axes, **axes})


def parse_axis(text: str) -> tuple[str, Axis]:
    """The axis written as `field=a,b,c`, `field=uniform(low,high)` or `field=loguniform(low,high)`.

    Raises:
        ConfigError: not of that form, no such field, or a value of the wrong type.
    """
    name, equals, value = text.partition("=")
    name = name.strip().replace("-", "_")
    if not equals or not value.strip():
        raise ConfigError(f"axis {text!r} is not of the form field=a,b,c or field=loguniform(low,high)")
    check_name(name)
    distribution = re.fullmatch(r"(\w+)\((.*)\)", value.strip())
    if not distribution:
        return name, Choice(tuple(parse_field(TrainConfig, name, item.strip()) for item in value.split(",")))
    kind, arguments = distribution.groups()
    kinds = {"uniform": Uniform, "loguniform": LogUniform}
    bounds = [parse_field(Uniform, "low", item) for item in arguments.split(",")]
    if kind not in kinds or len(bounds) != 2:
        raise ConfigError(f"axis {text!r}: a distribution is uniform(low,high) or loguniform(low,high)")
    axis = kinds[kind](*bounds)
    check_axis(name, axis)
    return name, axis


def check_name(name: str) -> None:
    """Raise a ConfigError that lists the fields if `name` is not a field of TrainConfig."""
    names = field_names(TrainConfig)
    if name not in names:
        raise unknown_choice("axis", name, names)


def check_axis(name: str, axis: Axis) -> None:
    """Raise a ConfigError if `axis` cannot vary the field `name`."""
    check_name(name)
    if isinstance(axis, Choice):
        if len(set(axis.values)) < len(axis.values) or not axis.values:
            raise ConfigError(f"axis {name}: the values {axis.values} must be distinct, at least one")
        return
    if not accepts(TrainConfig, name, float):
        raise ConfigError(f"axis {name}: only a field with float values can be drawn from a distribution")
    if not (math.isfinite(axis.high - axis.low) and axis.low < axis.high):
        raise ConfigError(f"axis {name}: {axis.low} to {axis.high} is no range; low must be below high")
    if isinstance(axis, LogUniform) and axis.low <= 0:
        raise ConfigError(f"axis {name}: loguniform needs bounds above 0, not {axis.low}")
