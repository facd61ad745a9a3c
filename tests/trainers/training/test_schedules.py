"""Learning rates equal the closed forms of their sources."""

import math
from itertools import pairwise
from typing import Any, get_args, get_type_hints

import pytest

from trainers.config import TrainConfig
from trainers.recipes import RECIPES
from trainers.training.schedules import SCHEDULES, learning_rate

STEPS = 40
"""Steps per epoch."""


def config(schedule: str, **settings: Any) -> TrainConfig:
    return TrainConfig(**({"lr": 0.4, "epochs": 100, "lr_schedule": schedule, "lr_milestones": (60, 80)} | settings))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("schedule", "epoch", "expected"),
    [
        ("constant", 0, 0.4),
        ("constant", 99, 0.4),
        ("cosine", 0, 0.4),
        ("cosine", 25, 0.4 * (1 + math.sqrt(0.5)) / 2),
        ("cosine", 50, 0.2),
        ("cosine", 75, 0.4 * (1 - math.sqrt(0.5)) / 2),
        ("linear", 0, 0.4),
        ("linear", 25, 0.3),
        ("linear", 90, 0.04),
        ("exponential", 0, 0.4),
        ("exponential", 50, 0.4 * math.sqrt(0.1)),
        ("exponential", 75, 0.4 * 0.1**0.75),
        ("step", 0, 0.4),
        ("step", 29.9, 0.4),
        ("step", 30, 0.04),
        ("step", 59.9, 0.04),
        ("step", 60, 0.004),
        ("step", 90, 0.0004),
    ],
)
def test_rate_without_warmup_follows_its_closed_form(schedule: str, epoch: float, expected: float) -> None:
    assert learning_rate(config(schedule), round(epoch * STEPS), STEPS) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(
    ("schedule", "epoch", "expected"),
    [
        ("cosine", 52.5, 0.2),
        ("linear", 52.5, 0.2),
        ("exponential", 52.5, 0.4 * math.sqrt(0.1)),
        ("step", 34.9, 0.4),
        ("step", 35, 0.04),
        ("step", 94.9, 0.004),
        ("step", 95, 0.0004),
        ("constant", 52.5, 0.4),
    ],
)
def test_schedule_runs_over_the_epochs_after_warmup(schedule: str, epoch: float, expected: float) -> None:
    rate = learning_rate(config(schedule, warmup_epochs=5), round(epoch * STEPS), STEPS)

    assert rate == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_warmup_is_linear_from_zero_to_the_peak(schedule: str) -> None:
    rates = [learning_rate(config(schedule, warmup_epochs=2), step, STEPS) for step in range(2 * STEPS + 1)]

    assert rates == pytest.approx([0.4 * step / (2 * STEPS) for step in range(2 * STEPS + 1)])


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("warmup", [0.5, 1, 1.5])
def test_warmup_need_not_end_at_a_step(schedule: str, warmup: float) -> None:
    rates = [learning_rate(config(schedule, warmup_epochs=warmup), step, 3) for step in range(6)]

    assert rates == pytest.approx([0.4 * min(1, step / (3 * warmup)) for step in range(6)], rel=0.04)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("warmup", [0, 7.5])
def test_every_schedule_stays_between_zero_and_the_peak_and_falls_after_warmup(schedule: str, warmup: float) -> None:
    settings = config(schedule, warmup_epochs=warmup)
    rates = [learning_rate(settings, step, STEPS) for step in range(100 * STEPS)]
    after = rates[math.ceil(warmup * STEPS) :]

    assert all(0 <= rate <= 0.4 for rate in rates)
    assert after == sorted(after, reverse=True)


@pytest.mark.parametrize("schedule", ["cosine", "linear", "exponential"])
def test_smooth_schedules_have_no_jump(schedule: str) -> None:
    rates = [learning_rate(config(schedule, warmup_epochs=3), step, STEPS) for step in range(100 * STEPS)]
    largest = max(abs(a - b) for a, b in pairwise(rates))

    assert largest <= 0.4 / (3 * STEPS) + 1e-12  # the slope of the warmup


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [("constant", 0.4), ("cosine", 0.2 * (1 - math.cos(math.pi / 4000))), ("linear", 0.4 / 4000),
     ("exponential", 0.4 * 0.1 ** (3999 / 4000)), ("step", 0.4 * 0.1**3)],
)  # fmt: skip
def test_rate_of_the_last_step_follows_its_closed_form(schedule: str, expected: float) -> None:
    assert learning_rate(config(schedule), 100 * STEPS - 1, STEPS) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("epochs", [1, 3, 7, 90, 150, 299, 600])
@pytest.mark.parametrize("steps_per_epoch", [1, 3, 33, 391, 1251, 5004])
@pytest.mark.parametrize("lr_step_epochs", [1, 2, 30])
def test_staircase_drops_exactly_at_multiples_of_its_step(
    epochs: int, steps_per_epoch: int, lr_step_epochs: int
) -> None:
    settings = config("step", epochs=epochs, lr_step_epochs=lr_step_epochs, lr_gamma=0.9)
    for k in range(1, (epochs - 1) // lr_step_epochs + 1):
        drop = k * lr_step_epochs * steps_per_epoch

        assert learning_rate(settings, drop - 1, steps_per_epoch) == 0.4 * 0.9 ** (k - 1)
        assert learning_rate(settings, drop, steps_per_epoch) == 0.4 * 0.9**k


def test_staircase_with_a_fractional_step_follows_tensorflow() -> None:
    """TF-slim decays by 0.98 every 2.5 epochs."""
    settings = config("step", epochs=10, lr_step_epochs=2.5, lr_gamma=0.98)
    rates = [learning_rate(settings, step, STEPS) for step in range(10 * STEPS)]

    assert rates == [0.4 * 0.98 ** (step // 100) for step in range(10 * STEPS)]


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_every_schedule_starts_at_the_peak(schedule: str) -> None:
    assert SCHEDULES[schedule](0.0, config(schedule)) == 1.0
    assert learning_rate(config(schedule), 0, STEPS) == 0.4


def test_every_schedule_is_a_choice_of_the_config() -> None:
    assert set(SCHEDULES) == set(get_args(get_type_hints(TrainConfig)["lr_schedule"]))


@pytest.mark.parametrize(
    ("epoch", "expected"), [(0, 0.1), (104.9, 0.1), (105, 1e-2), (125, 1e-3), (135, 1e-4), (144.9, 1e-4), (145, 1e-5)]
)
@pytest.mark.parametrize("warmup_epochs", [0, 7])
def test_multistep_drops_at_epochs_counted_from_the_start(epoch: float, expected: float, warmup_epochs: int) -> None:
    settings = TrainConfig(
        lr=0.1, epochs=155, lr_schedule="multistep", lr_milestones=(105, 125, 135, 145), warmup_epochs=warmup_epochs
    )
    if epoch >= warmup_epochs:
        assert learning_rate(settings, round(epoch * STEPS), STEPS) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("schedule", ["cosine", "linear", "exponential"])
def test_rate_updated_by_epoch_is_the_rate_of_the_first_step(schedule: str) -> None:
    by_step, by_epoch = (config(schedule, lr_update=update, warmup_epochs=3) for update in ("iteration", "epoch"))

    for step in (0, 1, STEPS - 1, STEPS, 3 * STEPS + 7, 99 * STEPS + 39):
        expected = learning_rate(by_step, step // STEPS * STEPS, STEPS)
        assert learning_rate(by_epoch, step, STEPS) == expected


def test_warmup_starts_at_warmup_start_lr() -> None:
    settings = config("cosine", warmup_epochs=5, warmup_start_lr=0.1)

    rates = [learning_rate(settings, round(epoch * STEPS), STEPS) for epoch in (0, 2.5, 5)]

    assert rates == pytest.approx([0.1, 0.25, 0.4])


@pytest.mark.parametrize(("batch_size", "factor"), [(256, 1), (1024, 4), (64, 0.25)])
def test_rate_scales_with_batch_size(batch_size: int, factor: float) -> None:
    settings = {"warmup_epochs": 5, "warmup_start_lr": 0.1, "batch_size": batch_size}
    for epoch in (0, 3, 50):
        rate = learning_rate(config("cosine", lr_base_batch=256, **settings), epoch * STEPS, STEPS)
        assert rate == pytest.approx(factor * learning_rate(config("cosine", **settings), epoch * STEPS, STEPS))


@pytest.mark.parametrize(
    ("recipe", "epoch", "expected"),
    [
        ("dli14", 75, 0.025),
        ("dli14_best", 0, 0.1),
        ("dli14_best", 2.5, 0.25),
        ("dli14_best", 5, 0.4),
        ("dli14_best", 127.5, 0.2),
        ("v3_small_multistep", 130, 1e-3),
        ("mindspore", 50.9, 0.05 * (1 + math.cos(math.pi / 4))),
        ("mindspore", 100.5, 0.05),
        ("mmpretrain", 299.9, 0.045 * 0.98**299),  # 1.05e-4, as its configuration's last epoch
        ("tf_slim", 2.4, 0.36),
        ("tf_slim", 2.5, 0.36 * 0.98),
        ("tf_slim", 419.9, 0.36 * 0.98**167),
        ("torchvision_v1", 1.5, 0.045 * 0.98),
        ("torchvision_v2", 0.9, 0.005),
        ("torchvision_v2", 1, 0.5 * (0.01 + 0.99 / 5)),
        ("torchvision_v2", 5, 0.5),
        ("torchvision_v2", 302.5, 0.25 * (1 + math.cos(math.pi * 297 / 595))),
        ("quick", 2.5, 0.0025),
    ],
)
def test_recipes_follow_the_closed_form_of_their_source(recipe: str, epoch: float, expected: float) -> None:
    rate = learning_rate(RECIPES[recipe].config, round(epoch * STEPS), STEPS)

    assert rate == pytest.approx(expected, rel=1e-9)
