"""Comparisons against closed forms on made-up curves, and against Gaussian conditioning by brute force."""
# pyright: reportPrivateUsage=false

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest

from sweep.choose import comparisons
from sweep.choose.comparisons import Comparisons, Noise, Pair, Trial
from trainers.config import TrainConfig, setting

BASE = TrainConfig(num_classes=10, epochs=4, resolution=32)
PRIOR = 0.05**2 + 0.05**2 + 0.01**2
NUM_VAL = 10_000
NOISE_SQUARED = 0.4**2 + 25.0**2 / NUM_VAL


def trained(asked: Comparisons, width: float, lr: float, curve: list[float]) -> Trial:
    """A trial that has shown `curve`, without rivals from which to learn."""
    config = replace(BASE, width_mult=width, lr=lr)
    trial = asked.add(f"{width}-{lr}", config, NUM_VAL)
    for top1 in curve:
        asked.measured(trial, top1, [])
    return trial


def test_nothing_is_known_of_settings_that_have_not_begun() -> None:
    asked = Comparisons()
    first, second = (trained(asked, 1.0, lr, []) for lr in (0.1, 0.2))

    assert asked.advantage(first, second) == (0.0, pytest.approx(math.sqrt(PRIOR)))


def test_advantage_in_one_network_is_the_posterior_of_one_observation() -> None:
    asked = Comparisons()
    better, worse = trained(asked, 1.0, 0.1, [60.0]), trained(asked, 1.0, 0.2, [50.0])

    mean, deviation = asked.advantage(better, worse)

    seen, growth_left = math.log(60 / 50), math.log(100 / 55)
    variance = NOISE_SQUARED * (1 / 60**2 + 1 / 50**2) + 0.2**2 * growth_left**2
    assert mean == pytest.approx(seen * PRIOR / (PRIOR + variance))
    assert deviation == pytest.approx(math.sqrt(PRIOR - PRIOR**2 / (PRIOR + variance)))


def test_advantage_over_networks_is_gaussian_conditioning() -> None:
    """The precision form of conditioning, over all networks at once, where the code solves for the observed ones."""
    asked = Comparisons()
    widths, tops = (0.25, 0.5, 1.0), ((40.0, 36.0), (50.0, 48.0), (0.0, 0.0))
    pairs = [
        [trained(asked, width, lr, [top] if top else []) for lr, top in zip((0.1, 0.2), pair, strict=True)]
        for width, pair in zip(widths, tops, strict=True)
    ]

    mean, deviation = asked.advantage(*pairs[2])

    away = np.subtract.outer(np.log2(widths), np.log2(widths)) / 0.5
    prior = 0.05**2 + 0.05**2 * np.exp(-(away**2) / 2) + 0.01**2 * np.eye(3)
    observed = tops[:2]
    seen = np.array([math.log(a / b) for a, b in observed])
    variances = [
        NOISE_SQUARED * (1 / a**2 + 1 / b**2) + 0.2**2 * math.log(100 / ((a + b) / 2)) ** 2 for a, b in observed
    ]
    precision = np.diag([1 / variances[0], 1 / variances[1], 0.0])
    posterior = np.linalg.inv(np.linalg.inv(prior) + precision)
    means = posterior @ precision @ np.array([*seen, 0.0])
    assert mean == pytest.approx(means[2])
    assert deviation == pytest.approx(math.sqrt(posterior[2, 2]))


def test_advantage_changes_its_sign_with_the_order() -> None:
    asked = Comparisons()
    first, second = trained(asked, 1.0, 0.1, [60.0, 62.0]), trained(asked, 1.0, 0.2, [50.0, 55.0])

    there, back = asked.advantage(first, second), asked.advantage(second, first)

    assert there == pytest.approx((-back[0], back[1]))


@pytest.mark.parametrize("num_jumps", [0, 1, 10, 400])
def test_noise_is_the_mean_of_prior_and_median_step_by_their_counts(num_jumps: int) -> None:
    noise = Noise.of(NUM_VAL)
    noise.jumps.extend([2 * 0.6745 * 1.5] * num_jumps)

    noise.learn()

    assert noise.deviation**2 == pytest.approx((10 * NOISE_SQUARED + num_jumps * 1.5**2) / (10 + num_jumps))


def test_noise_of_normal_curves_is_found() -> None:
    noise = Noise.of(NUM_VAL)
    a, b = np.random.default_rng(0).normal(70, 1.5, (2, 501))
    noise.jumps.extend(np.abs(np.diff(a) - np.diff(b)).tolist())

    noise.learn()

    assert noise.deviation == pytest.approx(1.5, rel=0.1)


def test_each_comparison_uses_the_noise_of_its_own_number_of_validation_images() -> None:
    """In either order of adding."""
    sizes = {"few": 100, "many": 10_000}
    deviations: list[dict[str, float]] = []
    for order in (("few", "many"), ("many", "few")):
        asked = Comparisons()
        for data in order:
            for lr, top1 in ((0.1, 60.0), (0.2, 50.0)):
                trial = asked.add(f"{data}-{lr}", replace(BASE, data=data, lr=lr), sizes[data])
                asked.measured(trial, top1, [])
        pairs = {
            data: next(g.trials for g in asked._groups.values() if g.trials[0].point.startswith(data)) for data in sizes
        }
        deviations.append({data: asked.advantage(*pairs[data])[1] for data in sizes})

    assert deviations[0] == deviations[1]
    assert deviations[0]["few"] > deviations[0]["many"]
    assert Noise.of(100).deviation == math.hypot(0.4, 2.5)


def test_catching_up_is_the_squared_move_between_halves_less_its_noise() -> None:
    """Of flat halves whose differences are 0.2 and 0.1, in logarithms, while accuracies grow by a known factor."""
    asked = Comparisons()
    low = [40.0, 40.0, 60.0, 60.0]
    high = [low[0] * math.exp(0.2)] * 2 + [low[2] * math.exp(0.1)] * 2
    behind, ahead = trained(asked, 1.0, 0.1, low), trained(asked, 1.0, 0.2, high)
    pair = Pair(ahead, behind, 4, noise := 0.5)

    for _ in range(2):  # what a pair said before is replaced
        asked._learn_catch_up(ahead, behind, pair)

    variances = [noise**2 * (1 / a**2 + 1 / b**2) / 2 for a, b in ((high[0], low[0]), (high[2], low[2]))]
    growth = math.log((high[2] + low[2]) / (high[0] + low[0]))
    assert asked._moved == pytest.approx([0.1**2 - sum(variances), growth**2])


def test_settings_that_catch_up_make_early_epochs_count_for_less() -> None:
    asked = Comparisons()
    behind = asked.add("behind", replace(BASE, lr=0.1), NUM_VAL)
    ahead = asked.add("ahead", replace(BASE, lr=0.2), NUM_VAL)
    for slow, fast in zip([20.0, 30.0, 50.0, 70.0], [40.0, 50.0, 60.0, 70.0], strict=True):
        asked.measured(behind, slow, [ahead])
        asked.measured(ahead, fast, [behind])

    moved, growth = asked._moved
    assert asked._catch_up == pytest.approx((0.04 * 0.2**2 + moved) / (0.04 + growth))
    assert asked._catch_up > comparisons.CATCH_UP**2


@dataclass(frozen=True, kw_only=True)
class DeepConfig(TrainConfig):
    """Settings with a network field of which the comparisons know nothing."""

    depth_mult: float = setting("network", 1.0)


def test_a_new_network_field_is_another_group_and_another_family() -> None:
    asked = Comparisons()
    one, same, deeper = (
        asked.add(str(i), DeepConfig(num_classes=10, epochs=4, depth_mult=depth, lr=0.1 * (i + 1)), NUM_VAL)
        for i, depth in enumerate((1.0, 1.0, 2.0))
    )

    assert one.group is same.group is not deeper.group
    assert one.group.family != deeper.group.family
    assert one.group.peers is deeper.group.peers
