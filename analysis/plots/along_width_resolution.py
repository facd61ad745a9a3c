"""Top-1 along width at each resolution, and along resolution at each width: d-li14's two tables, drawn."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import style
from analysis.plots.cells import Array, best_cells, complete_settings, spaced
from analysis.plots.line_labels import label_ends
from analysis.plots.sheet import Texts, draw_legend, family_handles, label_axes, scale_percent, sheet, texts_of
from analysis.published.sweep_results import SweepResults

MOST_TICKS, MOST_LABELS = 7, 12
MANY = 150
"""More networks than these are small dots."""
LEFT, BOTTOM, HEIGHT, GAP, RIGHT = 0.075, 0.16, 0.62, 0.125, 0.885
"""Of the panels, as shares of the figure."""


@dataclass(frozen=True, kw_only=True)
class Line:
    """The networks of one family that share a width or a resolution."""

    model: str
    shared: float
    """What they share, told by the colour."""
    along: Array
    """Ascending; (n,) as top-1 is."""
    top1: Array
    """Percent."""


@dataclass(frozen=True, kw_only=True)
class Panel:
    """Top-1 along one of the two."""

    x_label: str
    subtitle: str
    """What a line is."""
    unit: str
    """Of what the networks of a line share."""
    lines: tuple[Line, ...]


@dataclass(frozen=True, kw_only=True)
class AlongInfo:
    """Content of the chart."""

    texts: Texts
    panels: tuple[Panel, ...]
    """One or two: along width where there are two widths, along resolution where there are two resolutions."""

    def numbers(self) -> pd.DataFrame:
        """Return a table with a row per network of each line."""
        rows = [
            (panel.x_label, line.model, f"{line.shared:g}{panel.unit}", along, top1)
            for panel in self.panels
            for line in panel.lines
            for along, top1 in zip(line.along, line.top1, strict=True)
        ]
        return pd.DataFrame(rows, columns=["along", "model", "line", "value", "top1"])


def info(results: SweepResults) -> AlongInfo | None:
    """Return the content; None unless there are two widths or two resolutions, and for several datasets."""
    cells = best_cells(complete_settings(results))
    panels: list[Panel] = []
    if len(set(cells["width_mult"])) > 1:
        lines = _lines(cells, "width_mult", "resolution")
        panels.append(Panel(x_label="Width multiplier", subtitle="a line: a resolution", unit=" px", lines=lines))
    if len(set(cells["resolution"])) > 1:
        lines = _lines(cells, "resolution", "width_mult")
        panels.append(Panel(x_label="Resolution (px)", subtitle="a line: a width", unit="x", lines=lines))
    caption = "Best complete setting of each network · resolutions in px, widths as multipliers (x)"
    texts = texts_of(results, "Top-1 along width and resolution", caption)
    return AlongInfo(texts=texts, panels=tuple(panels)) if panels else None


def _lines(cells: pd.DataFrame, along: str, shared: str) -> tuple[Line, ...]:
    return tuple(
        Line(
            model=str(rows["model"].iloc[0]),
            shared=float(rows[shared].iloc[0]),
            along=rows[along].to_numpy(dtype=float),
            top1=rows["top1"].to_numpy(dtype=float),
        )
        for _, rows in cells.sort_values(along, kind="stable").groupby(["model", shared], sort=True)
    )


def draw(chart: AlongInfo) -> Figure:
    """Draw the chart as a figure."""
    with sheet(chart.texts, fit=False) as figure:
        pitch = (RIGHT - LEFT + GAP) / len(chart.panels)
        top1 = np.concatenate([line.top1 for panel in chart.panels for line in panel.lines])
        for number, panel in enumerate(chart.panels):
            axes = figure.add_axes((LEFT + number * pitch, BOTTOM, pitch - GAP, HEIGHT))
            label_axes(axes, panel.x_label, "" if number else "Top-1 accuracy (%)")
            axes.set_title(panel.subtitle, fontsize=style.SUBTITLE, color=style.MUTED, loc="left")
            scale_percent(axes, top1)
            _draw_lines(axes, panel)
        models = [line.model for panel in chart.panels for line in panel.lines]
        draw_legend(figure.axes[0], family_handles(models), left=-0.06, top=1.175, columns=4)
        return figure


def _draw_lines(axes: Axes, panel: Panel) -> None:
    """The lines, the longest of each value of what they share labelled at its end."""
    models = [line.model for line in panel.lines]
    colours = style.shades(np.array([line.shared for line in panel.lines]))
    few = sum(len(line.along) for line in panel.lines) <= MANY
    for line in panel.lines:
        axes.plot(
            line.along,
            line.top1,
            color=colours[line.shared],
            linewidth=1.4 if few else 0.5,
            marker=style.marker(line.model, models),
            markersize=style.SMALL if few else 2.0,
            markeredgecolor="white" if few else "none",
            clip_on=False,
        )
    ticks = np.unique(np.concatenate([line.along for line in panel.lines]))
    named = spread_ticks(ticks)
    axes.set_xticks(named, [f"{tick:.4g}" for tick in named])
    longest_last = sorted(panel.lines, key=lambda line: len(line.along))  # which is the one that is labelled
    ends = {line.shared: (line.along[-1], line.top1[-1]) for line in longest_last}
    labelled = [list(ends)[i] for i in spaced(len(ends), MOST_LABELS)]
    label_ends(axes, np.array([ends[each] for each in labelled]), [f"{each:.4g}{panel.unit}" for each in labelled])


def spread_ticks(values: Array) -> list[float]:
    """At most MOST_TICKS of ascending values, the first and the last among them, none close to the next."""
    least = (values[-1] - values[0]) / MOST_TICKS
    kept = [float(values[-1])]
    for value in values[:-1][::-1]:
        if kept[-1] - value >= least and (value - values[0] >= least or value == values[0]):
            kept.append(float(value))
    return kept[::-1]
