"""Sweep configurations are checked, saved, and read back unchanged."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sweep.config import SweepConfig, from_json, to_json
from trainers.config import TrainConfig
from trainers.errors import ConfigError


@pytest.mark.parametrize("name", ["a/b", "../a", "", ".hidden", "a b", "a" * 101, "/abs", "-flag", "a\n"])
def test_a_name_that_is_no_folder_name_is_an_error(name: str) -> None:
    with pytest.raises(ConfigError, match="name is"):
        SweepConfig(space="mnv2_quick", name=name)


@pytest.mark.parametrize(
    "fields",
    [{"cpus_per_trial": 0}, {"gpus_per_trial": -1}, {"gpus_per_trial": 1.5}, {"num_samples": 0},
     {"gpus_per_trial": float("nan")}, {"gpus_per_trial": float("inf")}, {"workers_per_trial": 0},
     {"workers_per_trial": 2, "gpus_per_trial": 4}],
)  # fmt: skip
def test_impossible_resources_are_an_error(fields: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(fields))):
        SweepConfig(space="mnv2_quick", **fields)


@pytest.mark.parametrize("value", [-0.01, 1.01, float("nan")])
def test_a_share_of_damaged_images_outside_0_to_1_is_an_error(value: float) -> None:
    with pytest.raises(ConfigError, match=r"max_damaged is .*; it must be 0 to 1"):
        SweepConfig(space="mnv2_quick", max_damaged=value)


@pytest.mark.parametrize("field", ["time_budget", "max_device_hours"])
@pytest.mark.parametrize("value", [0.0, -1.0, float("nan"), float("inf")])
def test_a_budget_that_is_not_above_0_and_finite_is_an_error(field: str, value: float) -> None:
    with pytest.raises(ConfigError, match=field):
        SweepConfig(space="mnv2_quick", **{field: value})


@pytest.mark.parametrize(
    ("fields", "num_workers"),
    [({}, 1), ({"gpus_per_trial": 0.5}, 1), ({"gpus_per_trial": 0}, 1), ({"gpus_per_trial": 4}, 4),
     ({"workers_per_trial": 2}, 2), ({"workers_per_trial": 2, "gpus_per_trial": 0}, 2)],
)  # fmt: skip
def test_there_is_one_worker_for_each_gpu_by_default(fields: dict[str, Any], num_workers: int) -> None:
    assert SweepConfig(space="mnv2_quick", **fields).num_workers == num_workers


@pytest.mark.parametrize(
    "config",
    [
        SweepConfig(space="mnv2_grid"),
        SweepConfig(
            space="mnv1_grid",
            train=TrainConfig(num_classes=7, lr=0.3, optimizer="adamw"),
            axis=("dropout=0,0.2", "lr=loguniform(0.1,1)"),
            num_samples=3,
            name="n",
            runs=Path("/elsewhere"),
            gpus_per_trial=0.5,
            time_budget=1800.0,
            max_device_hours=2.5,
            quiet=True,
        ),
    ],
)
def test_a_saved_configuration_is_read_back_unchanged(config: SweepConfig) -> None:
    assert from_json(json.loads(json.dumps(to_json(config)))) == config


def test_a_saved_configuration_holds_no_password() -> None:
    config = SweepConfig(space="mnv2_grid", tracking_uri="http://user:secret@host")

    assert "secret" not in json.dumps(to_json(config))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({}, "names no space"),
        ({"space": "mnv2_quick", "colour": 1}, "unknown field 'colour'"),
        ({"space": "mnv2_quick", "train": {"epoch": 1}}, "unknown field 'epoch'"),
        ({"space": "mnv2_quick", "train": {"epochs": "many"}}, "epochs: 'many' is not a whole number"),
        ({"space": "mnv2_quick", "train": {"optimizer": "adam"}}, "optimizer: 'adam' is not allowed; choose from sgd"),
        ({"space": "mnv2_quick", "train": [1]}, "train must hold fields"),
        ({"space": "mnv2_quick", "axis": "lr=1"}, "axis is 'lr=1'; it must be a list"),
        ({"space": "mnv2_quick", "cpus_per_trial": 1.5}, "cpus_per_trial: '1.5' is not a whole number"),
        ({"space": "mnv2_quick", "quiet": "maybe"}, "quiet: 'maybe' is not True or False"),
    ],
)
def test_a_wrong_saved_configuration_is_an_error_that_names_the_field(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        from_json(settings)


def test_a_whole_number_in_a_saved_configuration_is_read_as_a_float() -> None:
    config = from_json({"space": "mnv2_quick", "train": {"width_mult": 1}})

    assert isinstance(config.train.width_mult, float)


def test_a_null_unsets_a_setting_of_the_recipe() -> None:
    recipe = {"space": "mnv2_grid", "recipe": "mindspore"}

    assert from_json(recipe).train.eval_margin is not None
    assert from_json(recipe | {"train": {"eval_margin": None}}).train.eval_margin is None


@pytest.mark.parametrize("changed", [{"space": "mnv1_grid"}, {"axis": ("lr=1",)}, {"train": TrainConfig(epochs=2)}])
def test_settings_that_decide_the_points_are_defining(changed: dict[str, Any]) -> None:
    config = SweepConfig(space="mnv2_quick")

    assert replace(config, **changed).defining != config.defining


@pytest.mark.parametrize(
    "changed",
    [
        {"cpus_per_trial": 2},
        {"published": "none"},
        {"address": "auto"},
        {"time_budget": 60.0},
        {"quiet": True},
        {"register": True},
        {"max_damaged": 0.5},
    ],
)
def test_settings_of_how_a_sweep_runs_are_not_defining(changed: dict[str, Any]) -> None:
    config = SweepConfig(space="mnv2_quick")

    assert replace(config, **changed).defining == config.defining
