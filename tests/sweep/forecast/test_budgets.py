"""Forecasts cover the points that are left, name the points that a budget leaves out, and set its deadline."""

from dataclasses import replace
from pathlib import Path

import pytest

from sweep.forecast import budgets, timings
from sweep.forecast.budgets import deadline, forecast
from sweep.forecast.prediction import START_UP_SECONDS
from sweep.forecast.trial_resources import this_machine
from sweep.plan.left import all_left
from sweep.plan.plan import make_plan
from tests.sweep.conftest import measurement, quick_config
from trainers.errors import ConfigError
from trainers.training.step_time import Line, Timing


@pytest.fixture(autouse=True)
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replace timings: every training image takes a hundredth of a second."""
    timing = Timing(train=Line(0.0, 0.01), memory=Line(1e9, 1e6), evaluate_seconds=0.0)
    monkeypatch.setattr(timings, "cached_timings", lambda requests, *others: [timing] * len(requests))


def test_the_cost_covers_points_that_are_left_and_predictions_cover_every_point(tmp_path: Path) -> None:
    config = quick_config(tmp_path, epochs=10)
    plan = make_plan(config)
    points = plan.points
    history = {points[0].id: [measurement(points[0], epoch) for epoch in range(1, 10)]}

    left = all_left(plan)
    others = {point.id: tmp_path for point in points[1:]}
    whole = forecast(replace(left, elsewhere=others), this_machine(), announce=print)
    rest = forecast(replace(left, elsewhere=others, history=history), this_machine(), announce=print)
    none = forecast(replace(left, elsewhere={**others, points[0].id: tmp_path}), this_machine(), announce=print)

    assert whole
    assert rest
    assert none
    assert set(rest.prediction.points) == {point.id for point in points}
    assert 8.9 < (whole.seconds - START_UP_SECONDS) / (rest.seconds - START_UP_SECONDS) < 10.1
    assert whole.text.startswith("predicted: ")
    assert (none.seconds, none.text) == (0, "")


def test_points_yet_to_be_proposed_are_predicted_by_evenly_spread_candidates(tmp_path: Path) -> None:
    config = quick_config(tmp_path, "width_mult=0.25,0.5,1.0", epochs=1)
    chosen = replace(config, sampler="optuna", num_samples=9)
    every = forecast(all_left(make_plan(config)), this_machine(), announce=print)

    nine = forecast(all_left(make_plan(chosen)), this_machine(), announce=print)

    assert every
    assert nine
    assert nine.seconds == every.seconds
    assert nine.text.endswith("; if the points are chosen evenly")


def test_a_failed_prediction_is_announced_and_is_an_error_only_with_a_budget(tmp_path: Path) -> None:
    config = replace(quick_config(tmp_path), cpus_per_trial=4096)
    left = all_left(make_plan(config))
    lines: list[str] = []

    assert forecast(left, this_machine(), announce=lines.append) is None

    assert lines[0].startswith("no prediction: a trial is to have 4096 CPUs")
    for budget in ({"time_budget": 1e6}, {"max_device_hours": 1e6}):
        left = all_left(make_plan(replace(config, **budget)))
        with pytest.raises(ConfigError, match="a trial is to have 4096 CPUs"):
            forecast(left, this_machine(), announce=lines.append)


def test_too_little_disk_for_checkpoints_is_a_warning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = make_plan(quick_config(tmp_path))
    monkeypatch.setattr(budgets, "free_bytes", lambda folder: 1e6)

    prediction = forecast(all_left(plan), this_machine(), announce=print)

    assert prediction
    assert f"\nwarning: checkpoints will take 65 MB, and 1 MB are free for {plan.folder}" in prediction.text


def test_a_time_budget_counts_from_the_start_of_the_program(tmp_path: Path) -> None:
    config = replace(quick_config(tmp_path), time_budget=5000.0)

    predicted = forecast(all_left(make_plan(config)), this_machine(), announce=print)

    assert predicted
    assert deadline(config, predicted, 100.0) == 100 + predicted.timing_seconds + 5000
    assert deadline(quick_config(tmp_path), predicted, 100.0) is None
