"""Every registered search space agrees with the tables that it cites."""

import ast
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import search_spaces
from search_spaces.registry import SPACES, get_space
from search_spaces.space import Choice
from trainers.config import TrainConfig, field_names
from trainers.datasets.registry import DATASETS
from trainers.errors import ConfigError
from trainers.models.cost import cost
from trainers.models.registry import MODELS
from trainers.values import accepts, parse_field

SOURCES = sorted(Path(search_spaces.__file__).parent.glob("*.py"))
TF_SLIM_V2 = {
    *[(1.4, 224), (1.3, 224)],
    *[(width, px) for width in (1.0, 0.75, 0.5, 0.35) for px in (224, 192, 160, 128, 96)],
}
"""The cells of slim/nets/mobilenet/README.md."""


def imported(source: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or "."


@pytest.mark.parametrize("name", SPACES)
def test_every_space_meets_the_contract_of_spaces(name: str) -> None:
    space = get_space(name)
    grid = space.grid()

    assert space.doc
    assert "\n" not in space.doc
    assert space.axes.keys() <= set(field_names(TrainConfig))
    assert len(set(grid)) == len(grid)
    assert all(constraint.holds(config) and constraint.text for constraint in space.constraints for config in grid)
    assert {config.model for config in grid} <= set(MODELS)
    assert space.base.data in DATASETS
    assert (space.num_samples is not None) == bool(space.distributions)
    for axis_name, choice in space.choices.items():
        assert all(parse_field(TrainConfig, axis_name, str(value)) == value for value in choice.values)
    for axis_name, axis in space.distributions.items():
        assert accepts(TrainConfig, axis_name, float)
        assert replace(space.base, **{axis_name: axis.low}) != replace(space.base, **{axis_name: axis.high})


@pytest.mark.parametrize(
    ("name", "num_points"),
    [("mnv2_grid", 22), ("mnv2_dli14", 10), ("mnv1_grid", 16), ("mnv3_grid", 4), ("mnv2_quick", 9),
     ("mnv2_recipes", 66), ("mnv2_small_images", 15)],
)  # fmt: skip
def test_space_has_as_many_points_as_its_table(name: str, num_points: int) -> None:
    assert len(get_space(name).grid()) == num_points


def test_mnv2_grid_has_the_cells_of_tf_slims_table() -> None:
    assert {(config.width_mult, config.resolution) for config in get_space("mnv2_grid").grid()} == TF_SLIM_V2


def test_mnv2_dli14_has_the_cells_of_its_readme() -> None:
    cells = {(config.width_mult, config.resolution, config.round_nearest) for config in get_space("mnv2_dli14").grid()}
    at_224 = {(width, 224, 8) for width in (1.0, 0.75, 0.5, 0.35, 0.25)}

    assert cells == at_224 | {(1.0, px, 8) for px in (192, 160, 128, 96)} | {(0.1, 224, 4)}


@pytest.mark.parametrize(
    ("name", "cheapest", "most_expensive"),
    [("mnv2_grid", 11, 582), ("mnv2_dli14", 12, 300), ("mnv1_grid", 13, 568), ("mnv3_grid", 43, 216)],
)
def test_macs_of_a_published_grid_span_the_published_range(name: str, cheapest: int, most_expensive: int) -> None:
    """The published MACs are for 1000 classes, in millions, rounded down."""
    costs = sorted(cost(replace(config, num_classes=1000)).macs // 10**6 for config in get_space(name).grid())

    assert (costs[0], costs[-1]) == (cheapest, most_expensive)


def test_mnv2_recipes_varies_settings_in_the_cells_of_the_grid() -> None:
    cells = [(config.width_mult, config.resolution) for config in get_space("mnv2_recipes").grid()]

    assert set(cells) == TF_SLIM_V2
    assert get_space("mnv2_recipes").num_samples == len(cells)


@pytest.mark.parametrize("name", SPACES)
def test_an_axis_can_narrow_a_space(name: str) -> None:
    first = get_space(name).grid()[0].width_mult
    narrowed = get_space(name).with_axes({"width_mult": Choice((first,))}).grid()

    assert narrowed == [config for config in get_space(name).grid() if config.width_mult == first]


@pytest.mark.parametrize("name", ["mnv4_grid", "", "MNV2_GRID"])
def test_an_unknown_space_is_an_error_that_lists_the_spaces(name: str) -> None:
    with pytest.raises(ConfigError) as caught:
        get_space(name)

    assert f"unknown search space {name!r}" in str(caught.value)
    assert all(known in str(caught.value) for known in SPACES)


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.name)
def test_spaces_import_only_data(source: Path) -> None:
    own = {"search_spaces", "trainers.config", "trainers.errors", "trainers.values"}
    standard = {"collections", "dataclasses", "itertools", "math", "re", "typing"}

    for module in imported(source):
        assert module in own or module.split(".")[0] in {"search_spaces"} | standard, module
