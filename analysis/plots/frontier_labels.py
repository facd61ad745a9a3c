"""Labels on the frontier: measures the texts, finds places and draws the labels."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.font_manager import FontProperties
from matplotlib.patheffects import withStroke

from analysis import style
from analysis.frontier.pareto import step_line
from analysis.plots.frontier_info import Array, FrontierInfo, Series
from analysis.plots.labels import Place, place_labels


def draw_labels(canvas: FigureCanvasAgg, axes: Axes, chart: FrontierInfo) -> None:
    """Label as many points of the frontier as fit; the limits of the axes must be final."""
    names = _names(chart)
    if not names:
        return
    anchors = _to_points(canvas, axes, np.array(list(names)))
    points = np.stack([chart.costs, chart.top1], axis=1)
    lines = [_line_boxes(canvas, axes, series) for series in chart.points]
    dots = _boxes(_to_points(canvas, axes, points), chart.sizes[:, None] / 2 + 0.5)
    faint = np.vstack([dots[chart.pruned], _deviation_boxes(canvas, axes, chart)])
    if chart.published is not None:
        crosses = _to_points(canvas, axes, np.stack([chart.published.costs, chart.published.top1], axis=1))
        faint = np.vstack([faint, _boxes(crosses, 3.0), _line_boxes(canvas, axes, chart.published)])
    places = place_labels(
        anchors,
        np.array([_text_size(canvas, text) for text in names.values()]),
        solid=np.vstack([dots[~chart.pruned], *lines]),
        faint=faint,
        bounds=np.asarray(axes.get_window_extent().extents) * 72 / canvas.figure.dpi,
    )
    # where several points share a place, the largest
    radii = {at: size / 2 for at, size in sorted(zip(map(tuple, points.tolist()), chart.sizes.tolist(), strict=True))}
    for at, anchor, text, place in zip(names, anchors, names.values(), places, strict=True):
        if place is not None:
            _draw_label(axes, text, at, anchor, place, radii[at])


def _names(chart: FrontierInfo) -> dict[tuple[float, float], str]:
    """Return one label for each place (cost, top-1) with points of the frontier, the cheapest first."""
    labels: dict[tuple[float, float], dict[str, None]] = {}
    places = list(zip(chart.costs.tolist(), chart.top1.tolist(), strict=True))
    for i in sorted(np.flatnonzero(chart.on_frontier), key=lambda i: places[i]):
        labels.setdefault(places[i], {})[chart.labels[i]] = None
    return {at: _merged(list(unique)) for at, unique in labels.items()}


def _merged(labels: list[str]) -> str:
    return labels[0] if len(labels) == 1 else f"{labels[0]} +{len(labels) - 1}"


def _draw_label(axes: Axes, text: str, at: tuple[float, float], anchor: Array, place: Place, radius: float) -> None:
    leader = {"arrowstyle": "-", "color": style.MUTED, "linewidth": 0.7, "shrinkA": 1, "shrinkB": radius}
    label = axes.annotate(
        text,
        at,
        xytext=(place.corner[0] - float(anchor[0]), place.corner[1] - float(anchor[1])),
        textcoords="offset points",
        va="bottom",
        fontsize=style.LABEL,
        parse_math=False,
        color=style.INK,
        arrowprops=leader if place.leader else None,
        zorder=5,
    )
    label.set_path_effects([withStroke(linewidth=2, foreground="white")])


def _text_size(canvas: FigureCanvasAgg, text: str) -> tuple[float, float]:
    """Return the width and height of a label, in typographic points, with a margin."""
    font = FontProperties(family=style.FONT, size=style.LABEL)
    width, height, _ = canvas.get_renderer().get_text_width_height_descent(text, font, ismath=False)
    scale = 72 / canvas.figure.dpi
    return width * scale + 2, height * scale + 1


def _to_points(canvas: FigureCanvasAgg, axes: Axes, data: Array) -> Array:
    """Return places (n, 2) of cost and top-1 in typographic points from the lower left corner of the figure."""
    return np.asarray(axes.transData.transform(data)) * 72 / canvas.figure.dpi


def _boxes(centres: Array, radius: Array | float) -> Array:
    return np.concatenate([centres - radius, centres + radius], axis=1)


def _deviation_boxes(canvas: FigureCanvasAgg, axes: Axes, chart: FrontierInfo) -> Array:
    """Return the bars of one standard deviation up and down as boxes."""
    several = ~np.isnan(chart.deviations)
    costs, top1, deviations = chart.costs[several], chart.top1[several], chart.deviations[several]
    low = _to_points(canvas, axes, np.stack([costs, top1 - deviations], axis=1))
    high = _to_points(canvas, axes, np.stack([costs, top1 + deviations], axis=1))
    return np.concatenate([low - 2.5, high + 2.5], axis=1)


def _line_boxes(canvas: FigureCanvasAgg, axes: Axes, series: Series) -> Array:
    """Return the horizontal and vertical pieces of a step line as boxes."""
    line = step_line(series.costs[series.on_frontier], series.top1[series.on_frontier])
    corners = _to_points(canvas, axes, np.stack(line, axis=1))
    ends = np.stack([corners[:-1], corners[1:]])
    return np.concatenate([ends.min(axis=0) - 0.7, ends.max(axis=0) + 0.7], axis=1)
