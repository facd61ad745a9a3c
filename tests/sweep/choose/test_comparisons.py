"""Comparisons agree with closed forms on synthetic curves, and with Gaussian conditioning by brute force."""
# pyright: reportPrivateUsage=false

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest

from sweep.choose import comparisons
from sweep.choose.comparisons import Comparisons, Contender, Noise, Pair
from trainers.config import TrainConfig, setting

BASE = TrainConfig(num_classes=10, epochs=4, resolution=32)
PRIOR = 0.05**2 + 0.05**2 + 0.01**2
NUM_VAL = 10_000
NOISE_SQUARED = 0.4**2 + 25.0**2 / NUM_VAL


def trained(model: Comparisons, width: float, lr: float, curve: list[float]) -> Contender:
    """Add a contender with the top-1 `curve`, without rivals to learn from."""
    config = replace(BASE, width_mult=width, lr=lr)
    contender = model.add(f"{width}-{lr}", config, NUM_VAL)
    for top1 in curve:
        model.measured(contender, top1, [])
    return contender


def test_settings_without_measurements_have_the_prior_advantage() -> None:
    model = Comparisons()
    first, second = (trained(model, 1.0, lr, []) for lr in (0.1, 0.2))

    assert model.advantage(first, second) == (0.0, pytest.approx(math.sqrt(PRIOR)))


def test_the_advantage_in_one_network_is_the_posterior_after_one_observation() -> None:
    model = Comparisons()
    better, worse = trained(model, 1.0, 0.1, [60.0]), trained(model, 1.0, 0.2, [50.0])

    mean, deviation = model.advantage(better, worse)

    seen, growth_left = math.log(60 / 50), math.log(100 / 55)
    variance = NOISE_SQUARED * (1 / 60**2 + 1 / 50**2) + 0.2**2 * growth_left**2
    assert mean == pytest.approx(seen * PRIOR / (PRIOR + variance))
    assert deviation == pytest.approx(math.sqrt(PRIOR - PRIOR**2 / (PRIOR + variance)))


def test_the_advantage_from_other_networks_is_gaussian_conditioning() -> None:
    """The test conditions in precision form over all networks; the code solves for the observed networks alone."""
    model = Comparisons()
    widths, tops = (0.25, 0.5, 1.0), ((40.0, 36.0), (50.0, 48.0), (0.0, 0.0))
    pairs = [
        [trained(model, width, lr, [top] if top else []) for lr, top in zip((0.1, 0.2), pair, strict=True)]
        for width, pair in zip(widths, tops, strict=True)
    ]

    mean, deviation = model.advantage(*pairs[2])

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


def test_swapping_the_settings_changes_the_sign_of_the_advantage() -> None:
    model = Comparisons()
    first, second = trained(model, 1.0, 0.1, [60.0, 62.0]), trained(model, 1.0, 0.2, [50.0, 55.0])

    there, back = model.advantage(first, second), model.advantage(second, first)

    assert there == pytest.approx((-back[0], back[1]))


@pytest.mark.parametrize("num_jumps", [0, 1, 10, 400])
def test_the_noise_is_the_weighted_mean_of_the_prior_and_the_median_step(num_jumps: int) -> None:
    noise = Noise.of(NUM_VAL)
    noise.jumps.extend([2 * 0.6745 * 1.5] * num_jumps)

    noise.learn()

    assert noise.deviation**2 == pytest.approx((10 * NOISE_SQUARED + num_jumps * 1.5**2) / (10 + num_jumps))


def test_the_noise_of_normal_curves_is_estimated() -> None:
    noise = Noise.of(NUM_VAL)
    a, b = np.random.default_rng(0).normal(70, 1.5, (2, 501))
    noise.jumps.extend(np.abs(np.diff(a) - np.diff(b)).tolist())

    noise.learn()

    assert noise.deviation == pytest.approx(1.5, rel=0.1)


def test_a_comparison_uses_the_noise_of_its_own_number_of_validation_images() -> None:
    """The order in which trials are added does not matter."""
    sizes = {"few": 100, "many": 10_000}
    deviations: list[dict[str, float]] = []
    for order in (("few", "many"), ("many", "few")):
        model = Comparisons()
        for data in order:
            for lr, top1 in ((0.1, 60.0), (0.2, 50.0)):
                contender = model.add(f"{data}-{lr}", replace(BASE, data=data, lr=lr), sizes[data])
                model.measured(contender, top1, [])
        pairs = {
            data: next(g.contenders for g in model._groups.values() if g.contenders[0].point.startswith(data))
            for data in sizes
        }
        deviations.append({data: model.advantage(*pairs[data])[1] for data in sizes})

    assert deviations[0] == deviations[1]
    assert deviations[0]["few"] > deviations[0]["many"]
    assert Noise.of(100).deviation == math.hypot(0.4, 2.5)


def test_the_drift_is_the_squared_change_between_halves_of_the_curves_less_its_noise() -> None:
    """The halves have constant log ratios of 0.2 and 0.1, and the accuracies grow by a known factor between them."""
    model = Comparisons()
    low = [40.0, 40.0, 60.0, 60.0]
    high = [low[0] * math.exp(0.2)] * 2 + [low[2] * math.exp(0.1)] * 2
    behind, ahead = trained(model, 1.0, 0.1, low), trained(model, 1.0, 0.2, high)
    pair = Pair(ahead, behind, 4, noise := 0.5)

    for _ in range(2):  # a pair replaces its earlier contribution
        model._learn_catch_up(ahead, behind, pair)

    variances = [noise**2 * (1 / a**2 + 1 / b**2) / 2 for a, b in ((high[0], low[0]), (high[2], low[2]))]
    growth = math.log((high[2] + low[2]) / (high[0] + low[0]))
    assert model._moved == pytest.approx([0.1**2 - sum(variances), growth**2])


def test_early_epochs_count_for_less_after_settings_have_caught_up() -> None:
    model = Comparisons()
    behind = model.add("behind", replace(BASE, lr=0.1), NUM_VAL)
    ahead = model.add("ahead", replace(BASE, lr=0.2), NUM_VAL)
    for slow, fast in zip([20.0, 30.0, 50.0, 70.0], [40.0, 50.0, 60.0, 70.0], strict=True):
        model.measured(behind, slow, [ahead])
        model.measured(ahead, fast, [behind])

    moved, growth = model._moved
    assert model._catch_up == pytest.approx((0.04 * 0.2**2 + moved) / (0.04 + growth))
    assert model._catch_up > comparisons.CATCH_UP**2


@dataclass(frozen=True, kw_only=True)
class DeepConfig(TrainConfig):
    """Settings with an additional network field."""

    depth_mult: float = setting("network", 1.0)


def test_a_new_network_field_separates_groups_and_families() -> None:
    model = Comparisons()
    one, same, deeper = (
        model.add(str(i), DeepConfig(num_classes=10, epochs=4, depth_mult=depth, lr=0.1 * (i + 1)), NUM_VAL)
        for i, depth in enumerate((1.0, 1.0, 2.0))
    )

    assert one.group is same.group is not deeper.group
    assert one.group.family != deeper.group.family
    assert one.group.peers is deeper.group.peers
