"""The frontier chart: what a network costs against its top-1, the sweep's frontier, and a published one beside it."""

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties

from analysis import style
from analysis.frontier.pareto import step_line
from analysis.plots.frontier_info import FrontierInfo
from analysis.plots.frontier_labels import draw_labels
from analysis.plots.frontier_legend import draw_legend
from analysis.plots.ticks import log_limits, log_ticks, percent_limits, percent_ticks

PLOT_AREA = (0.085, 0.17, 0.665, 0.70)
"""Left, bottom, width and height of the axes, as shares of the figure; the legend stands to their right."""
MARGIN = 0.025
"""Where texts above and below the axes begin, as a share of the figure."""


def draw(chart: FrontierInfo) -> Figure:
    """The chart as a figure of its own; pyplot is not used and matplotlib's settings are left as they were."""
    with matplotlib.rc_context(dict(style.RC)):  # pyright: ignore[reportArgumentType]
        canvas = FigureCanvasAgg(Figure(figsize=style.SIZE, dpi=100, facecolor="white"))
        axes = canvas.figure.add_axes(PLOT_AREA)
        _draw_axes(axes, chart)
        _draw_texts(canvas.figure, chart)
        _draw_published(axes, chart)
        if len(chart.runs):
            _draw_seeds(axes, chart)
        _draw_points(axes, chart)
        draw_labels(canvas, axes, chart)
        left, bottom, width, height = PLOT_AREA
        draw_legend(canvas, chart, left=left + width + 0.015, top=bottom + height + 0.015)
    return canvas.figure


def _draw_axes(axes: Axes, chart: FrontierInfo) -> None:
    axes.set_xlabel(chart.x_label, fontsize=style.AXIS, color=style.INK)
    axes.set_ylabel("Top-1 accuracy (%)", fontsize=style.AXIS, color=style.INK)
    axes.tick_params(labelsize=style.TICK, colors=style.MUTED, length=3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(style.PUBLISHED)
    axes.set_axisbelow(True)
    if chart.pruned.all():
        axes.text(0.5, 0.5, "no complete point yet", transform=axes.transAxes, ha="center", color=style.MUTED)
    costs = np.concatenate([np.empty(0), *(series.costs for series in chart.frontiers)])
    spread = np.nan_to_num(chart.deviations)
    reach = [chart.top1 - spread, chart.top1 + spread, chart.runs[:, 1]]
    top1 = np.concatenate([*reach, *(series.top1 for series in chart.frontiers)])
    if len(costs):
        _draw_scales(axes, log_limits(costs), percent_limits(top1))
    else:
        axes.set(xticks=[], yticks=[])


def _draw_scales(axes: Axes, x_limits: tuple[float, float], y_limits: tuple[float, float]) -> None:
    x_ticks, y_ticks = log_ticks(*x_limits), percent_ticks(*y_limits)
    axes.set(xscale="log", xlim=x_limits, ylim=y_limits)
    axes.set_xticks(x_ticks, [f"{tick:g}" for tick in x_ticks])
    axes.set_xticks([], minor=True)
    axes.set_yticks(y_ticks, [f"{tick:g}" for tick in y_ticks])
    axes.grid(color=style.GRID, linewidth=0.7)


def _draw_texts(figure: Figure, chart: FrontierInfo) -> None:
    texts = (
        (0.945, chart.title, FontProperties(family=style.FONT, size=style.TITLE, weight="bold"), style.INK),
        (0.900, chart.subtitle, FontProperties(family=style.FONT, size=style.SUBTITLE), style.MUTED),
        (0.046, chart.caption, FontProperties(family=style.FONT, size=style.LABEL), style.MUTED),
        (0.014, chart.note, FontProperties(family=style.FONT, size=style.LABEL, style="italic"), style.MUTED),
    )
    for height, text, font, colour in texts:
        # parse_math: a sweep may have a dollar sign in its name
        figure.text(MARGIN, height, text, parse_math=False, fontproperties=font, color=colour)


def _draw_published(axes: Axes, chart: FrontierInfo) -> None:
    """What others published: the range of all sources, the networks that share weights, the source that was chosen."""
    if chart.source_range is not None:
        axes.fill(*chart.source_range.outline, **style.SOURCE_RANGE)
    if chart.weight_sharing is not None:
        axes.plot(chart.weight_sharing.costs, chart.weight_sharing.top1, **style.WEIGHT_SHARING)
    published = chart.published
    if published is None:
        return
    axes.plot(*step_line(published.costs, published.top1), **style.PUBLISHED_LINE)
    for mask, alpha in ((published.on_frontier, 1.0), (~published.on_frontier, 0.5)):
        axes.scatter(
            published.costs[mask],
            published.top1[mask],
            s=25,
            marker=style.PUBLISHED_MARKER,
            color=style.PUBLISHED,
            alpha=alpha,
            zorder=2,
        )


def _draw_seeds(axes: Axes, chart: FrontierInfo) -> None:
    """The single trainings of each mean, and one deviation up and down."""
    several = ~np.isnan(chart.deviations)
    axes.plot(*chart.runs.T, rasterized=chart.as_pixels, **style.RUN)
    costs, top1, deviations = chart.costs[several], chart.top1[several], chart.deviations[several]
    axes.errorbar(costs, top1, deviations, rasterized=chart.as_pixels, **style.DEVIATION)


def _draw_points(axes: Axes, chart: FrontierInfo) -> None:
    for number, series in enumerate(chart.points):
        line = step_line(series.costs[series.on_frontier], series.top1[series.on_frontier])
        axes.plot(*line, color=style.INK, linewidth=1.4, linestyle=style.linestyle(number))
    by_value = style.shades(chart.shades)
    colours = np.array([by_value[value] for value in chart.shades.tolist()], dtype=object)
    faces = np.where(chart.pruned, "none", colours)
    edges = np.where(chart.pruned, colours, np.where(chart.on_frontier, style.INK, "white"))  # white: not on the line
    models = np.array(chart.models, dtype=object)
    for model in sorted(set(chart.models)):
        own = style.marker(model, chart.models)
        for mask, marker, zorder in (
            (chart.pruned & chart.below, style.BELOW_MARKER, 3),
            (chart.pruned & ~chart.below, own, 3),
            (~chart.on_frontier & ~chart.pruned, own, 3),
            (chart.on_frontier, own, 4),
        ):
            rows = np.flatnonzero(mask & (models == model))
            if not len(rows):
                continue
            rows = rows[np.argsort(-chart.sizes[rows], kind="stable")]  # small ones over large ones
            axes.scatter(
                chart.costs[rows],
                chart.top1[rows],
                s=chart.sizes[rows] ** 2 * style.CIRCLE / style.AREA.get(marker, style.CIRCLE),
                marker=marker,
                facecolors=list(faces[rows]),
                edgecolors=list(edges[rows]),
                clip_on=False,
                zorder=zorder,
                rasterized=chart.as_pixels,
            )
