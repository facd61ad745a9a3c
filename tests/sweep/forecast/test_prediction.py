"""Predictions from synthetic timings agree with closed forms, and budgets allow the right points."""

import math
import random
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from sweep.forecast.prediction import (
    DRIVER_SHARE,
    EPOCH_SECONDS,
    START_UP_SECONDS,
    TRIAL_SECONDS,
    PointPrediction,
    Prediction,
    TimedNetwork,
    cut_text,
    makespan,
    predict,
    to_time,
    within_budget,
)
from sweep.plan.plan import Plan, make_plan
from sweep.plan.trials import PlannedTrial
from tests.sweep.conftest import quick_config, quick_plan, resources
from trainers.config import TrainConfig
from trainers.errors import ConfigError, byte_size
from trainers.training.step_time import Line, Timing, training_activations

TIMING = Timing(train=Line(0.02, 0.003), memory=Line(5e8, 1e6), evaluate_seconds=0.001)


def one_point(tmp_path: Path, **train: Any) -> Plan:
    return make_plan(quick_config(tmp_path, "width_mult=0.25", "resolution=16", **train))


def predicted(seconds: Sequence[float], plan: Plan, num_trials: int = 2) -> Prediction:
    """Return a prediction with the given seconds for the points of a plan, in trials of one device."""
    points = {
        point.id: PointPrediction(seconds_per_epoch=1, seconds=duration, memory_bytes=1e9, disk_bytes=2e6)
        for point, duration in zip(plan.points, seconds, strict=True)
    }
    return Prediction(points=points, num_trials=num_trials, num_devices=1)


@pytest.mark.parametrize(
    ("train", "workers", "step", "evaluated"),
    [
        ({}, 1, 0.02 + 32 * 0.003, 1),
        ({"batch_size": 100}, 1, 0.02 + 100 * 0.003, 1),
        ({"accumulate": 4}, 1, 4 * (0.02 + 8 * 0.003), 1),
        ({"ema_decay": 0.9}, 1, 0.02 + 32 * 0.003, 2),
        ({}, 2, 0.02 + 16 * 0.003, 0.5),
    ],
)
def test_the_time_of_an_epoch_is_that_of_its_steps_and_evaluations(
    tmp_path: Path, train: dict[str, Any], workers: int, step: float, evaluated: float
) -> None:
    [point] = one_point(tmp_path, epochs=7, **train).points

    result = predict(
        [PlannedTrial.alone(point)], [TimedNetwork(config=point.config, timing=TIMING)], resources(num_workers=workers)
    )

    num_steps = 1078 // point.config.batch_size
    epoch = DRIVER_SHARE * (num_steps * step + evaluated * 360 * 0.001) + EPOCH_SECONDS
    assert result.points[point.id].seconds_per_epoch == pytest.approx(epoch)
    test = DRIVER_SHARE * 359 * 0.001 / workers  # once, of the best network
    assert result.points[point.id].seconds == pytest.approx(TRIAL_SECONDS + 7 * epoch + test)


def test_a_batch_larger_than_the_training_split_is_one_step_of_all_images(tmp_path: Path) -> None:
    [point] = one_point(tmp_path, batch_size=5000).points

    result = predict([PlannedTrial.alone(point)], [TimedNetwork(config=point.config, timing=TIMING)], resources())

    epoch = DRIVER_SHARE * (0.02 + 1078 * 0.003 + 360 * 0.001) + EPOCH_SECONDS
    assert result.points[point.id].seconds_per_epoch == pytest.approx(epoch)
    assert result.points[point.id].memory_bytes == pytest.approx(5e8 + 1078 * 1e6)


def test_other_networks_are_interpolated_between_timed_networks(tmp_path: Path) -> None:
    plan = make_plan(quick_config(tmp_path))
    by_size = sorted(plan.points, key=lambda point: training_activations(point.config))
    least, most = (training_activations(point.config) for point in (by_size[0], by_size[-1]))

    def linear(config: TrainConfig) -> Timing:
        share = training_activations(config) / most
        return Timing(train=Line(0.01, share), memory=Line(1e8, 1e6 * share), evaluate_seconds=share)

    timed = [TimedNetwork(config=p.config, timing=linear(p.config)) for p in (by_size[-1], by_size[0])]
    result = predict(plan.trials, timed, resources())

    alone = predict(plan.trials, [TimedNetwork(config=p.config, timing=linear(p.config)) for p in by_size], resources())
    assert least < most
    for id_, point in result.points.items():
        assert asdict(point) == pytest.approx(asdict(alone.points[id_]))


def test_a_kind_of_network_is_predicted_from_its_own_timings(tmp_path: Path) -> None:
    plan = make_plan(quick_config(tmp_path, "width_mult=0.25", "resolution=16", "optimizer=sgd,adamw"))
    slow = replace(TIMING, train=Line(5.0, 0.0))

    timings = {"sgd": TIMING, "adamw": slow}
    timed = [TimedNetwork(config=p.config, timing=timings[p.config.optimizer]) for p in plan.points]
    result = predict(plan.trials, timed, resources())

    seconds = {p.config.optimizer: result.points[p.id].seconds_per_epoch for p in plan.points}
    assert seconds["adamw"] > 30 * seconds["sgd"] > 0
    disk = {p.config.optimizer: result.points[p.id].disk_bytes / p.cost.num_params for p in plan.points}
    assert disk == {"sgd": 4 * 3, "adamw": 4 * 4}  # best.pt, last.pt and the states of the optimiser


def test_finished_epochs_are_not_counted(tmp_path: Path) -> None:
    [point] = one_point(tmp_path, epochs=5).points
    timed = [TimedNetwork(config=point.config, timing=TIMING)]

    whole = predict([PlannedTrial.alone(point)], timed, resources()).points[point.id]
    rest = predict([PlannedTrial.alone(point)], timed, resources(), epochs_done={point.id: 3}).points[point.id]

    assert whole.seconds - rest.seconds == pytest.approx(3 * whole.seconds_per_epoch)


def test_the_smallest_a_middle_and_the_largest_of_each_kind_are_timed() -> None:
    configs = [
        TrainConfig(width_mult=w, resolution=r, num_classes=10, model=model, seed=seed)
        for model in ("mobilenet_v1", "mobilenet_v2")
        for w in (0.5, 1.0)
        for r in (32, 64, 96)
        for seed in (0, 1)
    ]

    chosen = to_time(configs)

    ends = [(1.0, 96), (0.5, 32)]
    assert [c.model for c in chosen] == ["mobilenet_v1"] * 3 + ["mobilenet_v2"] * 3
    for three in (chosen[:3], chosen[3:]):
        assert [(c.width_mult, c.resolution) for c in (three[2], three[0])] == ends
        sizes = [training_activations(c) for c in three]
        assert sizes == sorted(set(sizes))
    assert to_time(configs[:2]) == configs[:1]  # both have one network, although other settings differ


def test_smaller_training_crops_have_fewer_activations() -> None:
    config = TrainConfig(resolution=128, num_classes=10)

    share = training_activations(replace(config, train_scale=0.75)) / training_activations(config)

    assert share == pytest.approx(0.75**2)


@pytest.mark.parametrize(
    ("seconds", "num_slots", "expected"),
    [([], 2, 0), ([5], 4, 5), ([3, 3, 2, 2, 2], 2, 7), ([1, 2, 3, 4], 1, 10), ([4, 1, 1, 1, 1], 2, 4),
     ([1, 1, 1, 1, 4], 2, 6)],
)  # fmt: skip
def test_each_trial_starts_in_the_first_free_slot(seconds: list[float], num_slots: int, expected: float) -> None:
    assert makespan(seconds, num_slots) == expected


def test_a_sweep_takes_longer_if_the_shortest_trials_start_first(tmp_path: Path) -> None:
    plan = quick_plan(tmp_path, 3)
    result = predicted([10, 20, 40], plan)

    assert result.seconds(plan.trials) == START_UP_SECONDS + 40
    assert replace(result, longest_first=False).seconds(plan.trials) == START_UP_SECONDS + 50


def test_a_sweep_without_trials_takes_no_time_and_any_other_includes_its_start(tmp_path: Path) -> None:
    plan = quick_plan(tmp_path, 3)
    result = predicted([30, 20, 20], plan)

    assert result.seconds([]) == 0
    assert result.seconds(plan.trials) == START_UP_SECONDS + 40
    assert result.device_hours(plan.trials) == pytest.approx(70 / 3600)


def test_the_line_gives_time_range_trials_devices_and_disk(tmp_path: Path) -> None:
    plan = quick_plan(tmp_path, 3)
    result = replace(predicted([7164, 3582, 3582], plan), cache_bytes=3e9, num_devices=0.5)

    text = result.line(plan.trials)

    assert text == (
        "predicted: 2 h 00 min (1 h 42 min to 2 h 30 min) on 2 trials at once, 2 device-hours, 3.0 GB of disk, "
        "at most 2.0 GB of memory at once"
    )
    assert "on 1 trial at once" in result.line(plan.trials[:1])


@pytest.mark.parametrize(
    ("fields", "num_devices"),
    [({"cpus": 1}, 1), ({"cpus": 4}, 4), ({"cpus": 8, "gpus": 0.25}, 0.25), ({"gpus": 1, "num_workers": 4}, 4)],
)
def test_device_hours_count_gpus_or_else_cores(tmp_path: Path, fields: dict[str, Any], num_devices: float) -> None:
    [point] = one_point(tmp_path).points

    result = predict(
        [PlannedTrial.alone(point)], [TimedNetwork(config=point.config, timing=TIMING)], resources(**fields)
    )

    assert result.num_devices == num_devices


@pytest.mark.parametrize(
    ("budgets", "expected"),
    [
        ({}, [0, 1, 2, 3]),
        ({"time_budget": START_UP_SECONDS + 10}, [3]),
        ({"time_budget": START_UP_SECONDS + 20}, [1, 3]),
        ({"time_budget": START_UP_SECONDS + 40}, [0, 1, 3]),
        ({"max_device_hours": 60 / 3600}, [0, 1, 3]),
        ({"max_device_hours": 59.9 / 3600}, [1, 3]),
        ({"time_budget": START_UP_SECONDS + 1000, "max_device_hours": 10 / 3600}, [3]),
    ],
)
def test_a_budget_allows_the_cheapest_points_in_their_order(
    tmp_path: Path, budgets: dict[str, float], expected: list[int]
) -> None:
    plan = quick_plan(tmp_path, 4)
    config = replace(quick_config(tmp_path), **budgets)

    allowed, cut = within_budget(plan.trials, predicted([30, 20, 40, 10], plan), config)

    assert [plan.trials.index(trial) for trial in allowed] == expected
    assert [plan.trials.index(trial) for trial in cut] == [i for i in (3, 1, 0, 2) if i not in expected]


def test_the_allowed_trials_are_within_the_budget_and_one_more_is_not(tmp_path: Path) -> None:
    plan = quick_plan(tmp_path, 12)
    for seed in range(50):
        draw = random.Random(seed)
        result = predicted([draw.uniform(5, 100) for _ in plan.points], plan, num_trials=draw.randint(1, 4))
        config = replace(quick_config(tmp_path), time_budget=START_UP_SECONDS + draw.uniform(101, 500))

        allowed, cut = within_budget(plan.trials, result, config)

        assert result.seconds(allowed) <= (config.time_budget or math.nan)
        assert not cut or result.seconds([*allowed, cut[0]]) > (config.time_budget or math.nan)


def test_a_budget_that_allows_no_point_is_an_error_with_the_cost_of_the_cheapest(tmp_path: Path) -> None:
    plan = quick_plan(tmp_path, 2)
    config = replace(quick_config(tmp_path), time_budget=30.0, max_device_hours=0.5)

    with pytest.raises(ConfigError) as refused:
        within_budget(plan.trials, predicted([3600, 1764], plan), config)

    assert str(refused.value) == (
        "no point fits into a time budget of 30 s and a budget of 0.5 device-hours: the cheapest, "
        f"{plan.points[1].label}, needs 30 min and 0.49 device-hours"
    )
    assert within_budget([], predicted([1, 1], plan), config) == ([], [])


def test_the_line_about_points_left_out_names_the_cheapest_of_them(tmp_path: Path) -> None:
    plan = quick_plan(tmp_path, 3)
    config = replace(quick_config(tmp_path), time_budget=1800.0)

    text = cut_text(plan.trials[1:], 3, config)

    assert text == f"left out, for a time budget of 30 min: 2 of 3 points, {plan.points[1].label} and what takes longer"


@pytest.mark.parametrize(
    ("number", "text"), [(0, "0 MB"), (310.4e6, "310 MB"), (999.9e6, "1000 MB"), (1.44e9, "1.4 GB")]
)
def test_byte_sizes_are_readable(number: float, text: str) -> None:
    assert byte_size(number) == text
