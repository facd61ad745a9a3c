"""Charts of networks: top-1 and top-5 by MACs, the heat map, and the lines along width and resolution."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text

from analysis import style
from analysis.plots import along_width_resolution, top1_top5, width_resolution
from analysis.plots.along_width_resolution import spread_ticks
from analysis.plots.cells import cell_label, spaced
from analysis.plots.line_labels import spread
from analysis.plots.registry import PLOTS
from analysis.plots.width_resolution import filled, ink_on
from analysis.published.comparison import compare
from analysis.published.sweep_results import SweepResults, results_of

Row = dict[str, Any]
MakeRow = Callable[..., Row]
MakeTable = Callable[[list[Row]], pd.DataFrame]

NAN = float("nan")
CHARTS = ("top1_top5", "width_resolution", "along_width_resolution")


def results(table: pd.DataFrame, published: str | None = None) -> SweepResults:
    return results_of(table, compare(table, published), name="demo")


def visible_texts(figure: Figure) -> list[Text]:
    return [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]


@pytest.mark.parametrize("name", CHARTS)
@pytest.mark.parametrize("other", [{"state": "FAILED"}, {"state": "PRUNED"}, {"dataset": "cifar10"}])
def test_only_complete_settings_of_one_dataset_are_drawn(
    name: str, other: Row, make_row: MakeRow, make_table: MakeTable
) -> None:
    """One of four networks is complete on digits; the other three are not complete, or are of another dataset."""
    cells = [(w, r) for w in (0.5, 1.0) for r in (64, 96)]
    rows = [make_row(width_mult=w, resolution=r, **(other if i else {})) for i, (w, r) in enumerate(cells)]
    chart = PLOTS[name].info(results(make_table(rows)))

    assert (chart is not None) == (name == "top1_top5" and "state" in other)


@pytest.mark.parametrize("name", CHARTS)
def test_texts_are_within_the_figure_and_none_is_small(
    name: str, mixed_rows: list[Row], make_table: MakeTable, make_row: MakeRow
) -> None:
    other = [make_row(model="mobilenet_v3_large", width_mult=w, resolution=r) for w in (0.75, 1.0) for r in (192, 224)]
    figure = PLOTS[name].draw(PLOTS[name].info(results(make_table([*mixed_rows, *other]), "tf_slim")))
    assert figure is not None
    figure.savefig(BytesIO(), format="png")
    boxes = [Text.get_window_extent(text) for text in visible_texts(figure)]

    assert all(box.x0 >= 0 and box.y0 >= 0 and box.x1 <= figure.bbox.x1 and box.y1 <= figure.bbox.y1 for box in boxes)
    assert min(text.get_fontsize() for text in visible_texts(figure)) >= style.LABEL


def test_top1_top5_chart_orders_the_best_settings_of_networks_by_macs(make_row: MakeRow, make_table: MakeTable) -> None:
    """A wider network at a lower resolution costs less; an incomplete setting is never the best of a network."""
    rows = [
        make_row(width_mult=0.35, resolution=224, top1=60.0, top5=80.0),
        make_row(width_mult=1.0, resolution=32, top1=70.0, top5=91.0),
        make_row(width_mult=1.0, resolution=32, top1=75.0, top5=90.0, lr=9.0),
        make_row(width_mult=1.0, resolution=32, top1=99.0, top5=99.0, lr=7.0, state="PRUNED"),
    ]
    chart = top1_top5.info(results(make_table(rows)))

    assert chart is not None
    assert chart.labels == ("1.0@32", "0.35@224")
    assert (chart.top1.tolist(), chart.top5.tolist()) == ([75.0, 60.0], [90.0, 80.0])
    assert chart.source == ""


@pytest.mark.parametrize(("total_stride", "source", "published"), [(32, "tf_slim", [NAN, 71.8]), (16, "", [NAN, NAN])])
def test_published_figures_are_drawn_only_for_identical_networks(
    total_stride: int, source: str, published: list[float], make_row: MakeRow, make_table: MakeTable
) -> None:
    cells = [(0.5, 100), (1.0, 224)]  # nobody published 0.5@100
    rows = [make_row(width_mult=w, resolution=r, dataset="imagenet", total_stride=total_stride) for w, r in cells]
    chart = top1_top5.info(results(make_table(rows)))

    assert chart is not None
    assert chart.source == source
    np.testing.assert_allclose(chart.published_top1, published)
    assert ("1 of them as published by tf_slim" in chart.texts.caption[0]) == bool(source)


def test_heat_map_has_the_best_top1_of_each_cell_and_empty_cells_elsewhere(
    make_row: MakeRow, make_table: MakeTable
) -> None:
    rows = [
        make_row(width_mult=1.0, resolution=64, top1=70.0, macs=30_000_000),
        make_row(width_mult=0.5, resolution=96, top1=60.0, macs=20_000_000),
        make_row(width_mult=0.5, resolution=96, top1=65.0, macs=20_000_000, lr=9.0),
        make_row(width_mult=0.5, resolution=64, top1=50.0, macs=10_000_000),
        make_row(width_mult=1.0, resolution=96, state="FAILED", top1=None),
        make_row(model="mobilenet_v1", width_mult=1.0, resolution=64, top1=10.0),
    ]
    chart = width_resolution.info(results(make_table(rows)))

    assert chart is not None
    assert [panel.model for panel in chart.panels] == ["mobilenet_v2"]
    (panel,) = chart.panels
    assert (panel.widths.tolist(), panel.resolutions.tolist()) == ([0.5, 1.0], [64.0, 96.0])
    np.testing.assert_array_equal(panel.top1, [[50.0, 65.0], [70.0, NAN]])
    np.testing.assert_array_equal(panel.macs, [[10.0, 20.0], [30.0, NAN]])
    assert all(10 <= level <= 30 for level in panel.levels)
    assert {"50.0", "65.0", "70.0"} <= {text.get_text() for text in visible_texts(width_resolution.draw(chart))}


@pytest.mark.parametrize("cells", [[(0.5, 64)], [(0.5, 64), (1.0, 64)], [(0.5, 64), (0.5, 96)]])
def test_there_is_no_heat_map_of_one_width_or_one_resolution(
    cells: list[tuple[float, int]], make_row: MakeRow, make_table: MakeTable
) -> None:
    table = make_table([make_row(width_mult=w, resolution=r) for w, r in cells])

    assert width_resolution.info(results(table)) is None


def test_lines_of_equal_macs_cross_cells_of_that_cost(make_row: MakeRow, make_table: MakeTable) -> None:
    """MACs double with every column and every row, so a label at (x, y) must state 10 * 2 ** (x + y) M MACs."""
    cells = [(w, r) for w in range(4) for r in range(4)]
    rows = [make_row(width_mult=(w + 1) / 4, resolution=32 * (r + 1), macs=10_000_000 * 2 ** (w + r)) for w, r in cells]
    chart = width_resolution.info(results(make_table(rows)))
    assert chart is not None
    (axes, _) = width_resolution.draw(chart).axes
    positions = {text.get_text(): text.get_position() for text in axes.texts if text.get_text().endswith(" M")}

    assert len(positions) >= 3
    for label, (x, y) in positions.items():
        assert 10 * 2 ** (x + y) == pytest.approx(float(label[:-2]), rel=1e-6)


@pytest.mark.parametrize("missing", [(0, 0), (1, 2), (2, 1)])
def test_missing_macs_are_filled_from_width_and_resolution(missing: tuple[int, int]) -> None:
    log_macs = np.array([[6.0], [6.5], [7.3]]) + np.array([0.0, 0.4, 1.1])
    known = log_macs.copy()
    known[missing] = NAN

    assert filled(known, np.array([64.0, 96.0, 128.0])) == pytest.approx(log_macs)


def test_missing_macs_grow_with_the_image_area_without_other_data() -> None:
    log_macs = filled(np.array([[6.0, NAN], [NAN, 8.0]]), np.array([100.0, 1000.0]))

    assert log_macs == pytest.approx(np.array([[6.0, 8.0], [6.0, 8.0]]))


@pytest.mark.parametrize(
    ("colour", "ink"),
    [((0.0, 0.0, 0.0), "white"), ((1.0, 1.0, 1.0), style.INK), ((1.0, 1.0, 0.0), style.INK), ((0, 0, 1.0), "white")],
)
def test_numbers_contrast_with_their_cells(colour: tuple[float, float, float], ink: str) -> None:
    assert ink_on(colour) == ink


def test_chart_has_lines_along_width_and_along_resolution(make_row: MakeRow, make_table: MakeTable) -> None:
    cells = {(1.0, 64): 70.0, (0.5, 64): 50.0, (0.5, 96): 60.0}
    rows = [make_row(width_mult=w, resolution=r, top1=top1) for (w, r), top1 in cells.items()]
    chart = along_width_resolution.info(results(make_table(rows)))

    assert chart is not None
    lines = [[(line.shared, line.along.tolist(), line.top1.tolist()) for line in p.lines] for p in chart.panels]
    assert lines[0] == [(64.0, [0.5, 1.0], [50.0, 70.0]), (96.0, [0.5], [60.0])]
    assert lines[1] == [(0.5, [64.0, 96.0], [50.0, 60.0]), (1.0, [64.0], [70.0])]


@pytest.mark.parametrize(
    ("cells", "panels"),
    [
        ([(0.5, 64)], []),
        ([(0.5, 64), (1.0, 64)], ["Width multiplier"]),
        ([(0.5, 64), (0.5, 96)], ["Resolution (px)"]),
    ],
)
def test_panel_of_a_single_value_is_left_out(
    cells: list[tuple[float, int]], panels: list[str], make_row: MakeRow, make_table: MakeTable
) -> None:
    table = make_table([make_row(width_mult=w, resolution=r) for w, r in cells])
    chart = along_width_resolution.info(results(table))

    assert [panel.x_label for panel in (chart.panels if chart else ())] == panels


@pytest.mark.parametrize("seed", range(10))
def test_labels_are_spread_in_order_and_within_the_axis(seed: int) -> None:
    random = np.random.default_rng(seed)
    heights = random.random(random.integers(1, 11))
    positions = spread(heights, gap=0.1)
    ascending = np.sort(positions)

    assert np.argsort(positions).tolist() == np.argsort(heights).tolist()
    assert (np.diff(ascending) >= 0.1 - 1e-12).all()
    assert 0 <= ascending[0] <= ascending[-1] <= 1 + 1e-12


@pytest.mark.parametrize(
    ("heights", "expected"),
    [([], []), ([0.5], [0.5]), ([0.9, 0.1], [0.9, 0.1]), ([0.5, 0.5], [0.45, 0.55]), ([1, 1], [0.9, 1])],
)
def test_labels_move_only_where_they_overlap(heights: list[float], expected: list[float]) -> None:
    assert spread(np.array(heights, dtype=float), gap=0.1) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([0.35, 0.5, 0.75, 1.0, 1.3, 1.4], [0.35, 0.5, 0.75, 1.0, 1.4]),
        ([96, 128, 160, 192, 224], [96, 128, 160, 192, 224]),
        ([1.0], [1.0]),
        ([1.0, 1.01, 2.0], [1.0, 2.0]),
    ],
)
def test_ticks_include_both_ends_and_keep_a_distance(values: list[float], ticks: list[float]) -> None:
    assert spread_ticks(np.array(values)) == ticks


@pytest.mark.parametrize(("num", "most", "expected"), [(0, 3, []), (1, 3, [0]), (3, 3, [0, 1, 2]), (9, 3, [0, 4, 8])])
def test_names_are_thinned_evenly(num: int, most: int, expected: list[int]) -> None:
    assert spaced(num, most) == expected


@pytest.mark.parametrize(
    ("width", "resolution", "label"), [(1, 224, "1.0@224"), (0.35, 96, "0.35@96"), (0.123456, 32, "0.1235@32")]
)
def test_cells_are_named_by_width_and_resolution(width: float, resolution: int, label: str) -> None:
    assert cell_label(width, resolution) == label
