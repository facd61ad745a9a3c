"""Every field of TrainConfig has a role, and every value out of range is refused with the field's name."""

from dataclasses import FrozenInstanceError, dataclass, fields, replace
from math import nan
from typing import Any, get_type_hints

import pytest

from trainers.config import TrainConfig, names_of
from trainers.errors import ConfigError

INF = float("inf")
REFUSED: dict[str, list[Any]] = {
    "width_mult": [0, -1.0, 8.01, INF, nan],
    "resolution": [7, 0, -224, 2049],
    "num_classes": [1, 0, -1],
    "dropout": [-0.01, 1.0, nan],
    "round_nearest": [0, -8, 65],
    "epochs": [0, -1],
    "batch_size": [1, 0, -4],
    "accumulate": [0, -1, 129, 256],
    "lr": [0, -0.1, INF, nan],
    "momentum": [-0.1, 1, nan],
    "weight_decay": [-1e-9, INF, nan],
    "label_smoothing": [-0.1, 1, nan],
    "lr_gamma": [0, -0.1, 1.01, nan],
    "lr_step_epochs": [0, -1, nan],
    "warmup_epochs": [-1, 150, 151, nan],
    "crop_scale": [0, -0.1, 1.01, nan],
    "crop_share": [0.09, 0, 1.01, nan],
    "hflip": [-0.01, 1.01, nan],
    "lr_base_batch": [0, -1],
    "rmsprop_eps": [0, -1, INF, nan],
    "warmup_start_lr": [-0.1, 0.06, nan],
    "ema_decay": [-0.1, 1, nan],
    "bn_momentum": [0, 1.01, nan],
    "bn_eps": [0, 1, nan],
    "train_scale": [0.09, 2.1, nan],
    "random_erase": [-0.01, 1.01, nan],
    "mixup": [-0.1, INF, nan],
    "cutmix": [-0.1, INF, nan],
    "repeats": [0, 101],
    "eval_margin": [-1, 2049],
    "lr_milestones": [(30, 20), (20, 20), (0, 20), (-5,)],
    "seed": [-1, 2**63],
}
ALLOWED: dict[str, list[Any]] = {
    "width_mult": [0.01, 8],
    "resolution": [8, 2048],
    "num_classes": [None, 2],
    "dropout": [0, 0.99],
    "round_nearest": [1, 64],
    "epochs": [1],
    "batch_size": [2],
    "accumulate": [1, 128],
    "lr": [1e-9, 10],
    "momentum": [0, 0.999],
    "weight_decay": [0, 1],
    "label_smoothing": [0, 0.99],
    "lr_gamma": [1e-9, 1],
    "lr_step_epochs": [0.1, 1000],
    "warmup_epochs": [0, 149.9],
    "crop_scale": [1e-9, 1],
    "crop_share": [0.1, 1],
    "hflip": [0, 1],
    "lr_base_batch": [None, 1],
    "rmsprop_eps": [1e-9, 1.0],
    "warmup_start_lr": [0, 0.05],
    "ema_decay": [None, 0, 0.9999],
    "bn_momentum": [None, 1],
    "bn_eps": [None, 1e-3],
    "train_scale": [0.1, 2],
    "random_erase": [0, 1],
    "mixup": [0, 1],
    "cutmix": [0, 1],
    "repeats": [1, 4],
    "eval_margin": [None, 0, 32],
    "lr_milestones": [(), (105, 125)],
    "seed": [0, 2**63 - 1],
}
MARKED = {
    "network": "model width_mult resolution num_classes round_nearest total_stride",
    "schedule": "epochs lr_schedule lr_gamma lr_step_epochs lr_milestones lr_update warmup_epochs",
    "data": "data",
    "run": "seed",
    "timed": "batch_size optimizer momentum precision train_scale crop_scale augment random_erase mixup cutmix "
    "ema_decay crop_share eval_margin",
    "kept": "precision",
    "rounded": "width_mult round_nearest",
}
"""Fields by role or flag; every other field has the role `training`."""


@pytest.mark.parametrize("mark", MARKED)
def test_role_or_flag_marks_the_listed_fields(mark: Any) -> None:
    assert set(names_of(TrainConfig, mark)) == set(MARKED[mark].split())


def test_every_field_has_one_role() -> None:
    by_role = [
        name for role in ("network", "schedule", "training", "data", "run") for name in names_of(TrainConfig, role)
    ]

    assert sorted(by_role) == sorted(field.name for field in fields(TrainConfig))


def test_a_field_without_a_role_is_refused_by_name() -> None:
    @dataclass(frozen=True, kw_only=True)
    class Careless(TrainConfig):
        depth_mult: float = 1.0

    with pytest.raises(AssertionError, match="the field depth_mult has no role"):
        names_of(Careless, "network")


def test_names_follow_the_order_of_the_fields() -> None:
    assert names_of(TrainConfig, "run", "data", "kept") == ("data", "precision", "seed")


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in REFUSED.items() for value in values])
def test_value_out_of_range_is_refused_with_field_and_value(name: str, value: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        replace(TrainConfig(), **{name: value})

    assert str(caught.value).startswith(f"{name} is {value}; it must be ")


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in ALLOWED.items() for value in values])
def test_boundary_of_a_range_is_allowed(name: str, value: Any) -> None:
    assert getattr(replace(TrainConfig(), **{name: value}), name) == value


def test_every_number_of_the_config_is_tested_for_its_range() -> None:
    hints = get_type_hints(TrainConfig)
    numbers = {
        f.name for f in fields(TrainConfig) if hints[f.name] in (int, float, int | None, float | None, tuple[int, ...])
    }

    assert numbers == set(REFUSED) == set(ALLOWED)


@pytest.mark.parametrize(
    ("batch_size", "accumulate", "valid"), [(8, 4, True), (8, 5, False), (9, 4, True), (2, 1, True)]
)
def test_every_part_of_a_batch_needs_two_images(batch_size: int, accumulate: int, valid: bool) -> None:
    if valid:
        assert TrainConfig(batch_size=batch_size, accumulate=accumulate).accumulate == accumulate
    else:
        with pytest.raises(ConfigError, match=f"accumulate is {accumulate}; .*half of batch_size {batch_size}"):
            TrainConfig(batch_size=batch_size, accumulate=accumulate)


def test_warmup_ends_before_the_run_does() -> None:
    with pytest.raises(ConfigError, match=r"warmup_epochs is 3; .*below epochs 3"):
        TrainConfig(epochs=3, warmup_epochs=3)


def test_config_is_frozen_and_keyword_only() -> None:
    with pytest.raises(FrozenInstanceError):
        TrainConfig().lr = 1.0  # type: ignore[misc]
    with pytest.raises(TypeError):
        TrainConfig("digits")  # type: ignore[misc]


def test_equal_configs_have_equal_hashes() -> None:
    assert len({TrainConfig(lr=0.1), TrainConfig(lr=0.1), TrainConfig(lr=0.2)}) == 2


def test_multistep_needs_milestones() -> None:
    with pytest.raises(ConfigError, match="lr_milestones is "):
        TrainConfig(lr_schedule="multistep")
