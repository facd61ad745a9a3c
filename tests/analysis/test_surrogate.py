"""The surrogate predicts top-1 and its noise; the expected improvement of a frontier equals a brute force."""

import numpy as np
import pytest
from numpy.typing import NDArray

from analysis.surrogate import Predicted, Surrogate, expected_improvement

Floats = NDArray[np.float64]
NOISE = 0.5


def brute_force(mean: Floats, deviation: Floats, costs: Floats, top1: Floats, known_costs: Floats) -> list[float]:
    """Return the mean gain of every candidate over the best known setting that costs no more in any cost."""
    draws = np.random.default_rng(0).standard_normal(200_000)
    gains: list[float] = []
    for expected, spread, cost in zip(mean, deviation, costs, strict=True):
        affordable = [value for value, known in zip(top1, known_costs, strict=True) if (known <= cost).all()]
        best = max(affordable, default=min(top1))
        gains.append(float(np.maximum(expected + spread * draws - best, 0).mean()))
    return gains


@pytest.mark.parametrize("num_costs", [1, 2, 3])
def test_expected_improvement_is_the_mean_gain_of_draws(num_costs: int) -> None:
    random = np.random.default_rng(num_costs)
    mean, deviation, top1 = random.uniform(60, 70, 12), random.uniform(0.1, 4, 12), random.uniform(60, 70, 6)
    costs, known_costs = random.uniform(0, 10, (12, num_costs)), random.uniform(0, 10, (6, num_costs))

    gains = expected_improvement(mean, deviation, costs, top1, known_costs)

    assert gains == pytest.approx(brute_force(mean, deviation, costs, top1, known_costs), abs=0.03)


def test_candidate_cheaper_than_every_known_setting_is_compared_with_the_least_accurate() -> None:
    known_top1 = np.array([60.0, 70.0])

    gains = expected_improvement(
        np.full(2, 65.0), np.zeros(2), np.array([[1.0], [5.0]]), known_top1, np.array([[2.0], [3.0]])
    )

    assert gains.tolist() == [pytest.approx(5), pytest.approx(0)]


def test_candidate_is_not_compared_with_a_setting_dearer_in_one_of_two_costs() -> None:
    mean, deviation = np.array([65.0]), np.zeros(1)
    top1, known_costs = np.array([60.0, 64.0, 70.0]), np.array([[1.0, 1.0], [2.0, 2.0], [2.0, 9.0]])

    gains = expected_improvement(mean, deviation, np.array([[3.0, 3.0]]), top1, known_costs)

    assert gains.tolist() == [pytest.approx(1)]


@pytest.fixture(scope="module")
def predicted() -> Predicted:
    """Predictions at a densely sampled input and at an input far from all samples."""
    random = np.random.default_rng(0)
    inputs = random.uniform(0, 0.3, (120, 1))
    surrogate = Surrogate()
    surrogate.fit(inputs, (70 + 5 * np.sin(12 * inputs[:, 0]) + NOISE * random.standard_normal(120)).tolist())
    return surrogate.predict(np.array([[0.15], [1.0]]))


def test_predicted_deviation_at_a_densely_sampled_input_excludes_the_noise(predicted: Predicted) -> None:
    assert predicted.mean[0] == pytest.approx(70 + 5 * np.sin(12 * 0.15), abs=0.4)
    assert predicted.noise == pytest.approx(NOISE, rel=0.25)
    assert predicted.deviation[0] < NOISE / 2


def test_predicted_deviation_far_from_all_samples_is_large(predicted: Predicted) -> None:
    assert predicted.deviation[1] > 3 * NOISE
