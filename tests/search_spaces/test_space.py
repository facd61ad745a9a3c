"""Axes and constraints span the right grid, and wrong axes are an error."""

import itertools
import math
from collections.abc import Mapping

import pytest

from search_spaces.space import Axis, Choice, Constraint, LogUniform, SearchSpace, Uniform, parse_axis
from trainers.config import TrainConfig, field_names
from trainers.errors import ConfigError

WIDTHS, RESOLUTIONS = Choice((1.0, 0.5)), Choice((224, 96, 32))
NARROW = Constraint("wide networks are too slow", lambda config: config.width_mult < 1)


def space(
    axes: Mapping[str, Axis], *constraints: Constraint, base: TrainConfig | None = None, num_samples: int | None = None
) -> SearchSpace:
    return SearchSpace(
        doc="test", axes=axes, constraints=constraints, base=base or TrainConfig(), num_samples=num_samples
    )


def test_grid_keeps_axis_order() -> None:
    grid = space({"width_mult": WIDTHS, "resolution": RESOLUTIONS}).grid()

    assert [(c.width_mult, c.resolution) for c in grid] == list(itertools.product((1.0, 0.5), (224, 96, 32)))


def test_grid_order_follows_the_order_of_the_axes() -> None:
    grid = space({"resolution": RESOLUTIONS, "width_mult": WIDTHS}).grid()

    assert [(c.resolution, c.width_mult) for c in grid] == list(itertools.product((224, 96, 32), (1.0, 0.5)))


def test_grid_leaves_other_fields_and_distributions_at_the_base() -> None:
    base = TrainConfig(epochs=7, lr=0.3, dropout=0.1)
    grid = space({"width_mult": WIDTHS, "lr": LogUniform(0.01, 1.0)}, base=base, num_samples=4).grid()

    assert {(c.epochs, c.lr, c.dropout) for c in grid} == {(7, 0.3, 0.1)}
    assert [c.width_mult for c in grid] == [1.0, 0.5]


def test_grid_without_axes_is_the_base() -> None:
    assert space({}, base=TrainConfig(epochs=3)).grid() == [TrainConfig(epochs=3)]


def test_grid_keeps_points_that_meet_every_constraint() -> None:
    small = Constraint("large images are too slow", lambda config: config.resolution < 200)
    axes: dict[str, Axis] = {"width_mult": WIDTHS, "resolution": RESOLUTIONS}
    every = space(axes).grid()

    assert space(axes, NARROW, small).grid() == [c for c in every if c.width_mult < 1 and c.resolution < 200]


def test_empty_space_is_an_error_that_counts_what_each_constraint_dropped() -> None:
    wide = Constraint("narrow networks are inaccurate", lambda config: config.width_mult >= 1)

    with pytest.raises(ConfigError) as caught:
        space({"width_mult": Choice((2.0, 1.0, 0.5))}, NARROW, wide).grid()

    message = str(caught.value)
    assert "3 combinations" in message
    assert "2 because wide networks are too slow" in message
    assert "1 because narrow networks are inaccurate" in message
    assert "--axis" in message


def test_a_value_that_the_config_rejects_is_an_error_that_names_the_field() -> None:
    with pytest.raises(ConfigError, match="resolution is 4"):
        space({"resolution": Choice((224, 4))}).grid()


def test_every_axis_is_a_choice_or_a_distribution() -> None:
    mixed = space({"width_mult": WIDTHS, "lr": LogUniform(0.1, 1), "dropout": Uniform(0, 0.5)}, num_samples=2)

    assert list(mixed.choices) == ["width_mult"]
    assert list(mixed.distributions) == ["lr", "dropout"]


def test_with_axes_replaces_in_place_and_adds_at_the_end() -> None:
    before = space({"width_mult": WIDTHS, "resolution": RESOLUTIONS}, NARROW)
    after = before.with_axes({"width_mult": Choice((0.25,)), "model": Choice(("mobilenet_v1", "mobilenet_v2"))})

    assert list(after.axes) == ["width_mult", "resolution", "model"]
    assert after.axes["width_mult"] == Choice((0.25,))
    assert after.constraints == before.constraints
    assert list(before.axes) == ["width_mult", "resolution"]


@pytest.mark.parametrize(
    ("text", "name", "axis"),
    [
        ("width_mult=1.0,0.5", "width_mult", Choice((1.0, 0.5))),
        ("width-mult=1", "width_mult", Choice((1.0,))),
        ("resolution=224, 96 ,32", "resolution", Choice((224, 96, 32))),
        ("total_stride=4,8", "total_stride", Choice((4, 8))),
        ("lr_schedule=cosine,step", "lr_schedule", Choice(("cosine", "step"))),
        ("model=mobilenet_v1,mobilenet_v2", "model", Choice(("mobilenet_v1", "mobilenet_v2"))),
        ("num_classes=10", "num_classes", Choice((10,))),
        (" lr = 1e-2,0.1", "lr", Choice((0.01, 0.1))),
        ("data=/a=b,/c", "data", Choice(("/a=b", "/c"))),
        ("data=/photos (1),/b", "data", Choice(("/photos (1)", "/b"))),
        ("lr=loguniform(1e-3,0.1)", "lr", LogUniform(0.001, 0.1)),
        ("dropout=uniform(0, 0.4)", "dropout", Uniform(0.0, 0.4)),
        ("weight-decay = loguniform(1e-6,1e-4)", "weight_decay", LogUniform(1e-6, 1e-4)),
    ],
)
def test_axis_values_have_the_type_of_the_field(text: str, name: str, axis: Axis) -> None:
    parsed_name, parsed = parse_axis(text)

    assert (parsed_name, parsed) == (name, axis)
    if isinstance(axis, Choice) and isinstance(parsed, Choice):
        assert list(map(type, parsed.values)) == list(map(type, axis.values))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not of the form"),
        ("width_mult", "not of the form"),
        ("width_mult=", "not of the form"),
        ("width_mult= ", "not of the form"),
        ("=1,2", "unknown axis ''"),
        ("width=1,2", "unknown axis 'width'"),
        ("width_mult=wide", "width_mult: 'wide' is not a number"),
        ("width_mult=1,,2", "width_mult: '' is not a number"),
        ("resolution=224.5", "resolution: '224.5' is not a whole number"),
        ("lr_schedule=cosine,sine", "lr_schedule: 'sine' is not allowed; choose from cosine, linear"),
        ("total_stride=16,3", "total_stride: '3' is not allowed"),
        ("lr=normal(0,1)", "uniform(low,high) or loguniform(low,high)"),
        ("lr=uniform(0,1,2)", "uniform(low,high) or loguniform(low,high)"),
        ("lr=uniform(1)", "uniform(low,high) or loguniform(low,high)"),
        ("lr=uniform()", "is not a number"),
        ("lr=uniform(0,1", "lr: 'uniform(0' is not a number"),
        ("lr=uniform(0,1)0", "lr: 'uniform(0' is not a number"),
        ("lr=uniform(a,1)", "'a' is not a number"),
        ("lr=uniform(2,1)", "low must be below high"),
        ("lr=uniform(1,1)", "low must be below high"),
        ("lr=uniform(0,inf)", "is no range"),
        ("lr=uniform(nan,1)", "is no range"),
        ("lr=loguniform(0,1)", "loguniform needs bounds above 0"),
        ("lr=loguniform(-1,1)", "loguniform needs bounds above 0"),
        ("resolution=uniform(32,224)", "only a field with float values"),
        ("lr_schedule=uniform(0,1)", "only a field with float values"),
    ],
)
def test_an_axis_that_cannot_be_parsed_is_an_error(text: str, message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_axis(text)

    assert message in str(caught.value)


def test_an_unknown_axis_is_an_error_that_lists_every_field() -> None:
    with pytest.raises(ConfigError) as caught:
        parse_axis("alpha=1")

    assert all(name in str(caught.value) for name in field_names(TrainConfig))


@pytest.mark.parametrize(
    ("name", "axis", "message"),
    [
        ("alpha", Choice((1.0,)), "unknown axis 'alpha'"),
        ("width_mult", Choice(()), "must be distinct, at least one"),
        ("width_mult", Choice((1.0, 0.5, 1)), "must be distinct, at least one"),
        ("epochs", Uniform(1, 5), "only a field with float values"),
        ("lr", Uniform(1.0, 0.5), "low must be below high"),
        ("lr", Uniform(0.0, math.inf), "is no range"),
        ("lr", LogUniform(0.0, 1.0), "bounds above 0"),
    ],
)
def test_an_axis_that_cannot_vary_is_an_error(name: str, axis: Axis, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        space({name: axis}, num_samples=1)
    with pytest.raises(ConfigError, match=message):
        space({}, num_samples=1).with_axes({name: axis})
