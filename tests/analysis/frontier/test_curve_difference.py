"""The difference of two accuracy-cost curves, against closed forms."""

import math
from collections.abc import Sequence

import pandas as pd
import pytest

from analysis.frontier.curve_difference import curve_difference


def curve(costs: Sequence[float], top1: Sequence[float]) -> pd.DataFrame:
    return pd.DataFrame({"macs": costs, "top1": top1})


THEIRS = curve([100, 200, 400, 800], [60, 65, 68, 69])


@pytest.mark.parametrize("share", [0.5, 0.9, 1.0, 1.25])
def test_the_same_accuracies_at_a_share_of_the_cost_save_the_rest(share: float) -> None:
    ours = THEIRS.assign(macs=THEIRS["macs"] * share)

    assert curve_difference(ours, THEIRS, "macs").saved == pytest.approx(1 - share)


@pytest.mark.parametrize("points", [-2.0, 0.0, 1.5])
def test_accuracies_that_are_higher_by_a_constant_differ_by_it(points: float) -> None:
    ours = THEIRS.assign(top1=THEIRS["top1"] + points)

    assert curve_difference(ours, THEIRS, "macs").top1 == pytest.approx(points)


def test_a_line_that_crosses_another_in_the_middle_is_neither_above_nor_below() -> None:
    found = curve_difference(curve([100, 400], [60, 70]), curve([100, 400], [62, 68]), "macs")

    assert found.top1 == pytest.approx(0)
    assert found.saved == pytest.approx(0)  # over the accuracies that both have


def test_knots_that_only_one_has_count_and_dominated_points_do_not() -> None:
    ours = curve([100, 200, 300, 400], [60, 70, 65, 70])  # 300 is dominated, 400 ties

    found = curve_difference(ours, curve([100, 400], [60, 70]), "macs")

    assert found.top1 == pytest.approx(2.5)  # a triangle of height 5 over the first half, where ours ends


@pytest.mark.parametrize("ours", [curve([], []), curve([10, 20], [50, 55]), curve([100], [60])])
def test_curves_without_a_common_range_are_not_compared(ours: pd.DataFrame) -> None:
    found = curve_difference(ours, THEIRS, "macs")

    assert math.isnan(found.top1)
    assert math.isnan(found.saved)
