"""Tiny networks are timed by real steps in separate processes; the checks hold on any machine."""

import json
from dataclasses import asdict, replace
from typing import Any

import pytest

from trainers.config import TrainConfig
from trainers.errors import ConfigError
from trainers.training.step_time import Line, Request, Slot, hardware, time_networks, timing_from

SLOT = Slot(num_threads=1, gpu_share=0.0, num_processes=2)
TINY = TrainConfig(
    width_mult=0.1, resolution=16, num_classes=10, total_stride=8, batch_size=16, accumulate=2, precision="fp32"
)
GOOD = {"train": {"fixed": 0.1, "per_image": 2}, "memory": {"fixed": 3e8, "per_image": 0.0}, "evaluate_seconds": 0.5}


def test_larger_network_takes_more_time_and_memory() -> None:
    configs = [TINY, replace(TINY, width_mult=0.5, resolution=32, ema_decay=0.9, mixup=0.2)]

    small, large = time_networks([Request.of(config, (20, 30)) for config in configs], SLOT)

    for timing in (small, large):
        assert timing.train(8) > 0
        assert timing.evaluate_seconds > 0
        assert 1e7 < timing.memory(2) < 1e10  # bytes: a process with PyTorch
    assert large.memory.per_image > 2 * small.memory.per_image >= 0
    assert large.train(8) > small.train(8)  # ten times the activations


def test_network_that_cannot_be_timed_fails_with_a_one_line_error() -> None:
    broken = Request(config=replace(TINY, num_classes=None, model="mobilenet_v9"), image_shape=(8, 8))

    with pytest.raises(ConfigError, match=r"^networks cannot be timed on this machine: .*mobilenet_v9") as error:
        time_networks([broken], replace(SLOT, num_processes=1))

    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("points", "fixed", "per_image"),
    [
        ((2, 5.0, 6, 9.0), 3.0, 1.0),
        ((2, 9.0, 6, 9.0), 9.0, 0.0),
        ((2, 10.0, 6, 9.0), 9.0, 0.0),  # noise: never falling
        ((2, 1.0, 6, 9.0), 0.0, 1.5),  # nor below 0 at no images
        ((2, 4.0, 2, 4.0), 0.0, 2.0),
    ],
)
def test_line_through_two_measurements_never_falls(
    points: tuple[int, float, int, float], fixed: float, per_image: float
) -> None:
    line = Line.through(*points)

    assert (line.fixed, line.per_image) == pytest.approx((fixed, per_image))
    assert line(points[2]) == pytest.approx(points[3])


@pytest.mark.parametrize(
    "changes", [{"lr": 0.3}, {"seed": 4}, {"epochs": 2}, {"data": "elsewhere"}, {"dropout": 0.0}, {"init": "published"}]
)
def test_settings_that_change_no_step_share_a_timing(changes: dict[str, Any]) -> None:
    assert Request.of(replace(TINY, **changes), (8, 8)) == Request.of(TINY, (8, 8))


@pytest.mark.parametrize(
    "changes",
    [{"width_mult": 0.2}, {"resolution": 24}, {"batch_size": 64}, {"optimizer": "adamw"}, {"precision": "bf16"},
     {"ema_decay": 0.9}, {"augment": "autoaugment"}, {"accumulate": 1}, {"num_classes": 1000}],
)  # fmt: skip
def test_settings_that_change_a_step_share_no_timing(changes: dict[str, Any]) -> None:
    assert Request.of(replace(TINY, **changes), (8, 8)) != Request.of(TINY, (8, 8))
    assert Request.of(TINY, (8, 8)) != Request.of(TINY, (8, 9))


def test_timing_request_is_of_one_part_of_an_accumulated_batch() -> None:
    assert (Request.of(TINY, (8, 8)).config.batch_size, Request.of(TINY, (8, 8)).config.accumulate) == (8, 1)


def test_timing_survives_json() -> None:
    timing = timing_from(GOOD)

    assert timing.train(10) == pytest.approx(20.1)
    assert timing_from(json.loads(json.dumps(asdict(timing)))) == timing


@pytest.mark.parametrize(
    "values",
    [{}, GOOD | {"train": 1}, GOOD | {"train": {"fixed": "x", "per_image": 1}}, GOOD | {"evaluate_seconds": -1},
     GOOD | {"evaluate_seconds": float("nan")}, GOOD | {"memory": {"fixed": 1}}],
)  # fmt: skip
def test_malformed_timing_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises((LookupError, TypeError, ValueError)):
        timing_from(values)


def test_hardware_names_the_version_of_pytorch() -> None:
    assert ", PyTorch 2." in hardware(SLOT)
