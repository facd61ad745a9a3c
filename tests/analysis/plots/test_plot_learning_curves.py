"""The chart of learning curves has a line for every measured point, and labels on the frontier."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection, PathCollection

from analysis.plots import learning_curves
from analysis.plots.learning_curves import MOST_LABELS, CurvesInfo, draw, info
from analysis.published.comparison import compare
from analysis.published.sweep_results import results_of
from trainers.trial import Measurement

Row = dict[str, Any]
MakeRow = Callable[..., Row]
MakeTable = Callable[[list[Row]], pd.DataFrame]


def curve(point: str, top1s: Sequence[float]) -> list[Measurement]:
    constants = {"lr": 0.1, "train_loss": 1.0, "val_loss": 1.0, "top5": 99.0, "images_per_second": 1.0}
    times = {"train_seconds": 1.0, "measured_at": 0.0, "device": "cpu fp32"}
    return [Measurement(point=point, epoch=e, top1=top1, **constants, **times) for e, top1 in enumerate(top1s, 1)]


def chart_of(table: pd.DataFrame, top1s: dict[str, Sequence[float]]) -> CurvesInfo | None:
    curves = {point: curve(point, values) for point, values in top1s.items()}
    return info(results_of(table, compare(table, None), name="demo", curves=curves))


def test_each_measured_point_has_a_line_and_frontier_points_have_labels(
    make_row: MakeRow, make_table: MakeTable
) -> None:
    rows = [
        make_row(point="best", width_mult=1.0, top1=80.0),
        make_row(point="worse", width_mult=1.0, top1=70.0, lr=9.0),
        make_row(point="small", width_mult=0.5, top1=60.0),
        make_row(point="stopped", state="PRUNED", top1=90.0),
        make_row(point="failed", state="FAILED", top1=None, resolution=64),
        make_row(point="never", state="FAILED", top1=None),
    ]
    top1s = {"best": [50, 80], "worse": [40, 70], "small": [30, 60], "stopped": [90], "failed": [20], "other": [1]}
    chart = chart_of(make_table(rows), top1s)

    assert chart is not None
    assert chart.states == ("COMPLETE", "COMPLETE", "COMPLETE", "PRUNED", "FAILED")
    assert [line.tolist() for line in chart.lines][2:] == [[[1, 30], [2, 60]], [[1, 90]], [[1, 20]]]
    assert chart.on_frontier.tolist() == [True, False, True, False, False]
    assert chart.labelled == {2: "0.5@96", 0: "1.0@96"}
    assert (chart.shade_title, chart.shades.tolist()) == ("Resolution (px)", [96, 96, 96, 96, 64])
    assert "3 complete, 1 stopped early (ring), 1 failed (cross)" in chart.texts.caption[0]


@pytest.mark.parametrize(
    ("rows", "top1s"),
    [
        ([], {}),
        ([{"point": "a"}], {}),
        ([{"point": "a"}], {"a": [90.0]}),
        ([{"point": "a"}], {"b": [80.0, 90.0]}),
        ([{"point": "a"}, {"point": "b", "dataset": "cifar10"}], {"a": [80.0, 90.0], "b": [80.0, 90.0]}),
    ],
)
def test_there_is_no_chart_without_two_epochs_of_one_dataset(
    rows: list[Row], top1s: dict[str, Sequence[float]], make_row: MakeRow, make_table: MakeTable
) -> None:
    assert chart_of(make_table([make_row(**row) for row in rows]), top1s) is None


def test_best_seed_of_a_setting_is_on_the_frontier(make_row: MakeRow, make_table: MakeTable) -> None:
    rows = [make_row(point=point, seed=seed, top1=70.0 + seed) for seed, point in enumerate("abc")]
    chart = chart_of(make_table(rows), {point: [60.0, 70.0] for point in "abc"})

    assert chart is not None
    assert chart.on_frontier.tolist() == [False, False, True]


@pytest.mark.parametrize("num", [1, 40])
def test_only_a_few_of_many_frontier_networks_have_labels(num: int, make_row: MakeRow, make_table: MakeTable) -> None:
    rows = [make_row(point=f"p{i}", resolution=32 * (i + 1), top1=50.0 + i) for i in range(num)]
    chart = chart_of(make_table(rows), {f"p{i}": [40.0, 50.0 + i] for i in range(num)})

    assert chart is not None
    assert chart.on_frontier.all()
    assert len(chart.labelled) == min(num, MOST_LABELS)
    assert {0, num - 1} <= set(chart.labelled)


def test_lines_of_incomplete_points_are_lighter_and_end_in_a_marker(make_row: MakeRow, make_table: MakeTable) -> None:
    rows = [
        make_row(point="best", top1=80.0),
        make_row(point="worse", top1=70.0, lr=9.0),
        make_row(point="stopped", state="PRUNED", top1=50.0),
        make_row(point="failed", state="FAILED", top1=None),
    ]
    chart = chart_of(make_table(rows), {row["point"]: [20.0, 50.0 + i] for i, row in enumerate(rows)})
    assert chart is not None
    (axes,) = draw(chart).axes
    failed, stopped, worse, best = (lines for lines in axes.collections if isinstance(lines, LineCollection))
    ring, cross, *_ = (dots for dots in axes.collections if isinstance(dots, PathCollection))

    assert failed.get_alpha() == stopped.get_alpha() < worse.get_alpha()
    assert np.asarray(best.get_linewidths()).item() > np.asarray(worse.get_linewidths()).item()
    assert np.asarray(ring.get_offsets()).tolist() == [[2.0, 52.0]]
    assert np.asarray(cross.get_offsets()).tolist() == [[2.0, 53.0]]


def test_top1_axis_fits_all_epochs_but_the_first_quarter(make_row: MakeRow, make_table: MakeTable) -> None:
    rows = [make_row(point="best", top1=85.0), make_row(point="stopped", state="PRUNED", top1=60.0)]
    chart = chart_of(
        make_table(rows), {"best": [1.0, 85.0, 70.0, 75.0, 76.0, 77.0, 79.0, 80.0], "stopped": [3.0, 60.0]}
    )
    assert chart is not None
    (axes,) = draw(chart).axes

    low, high = axes.get_ylim()
    assert 55 < low < 60
    assert 85 < high < 90


def test_chart_of_very_many_lines_draws_the_frontier_and_some_others_but_lists_all(
    make_row: MakeRow, make_table: MakeTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learning_curves, "MOST_LINES", 3)
    rows = [make_row(point=f"p{i}", lr=0.1 * (i + 1), top1=90.0 if i == 1 else 50.0) for i in range(9)]
    rows.insert(5, make_row(point="failed", state="FAILED", top1=50.0))
    chart = chart_of(make_table(rows), {row["point"]: [20.0, row["top1"]] for row in rows})
    assert chart is not None
    (axes,) = draw(chart).axes
    failed, _, others, best = (lines for lines in axes.collections if isinstance(lines, LineCollection))

    assert [len(lines.get_segments()) for lines in (failed, others, best)] == [1, 3, 1]
    assert np.flatnonzero(chart.drawn).tolist() == [0, 1, 4, 5, 9]
    assert "5 of 10 lines are drawn" in chart.texts.caption[-1]
    assert len(set(chart.numbers()["point"])) == 10
