"""Every plot keeps the contract of plots, and the frontier chart shows the right points."""

import itertools
from collections.abc import Callable
from io import BytesIO
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.figure import Figure
from matplotlib.text import Text

from analysis import style
from analysis.frontier.frontier import Cost
from analysis.plots.frontier import draw
from analysis.plots.frontier_info import FrontierInfo, info
from analysis.plots.registry import PLOTS
from analysis.plots.texts import one_line
from analysis.plots.width_resolution import HeatMapInfo
from analysis.published.comparison import compare
from analysis.published.sweep_results import published_results, results_of
from analysis.results.settings import by_setting

Row = dict[str, Any]
MakeRow = Callable[..., Row]
MakeTable = Callable[[list[Row]], pd.DataFrame]

NOTES = " · one seed each · labels: width@resolution"


def chart_of(table: pd.DataFrame, *, cost: Cost = "macs", published: str | None = None) -> FrontierInfo:
    return info(by_setting(table), compare(table, published), cost, sweep="demo")


def visible_texts(figure: Figure) -> list[Text]:
    return [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]


@pytest.mark.parametrize("name", sorted(PLOTS))
@pytest.mark.parametrize(("size", "published"), [("empty", None), ("one", None), ("nine", "tf_slim"), ("mixed", None)])
def test_every_plot_draws_every_table(
    name: str,
    size: str,
    published: str | None,
    digits_rows: list[Row],
    mixed_rows: list[Row],
    make_table: MakeTable,
) -> None:
    table = make_table({"empty": [], "one": digits_rows[:1], "nine": digits_rows, "mixed": mixed_rows}[size])
    content = BytesIO()

    chart = PLOTS[name].info(results_of(table, compare(table, published), name="demo"))

    if chart is None:
        assert name not in ("macs_top1", "params_top1")
        return
    PLOTS[name].draw(chart).savefig(content, format="png", dpi=40)
    assert content.getvalue().startswith(b"\x89PNG")


@pytest.mark.parametrize("name", sorted(PLOTS))
def test_every_plot_has_a_one_line_description(name: str) -> None:
    assert len(PLOTS[name].description.splitlines()) == 1


@pytest.mark.parametrize("name", sorted(PLOTS))
def test_plots_leave_the_settings_of_matplotlib_unchanged(
    name: str, digits_rows: list[Row], make_table: MakeTable
) -> None:
    before = dict(matplotlib.rcParams)
    table = make_table(digits_rows)

    chart = PLOTS[name].info(results_of(table, compare(table, None), name="demo"))
    figure = PLOTS[name].draw(chart) if chart else None

    assert (figure is None) == (name in ("latency_top1", "learning_curves", "importance"))

    assert dict(matplotlib.rcParams) == before


def test_info_has_points_colours_and_frontier(digits_rows: list[Row], make_table: MakeTable) -> None:
    chart = chart_of(make_table(digits_rows))

    assert len(chart.costs) == len(chart.top1) == len(chart.labels) == len(chart.shades) == 9
    assert chart.costs.tolist() == sorted(row["macs"] / 1e6 for row in digits_rows)
    assert (chart.labels[0], chart.labels[-1]) == ("0.35@32", "1.0@96")
    assert (chart.shade_title, set(chart.shades)) == ("Resolution (px)", {32.0, 64.0, 96.0})
    assert chart.on_frontier[[0, -1]].all()


@pytest.mark.parametrize(
    ("state", "top1", "num_drawn", "num_pruned"),
    [
        ("COMPLETE", 50.0, 1, 0),
        ("PRUNED", 50.0, 1, 1),
        ("PRUNED", None, 0, 0),
        ("FAILED", 50.0, 0, 0),
        ("FAILED", None, 0, 0),
    ],
)
def test_failed_points_and_points_without_a_measurement_are_not_drawn(
    state: str, top1: float | None, num_drawn: int, num_pruned: int, make_row: MakeRow, make_table: MakeTable
) -> None:
    chart = chart_of(make_table([make_row(state=state, top1=top1)]))

    assert (len(chart.costs), chart.pruned.sum()) == (num_drawn, num_pruned)


def test_caption_counts_every_point(mixed_rows: list[Row], make_table: MakeTable) -> None:
    chart = chart_of(make_table(mixed_rows))

    assert chart.caption == "22 points: 16 complete, 3 stopped early (hollow), 3 failed (not drawn)" + NOTES
    assert len(chart.costs) == 18


@pytest.mark.parametrize(
    ("dataset", "published", "subtitle", "num_published"),
    [
        ("imagenet", None, "mobilenet_v2 · imagenet · 3 epochs · published figures: tf_slim (ImageNet)", 22),
        ("imagenet", "mindspore", "mobilenet_v2 · imagenet · 3 epochs · published figures: mindspore (ImageNet)", 22),
        ("imagenet", "none", "mobilenet_v2 · imagenet · 3 epochs", None),
        ("digits", None, "mobilenet_v2 · digits · 3 epochs", None),
        ("digits", "tf_slim", "mobilenet_v2 · digits · 3 epochs", None),
    ],
)
def test_subtitle_names_dataset_epochs_and_source(
    dataset: str,
    published: str | None,
    subtitle: str,
    num_published: int | None,
    make_row: MakeRow,
    make_table: MakeTable,
) -> None:
    chart = chart_of(make_table([make_row(dataset=dataset)]), published=published)

    assert chart.subtitle == subtitle
    assert (None if chart.published is None else len(chart.published.costs)) == num_published


@pytest.mark.parametrize(("epochs", "text"), [([1], "1 epoch"), ([3, 3], "3 epochs"), ([5, 10, 20], "5 to 20 epochs")])
def test_subtitle_names_the_range_of_epochs(
    epochs: list[int], text: str, make_row: MakeRow, make_table: MakeTable
) -> None:
    assert chart_of(make_table([make_row(epochs=e) for e in epochs])).subtitle == f"mobilenet_v2 · digits · {text}"


@pytest.mark.parametrize(
    ("rows", "caption"),
    [
        ([], "0 points: 0 complete"),
        ([{"state": "FAILED"}], "1 point: 0 complete, 1 failed (not drawn)"),
        ([{}], f"1 point: 1 complete{NOTES}"),
        ([{}, {"seed": 1}], "2 points: 2 complete · means over seeds · labels: width@resolution"),
    ],
)
def test_caption_describes_the_complete_points(
    rows: list[Row], caption: str, make_row: MakeRow, make_table: MakeTable
) -> None:
    assert chart_of(make_table([make_row(**row) for row in rows])).caption == caption


@pytest.mark.parametrize(
    ("models", "subtitle", "legend"),
    [
        (["mobilenet_v2"], "mobilenet_v2 · digits · 3 epochs", set[str]()),
        (
            ["mobilenet_v2", "mobilenet_v1"],
            "digits · 3 epochs",
            {"Network", "mobilenet_v1", "mobilenet_v2"},
        ),
    ],
)
def test_legend_names_families_where_there_are_several(
    models: list[str], subtitle: str, legend: set[str], make_row: MakeRow, make_table: MakeTable
) -> None:
    chart = chart_of(make_table([make_row(model=model) for model in models]))
    texts = {text.get_text() for text in visible_texts(draw(chart))}

    assert chart.subtitle == subtitle
    assert texts & {"Network", "mobilenet_v1", "mobilenet_v2"} == legend


@pytest.mark.parametrize(
    ("row", "entries"),
    [
        ({"top1": 95.0}, []),
        ({"top1": 50.0}, ["not on the frontier"]),
        ({"state": "PRUNED"}, ["stopped early (1)"]),
        ({"state": "FAILED"}, []),
    ],
)
def test_legend_names_the_kinds_of_points_in_the_chart(
    row: Row, entries: list[str], make_row: MakeRow, make_table: MakeTable
) -> None:
    figure = draw(chart_of(make_table([make_row(), make_row(**{"width_mult": 1.0} | row)])))
    texts = [text.get_text() for text in figure.legends[0].get_texts()]

    assert texts == ["frontier", *entries]


def test_points_off_the_frontier_are_visible_on_its_line(make_row: MakeRow, make_table: MakeTable) -> None:
    """The vertical line of the frontier runs through the two worse settings of a network with three settings."""
    rows = [make_row(resolution=64, top1=60.0), *(make_row(top1=top1, lr=top1) for top1 in (70.0, 80.0, 90.0))]
    (axes,) = draw(chart_of(make_table(rows))).axes
    off, on = (dots for dots in axes.collections if isinstance(dots, PathCollection))

    assert (len(np.asarray(off.get_offsets())), len(np.asarray(on.get_offsets()))) == (2, 2)
    assert np.asarray(off.get_edgecolors()).tolist() == [[1, 1, 1, 1]] * 2
    assert axes.lines[0].get_zorder() < off.get_zorder() < on.get_zorder()


@pytest.mark.parametrize("seed", [0, 3, 4, 5])
def test_no_label_covers_the_line_of_the_frontier(seed: int, make_row: MakeRow, make_table: MakeTable) -> None:
    steps = np.random.default_rng(seed).random((22, 2)).cumsum(axis=0)
    steps /= steps[-1]
    rows = [make_row(macs=int(1e7 * 60**cost), top1=45 + 30 * gain) for cost, gain in steps.tolist()]
    figure = draw(chart_of(make_table(rows)))
    figure.canvas.draw()
    (axes,) = figure.axes
    (line,) = axes.lines
    path = line.get_transform().transform_path(line.get_path())
    boxes = [Text.get_window_extent(label) for label in axes.texts]

    assert len(boxes) >= 9
    assert not [box for box in boxes if path.intersects_bbox(box, filled=False)]


@pytest.mark.parametrize(
    ("top1", "caption"),
    [(85.0, "1 stopped early (hollow)"), (20.0, "1 stopped early (hollow; triangles: 1 that lie below)")],
)
def test_points_stopped_early_do_not_stretch_the_top1_axis(
    top1: float, caption: str, make_row: MakeRow, make_table: MakeTable
) -> None:
    complete = [make_row(top1=80.0), make_row(width_mult=1.0, top1=90.0)]
    chart = chart_of(make_table([*complete, make_row(resolution=128, state="PRUNED", top1=top1)]))
    (axes,) = draw(chart).axes

    assert caption in chart.caption
    assert axes.get_ylim() == pytest.approx((79.1, 90.9), abs=1.0)
    assert min(chart.top1) == pytest.approx(max(min(top1, 80.0), 79.1))


def test_points_stopped_early_have_no_fill(make_row: MakeRow, make_table: MakeTable) -> None:
    (axes,) = draw(chart_of(make_table([make_row(), make_row(width_mult=1.0, state="PRUNED")]))).axes
    hollow, on = (dots for dots in axes.collections if isinstance(dots, PathCollection))

    assert np.asarray(hollow.get_facecolors())[:, 3].tolist() == [0]
    assert np.asarray(on.get_facecolors())[:, 3].tolist() == [1]


def test_seeds_are_drawn_as_their_mean_and_deviation(make_row: MakeRow, make_table: MakeTable) -> None:
    rows = [make_row(seed=seed, top1=top1) for seed, top1 in enumerate((80.0, 90.0))]
    chart = chart_of(make_table([*rows, make_row(width_mult=1.0, top1=95.0)]))
    figure = draw(chart)
    (axes,) = figure.axes
    [bars] = [bars for bars in axes.collections if isinstance(bars, LineCollection)]
    [low], [high] = [[end] for end in bars.get_segments()[0]]

    assert (chart.top1.tolist(), chart.runs[:, 1].tolist()) == ([85.0, 95.0], [80.0, 90.0])
    assert (low[1], high[1]) == pytest.approx((85 - 50**0.5, 85 + 50**0.5))
    assert [text.get_text() for text in figure.legends[0].get_texts()][-2:] == ["± deviation of seeds", "one seed"]
    assert axes.get_ylim()[0] < low[1]


def test_labels_do_not_cover_deviations_where_there_is_room(make_row: MakeRow, make_table: MakeTable) -> None:
    rows = [make_row(width_mult=w, seed=s, top1=70 + 20 * w + 8 * s) for w in (0.25, 0.5, 1.0) for s in (0, 1)]
    figure = draw(chart_of(make_table(rows)))
    figure.canvas.draw()
    (axes,) = figure.axes
    [bars] = [bars for bars in axes.collections if isinstance(bars, LineCollection)]
    paths = [axes.transData.transform_path(path) for path in bars.get_paths()]
    boxes = [Text.get_window_extent(label) for label in axes.texts]

    assert len(boxes) == 3
    assert not [box for box in boxes for path in paths if path.intersects_bbox(box, filled=False)]


def test_published_points_have_their_computed_costs(make_row: MakeRow, make_table: MakeTable) -> None:
    table = make_table([make_row(model="mobilenet_v1", dataset="imagenet")])

    published = chart_of(table).published

    assert published is not None
    assert 325.400448 in published.costs
    assert 317 not in published.costs


def test_colour_shows_the_width_where_all_resolutions_are_equal(make_row: MakeRow, make_table: MakeTable) -> None:
    chart = chart_of(make_table([make_row(width_mult=w) for w in (0.35, 0.5)]))

    assert (chart.shade_title, chart.shades.tolist()) == ("Width multiplier", [0.35, 0.5])


def test_each_dataset_has_its_own_line(make_row: MakeRow, make_table: MakeTable) -> None:
    chart = chart_of(make_table([make_row(), make_row(dataset="cifar10"), make_row(dataset="cifar10", lr=1)]))

    assert [(series.label, len(series.costs)) for series in chart.points] == [("cifar10", 2), ("digits", 1)]


@pytest.mark.parametrize(
    ("text", "most", "expected"),
    [("a\n b", 9, "a b"), ("abcdef", 4, "abc…"), ("abcd", 4, "abcd"), ("ab cdef", 4, "ab…"), ("", 4, "")],
)
def test_long_texts_are_cut_to_one_line(text: str, most: int, expected: str) -> None:
    assert one_line(text, most) == expected


@pytest.mark.parametrize("dataset", ["digits", "imagenet"])
@pytest.mark.parametrize("cost", ["macs", "num_params"])
def test_texts_overlap_nowhere_and_lie_within_the_figure(
    dataset: str, cost: Cost, mixed_rows: list[Row], make_table: MakeTable
) -> None:
    table = make_table([row | {"dataset": dataset} for row in mixed_rows])
    figure = draw(chart_of(table, cost=cost))
    figure.canvas.draw()

    # a label's own `get_window_extent` would include its leader
    boxes = [Text.get_window_extent(text) for text in visible_texts(figure)]

    assert not [(a, b) for a, b in itertools.combinations(boxes, 2) if a.shrunk(0.98, 0.9).overlaps(b)]
    assert all(box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1 for box in boxes)


def test_no_text_is_smaller_than_8_points(mixed_rows: list[Row], make_table: MakeTable) -> None:
    figure = draw(chart_of(make_table(mixed_rows)))

    assert min(text.get_fontsize() for text in visible_texts(figure)) >= 8


@pytest.mark.parametrize("top1s", [[90.0], [90.0, 90.0], [0.0, 100.0]])
def test_charts_of_one_value_and_of_the_whole_range_have_readable_ticks(
    top1s: list[float], make_row: MakeRow, make_table: MakeTable
) -> None:
    (axes,) = draw(chart_of(make_table([make_row(top1=top1, lr=lr) for lr, top1 in enumerate(top1s, 1)]))).axes

    assert len(axes.get_xticks()) >= 3
    assert len(axes.get_yticks()) >= 2
    assert all(label.get_text().replace(".", "").isdigit() for label in axes.get_xticklabels())


@pytest.mark.parametrize("rows", [0, 1])
def test_chart_without_a_complete_point_says_so(rows: int, make_row: MakeRow, make_table: MakeTable) -> None:
    figure = draw(chart_of(make_table([make_row(state="FAILED", top1=None)] * rows)))

    assert "no complete point yet" in {text.get_text() for text in visible_texts(figure)}


def test_names_with_dollar_signs_are_drawn_literally(make_row: MakeRow, make_table: MakeTable) -> None:
    table = make_table([make_row(dataset="$x^2$"), make_row(dataset="a$b_c$")])
    content = BytesIO()

    figure = draw(info(by_setting(table), compare(table, None), "macs", sweep="cost$_{5$"))
    figure.savefig(content, format="svg")

    assert {"cost$_{5$", "$x^2$"} <= {text.get_text() for text in visible_texts(figure)}


def test_every_family_has_its_own_marker_even_an_unknown_one() -> None:
    models = [*style.MARKERS, "mobilenet_v4", "mobilenet_v5"]

    assert len({style.marker(model, models) for model in models}) == len(models)


@pytest.mark.parametrize("num", [1, 2, 5, 40])
def test_colours_are_distinct_and_in_order_of_lightness(num: int) -> None:
    colours = list(style.shades(np.arange(num, dtype=float)).values())
    weights = np.array([0.2126, 0.7152, 0.0722])
    lightness = [float(weights @ np.array(matplotlib.colors.to_rgb(colour)) ** 2.2) for colour in colours]

    assert len(set(colours)) == num
    assert lightness == sorted(lightness)


def test_dot_areas_are_proportional_to_parameters_in_the_chart_of_macs(
    make_row: MakeRow, make_table: MakeTable
) -> None:
    millions = (2, 3, 8)
    table = make_table([make_row(num_params=n * 10**6, macs=n * 10**6, top1=10 * n) for n in millions])

    areas = chart_of(table).sizes ** 2

    assert (areas / areas[0]).tolist() == pytest.approx([n / millions[0] for n in millions])


def test_dot_sizes_show_the_frontier_in_charts_of_other_costs(make_row: MakeRow, make_table: MakeTable) -> None:
    rows = [make_row(num_params=10**6, top1=90.0), make_row(num_params=2 * 10**6, top1=80.0)]
    rows += [make_row(num_params=3 * 10**6, top1=85.0, state="PRUNED")]

    chart = chart_of(make_table(rows), cost="num_params")

    assert chart.on_frontier.tolist() == [True, False, False]
    assert chart.sizes.tolist() == [style.LARGE, style.SMALL, style.SMALLEST]


def test_labels_name_the_family_where_there_are_several(make_row: MakeRow, make_table: MakeTable) -> None:
    rows = [make_row(width_mult=0.35, resolution=96), make_row(model="mobilenet_v3_small", width_mult=0.75, macs=10**9)]

    chart = chart_of(make_table(rows))

    assert set(chart.labels) == {"v2 0.35@96", "v3-small 0.75@96"}
    assert chart.caption.endswith("labels: family width@resolution")


def test_latency_chart_counts_the_measured_points(make_row: MakeRow, make_table: MakeTable) -> None:
    table = make_table([make_row(lr=0.1), make_row(lr=0.2), make_row(lr=0.3)])
    assessed = {"latency_ms": {"cpu": {str(table["point"][1]): 4.0}}}

    chart = PLOTS["latency_top1"].info(results_of(table, compare(table, None), name="demo", assessed=assessed))

    assert isinstance(chart, FrontierInfo)
    assert chart.caption.startswith("1 point: 1 complete")


def test_chart_of_imagenet_has_the_range_of_sources_and_weight_sharing(
    make_row: MakeRow, make_table: MakeTable
) -> None:
    rows = [make_row(dataset="imagenet", model="mobilenet_v2")]

    chart, on_digits = chart_of(make_table(rows)), chart_of(make_table([make_row()]))

    assert chart.source_range is not None
    costs, top1 = chart.source_range.outline
    assert set(top1[costs == costs.min()]) == {45.5, 47.5}  # 0.35@96 of TF-slim and of MindSpore
    assert chart.weight_sharing is not None
    assert chart.weight_sharing.label in set(chart.numbers()["series"])
    assert on_digits.weight_sharing is None
    assert on_digits.source_range is None


def test_charts_of_a_published_table_describe_their_points_and_latency_is_of_one_phone() -> None:
    """TF-slim times V3 in another table, on a newer TF-Lite, so the latency chart leaves V3 out."""
    results = published_results("tf_slim")

    charts = {name: plot.info(results) for name, plot in PLOTS.items()}

    frontier, latency, heat_map = charts["macs_top1"], charts["latency_top1"], charts["width_resolution"]
    assert isinstance(frontier, FrontierInfo)
    assert isinstance(latency, FrontierInfo)
    assert isinstance(heat_map, HeatMapInfo)
    assert "band: " in frontier.note
    assert "stars: " in frontier.note
    assert latency.note == ""
    assert "of 20 others no figure of this device" in latency.caption
    assert latency.subtitle.startswith("mobilenet_v2 · imagenet · Pixel 1")
    assert heat_map.texts.caption[-1].endswith("2 of 4 families")
    assert charts["importance"] is None
