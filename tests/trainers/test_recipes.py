"""A recipe is complete, names its source, and leaves the networks and data of a space alone."""

from dataclasses import replace

import pytest

from search_spaces.registry import SPACES
from trainers.config import TrainConfig
from trainers.errors import ConfigError
from trainers.recipes import RECIPES, get_recipe, with_recipe

FIGURES: dict[str, dict[str, object]] = {
    # 4 GPUs of 64 images, lr 0.05, 150 epochs, wd 4e-5, cosine
    "dli14": {
        "epochs": 150,
        "batch_size": 256,
        "lr": 0.05,
        "weight_decay": 4e-5,
        "lr_schedule": "cosine",
        "dropout": 0.0,
    },
    "dli14_best": {
        "epochs": 250,
        "batch_size": 1024,
        "lr": 0.4,
        "warmup_epochs": 5.0,
        "decay": "weights",
        "dropout": 0.2,
    },
    "v3_small_multistep": {"epochs": 155, "lr": 0.1, "lr_milestones": (105, 125, 135, 145), "weight_decay": 1e-5},
    "mindspore": {"epochs": 200, "batch_size": 512, "lr": 0.1, "smoothing_over": "others", "weight_decay": 0.0},
    "mmpretrain": {"epochs": 300, "batch_size": 8 * 32, "lr": 0.045, "lr_gamma": 0.98, "lr_step_epochs": 1.0},
    # 8 clones of 96 images, 0.045 a clone; 700,000 steps over 1,281,167 images
    "tf_slim": {"epochs": round(700_000 * 768 / 1_281_167), "lr": 8 * 0.045, "batch_size": 8 * 96, "ema_decay": 0.9999},
    "torchvision_v1": {"epochs": 300, "batch_size": 8 * 32, "lr": 0.045, "lr_gamma": 0.98, "weight_decay": 4e-5},
    # 8 GPUs of 128 images; every 32 steps the average moves by (1 - 0.99998) * 1024 * 32 / 600
    "torchvision_v2": {
        "epochs": 600,
        "batch_size": 8 * 128,
        "ema_decay": round((1 - 2e-5 * 1024 * 32 / 600) ** (1 / 32), 6),
        "train_scale": 176 / 224,
        "crop_share": pytest.approx(224 / 232, abs=1e-4),
        "repeats": 4,
    },
    "quick": {"epochs": 5, "batch_size": 32, "optimizer": "adamw", "lr": 0.005},
}
"""Figures that the source of each recipe states, converted where a field has another unit."""


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_has_the_figures_of_its_source(name: str) -> None:
    config = RECIPES[name].config

    assert {field: getattr(config, field) for field in FIGURES[name]} == FIGURES[name]


def test_a_recipe_leaves_network_data_seed_and_precision_as_they_are() -> None:
    base = TrainConfig(
        data="cifar10", model="mobilenet_v1", width_mult=0.3, resolution=48, num_classes=7, total_stride=8,
        round_nearest=4, precision="fp32", seed=5, lr=9.0, epochs=1,
    )  # fmt: skip

    config = with_recipe(base, "tf_slim")

    assert config == replace(
        RECIPES["tf_slim"].config, data="cifar10", model="mobilenet_v1", width_mult=0.3, resolution=48, num_classes=7,
        total_stride=8, round_nearest=4, precision="fp32", seed=5,
    )  # fmt: skip


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_names_its_source_and_what_to_expect(name: str) -> None:
    recipe = RECIPES[name]

    assert recipe.source
    assert "%" in recipe.expected
    assert recipe.config.lr_base_batch == (None if name == "quick" else recipe.config.batch_size)


def test_quick_recipe_equals_the_settings_of_the_quick_space() -> None:
    base = SPACES["mnv2_quick"].base

    assert with_recipe(base, "quick") == base


def test_unknown_recipe_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(ConfigError, match="unknown recipe 'tfslim'; did you mean tf_slim"):
        get_recipe("tfslim")
