"""The difference of two accuracy-cost curves equals closed forms."""

import math
from collections.abc import Sequence

import pandas as pd
import pytest

from analysis.frontier.curve_difference import curve_difference


def curve(costs: Sequence[float], top1: Sequence[float]) -> pd.DataFrame:
    return pd.DataFrame({"macs": costs, "top1": top1})


THEIRS = curve([100, 200, 400, 800], [60, 65, 68, 69])


@pytest.mark.parametrize("share", [0.5, 0.9, 1.0, 1.25])
def test_equal_accuracies_at_a_share_of_the_cost_save_the_rest(share: float) -> None:
    ours = THEIRS.assign(macs=THEIRS["macs"] * share)

    assert curve_difference(ours, THEIRS, "macs").saved == pytest.approx(1 - share)


@pytest.mark.parametrize("points", [-2.0, 0.0, 1.5])
def test_difference_of_curves_apart_by_a_constant_is_the_constant(points: float) -> None:
    ours = THEIRS.assign(top1=THEIRS["top1"] + points)

    assert curve_difference(ours, THEIRS, "macs").top1 == pytest.approx(points)


def test_difference_of_lines_that_cross_in_the_middle_is_zero() -> None:
    difference = curve_difference(curve([100, 400], [60, 70]), curve([100, 400], [62, 68]), "macs")

    assert difference.top1 == pytest.approx(0)
    assert difference.saved == pytest.approx(0)  # over the accuracies of both lines


def test_difference_uses_the_knots_of_both_curves_and_no_dominated_points() -> None:
    ours = curve([100, 200, 300, 400], [60, 70, 65, 70])  # 300 is dominated, 400 ties

    difference = curve_difference(ours, curve([100, 400], [60, 70]), "macs")

    assert difference.top1 == pytest.approx(2.5)  # a triangle of height 5 with its peak at 200


@pytest.mark.parametrize("ours", [curve([], []), curve([10, 20], [50, 55]), curve([100], [60])])
def test_curves_without_a_common_range_are_not_compared(ours: pd.DataFrame) -> None:
    difference = curve_difference(ours, THEIRS, "macs")

    assert math.isnan(difference.top1)
    assert math.isnan(difference.saved)
