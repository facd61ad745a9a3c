"""Which trials are stopped, which never are, and in which order points are trained."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from sweep.choose.schedulers import SCHEDULERS, Asha, Fifo, Frontier, Scheduler
from sweep.plan.points import PlannedPoint
from sweep.plan.trials import PlannedTrial
from tests.sweep.conftest import measurement
from trainers.config import TrainConfig
from trainers.datasets.registry import load_dataset
from trainers.models.cost import cost
from trainers.trial import Point

EPOCHS = 20


def planned(name: str, **settings: object) -> PlannedPoint:
    """A point of this name."""
    config = replace(TrainConfig(num_classes=10, epochs=EPOCHS, resolution=32), **settings)  # type: ignore[arg-type]
    point = Point(id=name, config=config, folder=Path(name))
    return PlannedPoint(point=point, cost=cost(config), dataset=load_dataset("digits"), label=f"label of {name}")


def curve(final: float, noise: float = 0.1, seed: int = 0, start: float = 0.25) -> list[float]:
    """Top-1 by epoch, from a share `start` of `final` on, at which it saturates."""
    t = np.arange(1, EPOCHS + 1)
    rise = final * (1 - (1 - start) * np.exp(-4 * t / EPOCHS))
    return (rise + np.random.default_rng(seed).normal(0, noise, EPOCHS)).tolist()


def choose(scheduler: Scheduler, waiting: Sequence[PlannedPoint]) -> PlannedPoint:
    """The point that comes next where each has a trial of its own."""
    [point] = scheduler.choose(list(map(PlannedTrial.alone, waiting))).points
    return point


def train(scheduler: Scheduler, curves: dict[PlannedPoint, list[float]], slots: int = 2) -> dict[str, int]:
    """Train the points in `slots` trials side by side; the epochs each was trained for."""
    waiting, running, trained = list(curves), list[PlannedPoint](), dict[str, int]()
    for point in curves:
        scheduler.add(point, [], None)
    while waiting or running:
        while waiting and len(running) < slots:
            running.append(choose(scheduler, waiting))
            waiting.remove(running[-1])
        for point in list(running):
            epoch = trained[point.id] = trained.get(point.id, 0) + 1
            stopped = scheduler.measured(measurement(point, epoch, curves[point][epoch - 1]))
            if stopped or epoch == EPOCHS:
                running.remove(point)
                scheduler.ended(point.id, "PRUNED" if stopped else "COMPLETE")
    return trained


def grid(widths: Sequence[float], gaps: Sequence[float], noise: float = 0.1) -> dict[PlannedPoint, list[float]]:
    """Networks of these widths, better with width, and settings that are so many points worse than the first."""
    return {
        planned(f"{width}-{i}", width_mult=width, lr=0.01 * 2**i): curve(80 + 5 * math.log2(width) - gap, noise, seed=i)
        for width in widths
        for i, gap in enumerate(gaps)
    }


def test_a_clearly_worse_setting_is_stopped_in_favour_of_a_better_one_of_its_network() -> None:
    trained = train(Frontier(), grid([1.0], [0, 20]))

    assert trained["1.0-0"] == EPOCHS
    assert trained["1.0-1"] < EPOCHS / 2


@pytest.mark.parametrize("slots", [1, 3, 8])
def test_every_network_keeps_its_best_setting_to_the_end(slots: int) -> None:
    widths = [1.0, 0.75, 0.5, 0.35, 0.25]

    trained = train(Frontier(), grid(widths, [0, 3, 8, 15]), slots)

    assert [trained[f"{width}-0"] for width in widths] == [EPOCHS] * len(widths)
    assert sum(trained.values()) < 0.5 * len(trained) * EPOCHS


def test_a_small_network_is_never_stopped_for_a_larger_one() -> None:
    """One setting each: the smaller ones are worse by far, and all of them make the frontier."""
    trained = train(Frontier(), grid([1.4, 1.0, 0.5, 0.1], [0]))

    assert set(trained.values()) == {EPOCHS}


def test_what_small_networks_showed_stops_a_bad_setting_of_a_large_one_at_once() -> None:
    curves = grid([0.25, 0.35, 0.5, 1.0], [0, 6], noise=0.4)

    trained = train(Frontier(), curves)

    assert trained["0.25-1"] > 2 * trained["1.0-1"]


def test_schedules_are_not_compared_before_they_have_annealed() -> None:
    """A constant rate is ahead until the cosine comes down."""
    early, late = planned("constant", lr_schedule="constant"), planned("cosine", lr_schedule="cosine")
    rising = [80 * epoch / EPOCHS for epoch in range(1, EPOCHS + 1)]

    trained = train(Frontier(), {early: curve(70), late: rising})

    assert trained == {"constant": EPOCHS, "cosine": EPOCHS}


def test_seeds_of_one_setting_are_not_rivals() -> None:
    curves = {planned(f"seed{seed}", seed=seed): curve(70 - 15 * seed) for seed in range(3)}

    assert set(train(Frontier(), curves).values()) == {EPOCHS}


def test_noise_of_equal_settings_stops_few_of_them_and_none_in_the_first_quarter() -> None:
    """Of 48 trainings in 12 sweeps with noise of 2 points, six are stopped, the first of them at epoch 6 of 20."""
    epochs: list[int] = []
    for sweep in range(12):
        curves = {planned(str(i), lr=0.01 * 2**i): curve(70, noise=2.0, seed=4 * sweep + i) for i in range(4)}
        epochs += train(Frontier(), curves, slots=4).values()

    assert sum(count < EPOCHS for count in epochs) <= 6
    assert min(epochs) > EPOCHS / 4
    assert sum(epochs) > 0.95 * len(epochs) * EPOCHS


def test_the_reason_names_epoch_rival_and_probability() -> None:
    scheduler = Frontier()
    better, worse = planned("a", lr=0.1), planned("b", lr=0.2)
    for point in (better, worse):
        scheduler.add(point, [], None)
    reasons = []
    for epoch in range(1, EPOCHS):
        scheduler.measured(measurement(better, epoch, 60.0 + epoch))
        reasons.append(scheduler.measured(measurement(worse, epoch, 20.0 + epoch)))

    reason = next(filter(None, reasons))
    assert reason.startswith(
        f"stopped at epoch {reasons.index(reason) + 1} of {EPOCHS}: label of a is as good or better"
    )


def test_a_stopped_setting_goes_on_if_the_better_one_fails() -> None:
    scheduler = Frontier()
    points = [planned(name, lr=lr) for name, lr in (("best", 0.1), ("middle", 0.2), ("worst", 0.4))]
    for point in points:
        scheduler.add(point, [], None)
    for point, top1 in zip(points, (60.0, 40.0, 10.0), strict=True):
        scheduler.measured(measurement(point, 1, top1))
    scheduler.ended("worst", "PRUNED")
    scheduler.ended("middle", "PRUNED")

    assert scheduler.ended("best", "FAILED") == [points[1]]
    assert scheduler.ended("middle", "FAILED") == [points[2]]
    assert not scheduler.ended("worst", "FAILED")


def test_what_was_stopped_for_a_setting_that_fails_goes_on_although_another_one_waits() -> None:
    scheduler = Frontier()
    favourite, stopped, untried = (planned(name, lr=lr) for name, lr in (("a", 0.1), ("b", 0.2), ("c", 0.4)))
    for point in (favourite, stopped, untried):
        scheduler.add(point, [], None)
    reasons = []
    for epoch, top1 in enumerate(curve(80)[:-1], 1):
        scheduler.measured(measurement(favourite, epoch, top1))
        reasons.append(scheduler.measured(measurement(stopped, epoch, top1 / 2)))
        if reasons[-1]:
            break
    assert reasons[-1]
    scheduler.ended("b", "PRUNED")

    assert scheduler.ended("a", "FAILED") == [stopped]


def test_all_seeds_of_a_stopped_setting_go_on_and_are_not_stopped_for_each_other() -> None:
    scheduler = Frontier()
    better, *stopped = (planned(f"{lr}-{seed}", lr=lr, seed=seed) for lr, seed in ((0.1, 0), (0.2, 0), (0.2, 1)))
    for point in (better, *stopped):
        scheduler.add(point, [], None)
    for point, top1 in zip((better, *stopped), (60.0, 40.0, 41.0), strict=True):
        scheduler.measured(measurement(point, 1, top1))
    for point in stopped:
        scheduler.ended(point.id, "PRUNED")

    assert scheduler.ended(better.id, "FAILED") == stopped
    assert [scheduler.measured(measurement(point, 2, 45.0)) for point in stopped] == [None, None]


def test_a_slow_starter_is_not_stopped_where_the_first_belief_about_noise_was_too_high() -> None:
    """Of 360 validation images; at the second epoch it is at 85 % of the others, and ends 5 % above them."""
    curves: dict[PlannedPoint, list[float]] = {}
    for width in (0.25, 0.5, 1.0):
        curves |= {planned(f"{width}-{i}", width_mult=width, lr=0.01 * 2**i): curve(70, 0.1, i) for i in range(3)}
        curves[planned(f"{width}-slow", width_mult=width, lr=0.08)] = curve(73.5, 0.1, 9, start=0.05)

    trained = train(Frontier(), curves, slots=4)

    assert [trained[f"{width}-slow"] for width in (0.25, 0.5, 1.0)] == [EPOCHS] * 3


def test_the_seeds_of_a_setting_are_stopped_all_or_none() -> None:
    """The noise of single seeds is larger than the difference of the settings."""
    luck = np.random.default_rng(0).normal(0, 2, (3, 3))
    curves = {
        planned(f"{lr}-{seed}", lr=lr, seed=seed): curve(60 - gap + luck[i, seed], seed=seed)
        for i, (lr, gap) in enumerate(((0.01, 0), (0.02, 1), (0.04, 9)))
        for seed in range(3)
    }

    trained = train(Frontier(), curves, slots=3)

    for lr in (0.01, 0.02, 0.04):
        assert len({epochs == EPOCHS for name, epochs in trained.items() if name.startswith(f"{lr}-")}) == 1


def test_a_failure_brings_nothing_back_while_another_setting_stands() -> None:
    scheduler = Frontier()
    for name, lr in (("a", 0.1), ("b", 0.2), ("c", 0.4)):
        scheduler.add(planned(name, lr=lr), [measurement(name, 1, 50.0)], None)
    scheduler.ended("c", "PRUNED")

    assert not scheduler.ended("a", "FAILED")


def test_the_cheapest_network_comes_first_and_its_best_setting_before_the_others() -> None:
    curves = grid([1.0, 0.25, 0.5], [10, 0])
    scheduler = Frontier()
    for point, values in curves.items():
        known = [measurement(point, epoch, top1) for epoch, top1 in enumerate(values, 1)]
        scheduler.add(point, known if point.id.startswith("0.25") else [], None)
    waiting = [point for point in curves if not point.id.startswith("0.25")]

    assert choose(scheduler, waiting).id == "0.5-1"


def test_an_interrupted_sweep_decides_as_an_uninterrupted_one() -> None:
    curves = grid([0.25, 0.5], [0, 6])
    *small, good, bad = curves

    def begun(epochs: int) -> Frontier:
        """The small network has finished, of the other one so many epochs are known."""
        scheduler = Frontier()
        for point in curves:
            known = EPOCHS if point in small else epochs
            history = [measurement(point, epoch, top1) for epoch, top1 in enumerate(curves[point][:known], 1)]
            scheduler.add(point, history, "COMPLETE" if point in small else None)
        return scheduler

    def reason(scheduler: Frontier, epoch: int) -> str | None:
        scheduler.measured(measurement(good, epoch, curves[good][epoch - 1]))
        return scheduler.measured(measurement(bad, epoch, curves[bad][epoch - 1]))

    whole = begun(0)
    stopped = next(epoch for epoch in range(1, EPOCHS) if reason(whole, epoch))

    assert stopped > 1
    assert [bool(reason(begun(epoch - 1), epoch)) for epoch in (stopped - 1, stopped)] == [False, True]


def test_settings_drawn_at_random_learn_from_similar_ones_of_other_networks() -> None:
    """No two learning rates are equal; those near 1.0 are bad everywhere."""
    rates = {0.25: (0.010, 1.00), 0.35: (0.011, 0.95), 0.5: (0.009, 1.05), 1.0: (0.0105, 0.98)}
    curves = {
        planned(f"{width}-{i}", width_mult=width, lr=lr): curve(70 - 2 * i, noise=0.4, seed=i)
        for width, pair in rates.items()
        for i, lr in enumerate(pair)
    }

    trained = train(Frontier(), curves)

    assert trained["1.0-1"] < trained["0.25-1"]


def test_fifo_trains_everything_the_longest_first() -> None:
    curves = grid([0.25, 1.0, 0.5], [0, 20])

    assert Fifo().choose(list(curves)).id.startswith("1.0")
    assert set(train(Fifo(), curves).values()) == {EPOCHS}


def test_asha_takes_points_that_come_while_others_train_and_what_an_earlier_start_measured() -> None:
    scheduler = Asha()
    old = [planned(str(i), lr=0.01 + i) for i in range(6)]
    for point in old:
        scheduler.add(point, [measurement(point, 1, 90.0)], "COMPLETE")
    first, second = planned("first", lr=0.5), planned("second", lr=0.6)
    scheduler.add(first, [], None)

    assert scheduler.measured(measurement(first, 1, 91.0)) is None
    scheduler.add(second, [], None)
    assert scheduler.measured(measurement(first, 2, 91.0)) is None
    assert scheduler.measured(measurement(second, 1, 10.0)) is not None


def test_asha_is_rays_and_stops_small_networks() -> None:
    curves = {point: curve(40 + 40 * point.config.width_mult, noise=0) for point in grid([1.0, 0.75, 0.5, 0.25], [0])}

    trained = train(Asha(), curves, slots=4)

    assert trained["1.0-0"] == EPOCHS
    assert trained["0.25-0"] < EPOCHS


@pytest.mark.parametrize("name", SCHEDULERS)
def test_every_scheduler_chooses_among_the_waiting_and_ends(name: str) -> None:
    trained = train(SCHEDULERS[name](), grid([0.25, 0.5], [0, 5]))

    assert max(trained.values()) == EPOCHS
    assert len(trained) == 4
