"""The interactive chart has the right points and frontier on every axis, and is valid JSON."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import pandas as pd
import pytest

from analysis import style
from analysis.frontier.pareto import step_line
from analysis.published.comparison import compare
from analysis.published.sweep_results import published_results, results_of
from analysis.report.interactive import InteractiveChart, interactive_chart

Row = dict[str, Any]
MakeTable = Callable[[Sequence[Row]], pd.DataFrame]


def chart_of(table: pd.DataFrame, published: str | None = None, **options: Any) -> InteractiveChart:
    return interactive_chart(results_of(table, compare(table, published), name="demo", **options))


def coordinates(chart: InteractiveChart, axis: int, name: str) -> tuple[Sequence[float], Sequence[float]]:
    """Return the coordinates of the trace `name`."""
    [i] = [i for i, trace in enumerate(chart.traces) if trace["name"] == name]
    return chart.axes[axis].xs[i], chart.axes[axis].ys[i]


@pytest.mark.parametrize(("axis", "column", "per"), [(0, "macs", 1e6), (1, "num_params", 1e6), (2, "activations", 1e6)])
def test_each_axis_has_all_points_and_its_own_frontier(
    axis: int, column: str, per: float, digits_rows: list[Row], make_table: MakeTable
) -> None:
    chart = chart_of(make_table(digits_rows))
    costs, top1 = [row[column] / per for row in digits_rows], [row["top1"] for row in digits_rows]

    assert chart.axes[axis].name == column
    assert coordinates(chart, axis, "mobilenet_v2") == (pytest.approx(costs, rel=1e-6), pytest.approx(top1, rel=1e-6))
    for line, expected in zip(coordinates(chart, axis, "frontier"), step_line(costs, top1), strict=True):
        assert line == pytest.approx(expected.tolist(), rel=1e-6)


def test_stopped_points_are_open_circles_and_failed_points_are_absent(
    mixed_rows: list[Row], make_table: MakeTable
) -> None:
    chart = chart_of(make_table(mixed_rows))

    stopped = next(trace for trace in chart.traces if "stopped early" in trace["name"])
    assert stopped["marker"]["symbol"] == "circle-open"
    assert len(coordinates(chart, 0, stopped["name"])[0]) == 2  # the third was stopped before its first epoch
    assert len(coordinates(chart, 0, "mobilenet_v2")[0]) == 16


def test_latency_is_an_axis_where_it_was_measured(digits_rows: list[Row], make_table: MakeTable) -> None:
    places = {"slow cpu": {"p1": 9.0}, "cpu <4>": {"p1": 3.0, "p2": 4.0}}

    chart = chart_of(make_table(digits_rows), assessed={"latency_ms": places})

    assert [axis.name for axis in chart_of(make_table(digits_rows)).axes] == ["macs", "num_params", "activations"]
    assert chart.axes[3].label == "Latency of one image (ms)"
    assert [x for x in coordinates(chart, 3, "mobilenet_v2")[0] if x is not None] == [3.0, 4.0]
    json.dumps(chart.axes[3].xs, allow_nan=False)


def test_published_figures_have_their_own_series(digits_rows: list[Row], make_table: MakeTable) -> None:
    chart = chart_of(make_table([row | {"dataset": "imagenet"} for row in digits_rows]), "tf_slim")

    names = [trace["name"] for trace in chart.traces]
    assert names.count("published: tf_slim") == 2  # dots and line
    assert {"weight sharing (51)", "range of 6 sources"} <= set(names)


def test_hover_text_of_a_published_point_names_its_variant() -> None:
    chart = interactive_chart(published_results("timm"))

    [large] = [trace for trace in chart.traces if trace["name"] == "mobilenet_v3_large"]
    assert "<br>variant %{customdata[6]}" in large["hovertemplate"]
    variants = {row[0]: row[6] for row in large["customdata"]}
    assert variants["mobilenet_v3_large_1_256"] == "mobilenetv3_large_100.ra4_e3600_r224_in1k"


def test_names_are_escaped_in_traces(make_row: Callable[..., Row], make_table: MakeTable) -> None:
    rows = [make_row(dataset="<b>a", state="PRUNED", reason="<i>x"), make_row(dataset="b", model="mobilenet_v1")]

    text = json.dumps(chart_of(make_table(rows)).traces)

    assert "<b>a" not in text
    assert "<i>" not in text


@pytest.mark.parametrize(("most", "kind"), [(9, "scatter"), (8, "scattergl")])
def test_many_points_are_drawn_by_webgl(
    most: int, kind: str, digits_rows: list[Row], make_table: MakeTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(style, "MOST_VECTORS", most)

    chart = chart_of(make_table(digits_rows))

    assert {trace["type"] for trace in chart.traces if trace["mode"] == "markers"} == {kind}
