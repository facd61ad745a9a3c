"""The sheet that the charts beside the frontier are drawn on: title, subtitle and caption, and how axes look."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.legend import Legend
from matplotlib.lines import Line2D

from analysis import style
from analysis.plots.cells import Array, spaced
from analysis.plots.texts import one_line
from analysis.plots.ticks import percent_limits, percent_ticks
from analysis.published.sweep_results import SweepResults

LEFT, TOP, BOTTOM, LINE = 0.215, 0.68, 0.12, 0.16
"""Where texts begin, what they take above and below the axes, and the height of a line of the caption; inches."""
MOST_SHADES = 10
"""Most colours that a legend names, from the smallest value to the largest."""


@dataclass(frozen=True, kw_only=True)
class Texts:
    """Texts around the axes."""

    title: str
    """The name of the sweep."""
    subtitle: str
    """What the chart shows, and the dataset."""
    caption: tuple[str, ...]
    """How to read it, line by line."""


def texts_of(results: SweepResults, what: str, *caption: str) -> Texts:
    """Return the texts of a chart of one dataset, each cut to one line."""
    dataset = ", ".join(sorted(set(results.settings["dataset"].astype(str))))
    return Texts(
        title=one_line(results.name, 70),
        subtitle=one_line(f"{what} · {dataset}", 110),
        caption=tuple(one_line(line, 130) for line in caption),
    )


@contextmanager
def sheet(texts: Texts, *, size: tuple[float, float] = style.SIZE, fit: bool = True) -> Generator[Figure]:
    """A figure with its texts, to draw on under `style.RC`; pyplot is not used, and matplotlib's settings come back.

    Subplots are fitted to what the texts leave, unless `fit` is False: axes are then placed by `add_axes`.
    """
    with matplotlib.rc_context(dict(style.RC)):  # pyright: ignore[reportArgumentType]
        bottom, height = (BOTTOM + LINE * len(texts.caption)) / size[1], TOP / size[1]
        layout = ConstrainedLayoutEngine(rect=(0.01, bottom, 0.98, 1 - bottom - height))
        figure = FigureCanvasAgg(
            Figure(figsize=size, dpi=100, facecolor="white", layout=layout if fit else None)
        ).figure
        _write(figure, texts)
        yield figure


def _write(figure: Figure, texts: Texts) -> None:
    width, height = figure.get_size_inches()
    caption = [(0.08 + LINE * i, line) for i, line in enumerate(reversed(texts.caption))]
    for inches, text, font, colour in (
        (height - 0.29, texts.title, FontProperties(family=style.FONT, size=style.TITLE, weight="bold"), style.INK),
        (height - 0.52, texts.subtitle, FontProperties(family=style.FONT, size=style.SUBTITLE), style.MUTED),
        *((at, line, FontProperties(family=style.FONT, size=style.LABEL), style.MUTED) for at, line in caption),
    ):
        # parse_math: a sweep may have a dollar sign in its name
        figure.text(LEFT / width, inches / height, text, parse_math=False, fontproperties=font, color=colour)


def label_axes(axes: Axes, x_label: str, y_label: str) -> None:
    """Name the axes, with their units, and have them look as on the frontier chart."""
    axes.set_xlabel(x_label, fontsize=style.AXIS, color=style.INK)
    axes.set_ylabel(y_label, fontsize=style.AXIS, color=style.INK)
    axes.tick_params(labelsize=style.TICK, colors=style.MUTED, length=3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(style.PUBLISHED)
    axes.grid(color=style.GRID, linewidth=0.7)
    axes.set_axisbelow(True)


def scale_percent(axes: Axes, values: Array) -> None:
    """Fit the upright axis to percentages, one or more of which are not NaN."""
    limits = percent_limits(values[~np.isnan(values)])
    ticks = percent_ticks(*limits)
    axes.set_ylim(limits)
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])


def shade_handles(values: Array) -> list[Line2D]:
    """Return dots for a legend of the colour of each value."""
    colours = list(style.shades(values).items())
    picks = [colours[i] for i in spaced(len(colours), MOST_SHADES)]
    return [legend_dot(f"{value:.4g}", "o", colour) for value, colour in picks]


def family_handles(models: Sequence[str]) -> list[Line2D]:
    """Return shapes for a legend of families; none for a single family."""
    families = sorted(set(models))
    return [legend_dot(each, style.marker(each, families), style.MUTED) for each in families if len(families) > 1]


def legend_dot(label: str, shape: str, colour: str, *, edge: str = "white", size: float = style.SMALL) -> Line2D:
    """Return a marker for a legend."""
    return Line2D(
        [],
        [],
        linestyle="none",
        marker=shape,
        markersize=size,
        markerfacecolor=colour,
        markeredgecolor=edge,
        label=label,
    )


def draw_legend(
    axes: Axes, handles: Sequence[Line2D], *, title: str = "", left: float = 1.01, top: float = 1.02, columns: int = 1
) -> None:
    """Draw a legend from the corner (left, top), shares of the axes, down; none without handles."""
    if not handles:
        return
    legend = Legend(
        axes,
        handles,
        [str(handle.get_label()) for handle in handles],
        title=title or None,
        loc="upper left",
        bbox_to_anchor=(left, top),
        bbox_transform=axes.transAxes,
        alignment="left",
        fontsize=style.LEGEND,
        title_fontproperties={"size": style.LEGEND, "weight": "bold"},
        frameon=False,
        labelcolor=style.INK,
        handlelength=1.8,
        ncols=columns,
    )
    axes.add_artist(legend)
    legend.set_clip_on(False)  # or the layout leaves no room for it
