"""Recipes: complete, sourced, and joined with a space's networks and data."""

from dataclasses import fields

import pytest

from search_spaces.registry import SPACES
from trainers.config import TrainConfig
from trainers.errors import ConfigError
from trainers.recipes import KEPT, RECIPES, get_recipe, with_recipe


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_trains_any_space(name: str) -> None:
    for space in SPACES.values():
        joined = with_recipe(space.base, name)
        for field in fields(TrainConfig):
            origin = space.base if field.name in KEPT else RECIPES[name].config
            assert getattr(joined, field.name) == getattr(origin, field.name)


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_names_its_source_and_what_to_expect(name: str) -> None:
    recipe = RECIPES[name]

    assert recipe.source
    assert "%" in recipe.expected
    assert recipe.config.lr_base_batch == (None if name == "quick" else recipe.config.batch_size)


def test_recipes_that_share_nothing_by_accident_differ() -> None:
    assert len({repr(recipe.config) for recipe in RECIPES.values()}) == len(RECIPES)


def test_the_quick_recipe_is_the_quick_space() -> None:
    base = SPACES["mnv2_quick"].base

    assert with_recipe(base, "quick") == base


def test_an_unknown_recipe_is_named_with_its_neighbours() -> None:
    with pytest.raises(ConfigError, match="unknown recipe 'tfslim'; did you mean tf_slim"):
        get_recipe("tfslim")
