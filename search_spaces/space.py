"""SearchSpace: the fields of TrainConfig that vary, their values, and the base settings. Pure data."""

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
    """An axis of listed values; a grid has all of them."""

    values: tuple[Value, ...]


@dataclass(frozen=True)
class Uniform:
    """An axis of floats drawn uniformly from `low` to `high`."""

    low: float
    high: float


@dataclass(frozen=True)
class LogUniform:
    """An axis of floats from `low` to `high` whose logarithms are drawn uniformly."""

    low: float
    high: float


Axis = Choice | Uniform | LogUniform


@dataclass(frozen=True)
class Constraint:
    """A condition that every point of a space meets; `text` completes "dropped because ..."."""

    text: str
    holds: Callable[[TrainConfig], bool]


@dataclass(frozen=True, kw_only=True)
class SearchSpace:
    """A base configuration and the axes along which points differ from it."""

    doc: str
    """One line for `run_sweep.py list`: the cells of the space, and where they were published."""
    axes: Mapping[str, Axis]
    """Axes by field of TrainConfig; the first axis varies slowest."""
    base: TrainConfig = field(default_factory=TrainConfig)
    constraints: tuple[Constraint, ...] = ()
    num_samples: int | None = None
    """Default number of points to draw if an axis is a distribution; unset: the number of combinations of choices."""

    def __post_init__(self) -> None:
        for name, axis in self.axes.items():
            check_axis(name, axis)

    @property
    def choices(self) -> dict[str, Choice]:
        """The axes of listed values, by field."""
        return {name: axis for name, axis in self.axes.items() if isinstance(axis, Choice)}

    @property
    def distributions(self) -> dict[str, Uniform | LogUniform]:
        """The axes that are distributions, by field."""
        return {name: axis for name, axis in self.axes.items() if not isinstance(axis, Choice)}

    def grid(self) -> list[TrainConfig]:
        """Return every combination of the choices that meets the constraints; the last axis varies fastest.

        Fields with a distribution keep the value of the base.

        Raises:
            ConfigError: no combination meets the constraints; the message says how many each constraint dropped.
        """
        combinations = itertools.product(*(axis.values for axis in self.choices.values()))
        configs = [replace(self.base, **dict(zip(self.choices, values, strict=True))) for values in combinations]
        allowed = [config for config in configs if all(c.holds(config) for c in self.constraints)]
        if not allowed:
            dropped = [f"{sum(not c.holds(config) for config in configs)} because {c.text}" for c in self.constraints]
            raise ConfigError(
                f"the space is empty: of {len(configs)} combinations are dropped {'; '.join(dropped)}; "
                "change the axes with --axis"
            )
        return allowed

    def with_axes(self, axes: Mapping[str, Axis]) -> "SearchSpace":
        """Return this space with `axes` added; an axis replaces the axis of the same field."""
        return replace(self, axes={**self.axes, **axes})


def parse_axis(text: str) -> tuple[str, Axis]:
    """Parse an axis, `field=a,b,c`, `field=uniform(low,high)` or `field=loguniform(low,high)`.

    Raises:
        ConfigError: `text` has another form, no field has this name, or a value has the wrong type.
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
