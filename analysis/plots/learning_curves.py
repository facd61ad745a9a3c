"""Validation top-1 against epoch, a line a point: which points led, which were stopped, which failed."""

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis import style
from analysis.plots.cells import Array, Mask, cell_labels, shade_column, spaced
from analysis.plots.line_labels import label_ends
from analysis.plots.sheet import (
    Texts,
    draw_legend,
    family_handles,
    label_axes,
    scale_percent,
    shade_handles,
    sheet,
    texts_of,
)
from analysis.published.sweep_results import SweepResults

PLOT_AREA = (0.085, 0.17, 0.655, 0.65)
"""Left, bottom, width and height of the axes, as shares of the figure."""
MOST_LABELS = 10
MOST_LINES = 2000
"""Of a state, beside the frontier's: more are thinned evenly, as they cover each other and take seconds to draw."""
MANY = 200
"""More lines than these are thinner and fainter."""
ENDS = {"PRUNED": "o", "FAILED": "x"}
"""The marker at which a line that is not complete ends."""


@dataclass(frozen=True, kw_only=True)
class CurvesInfo:
    """Content of the chart. Fields of lines follow the order in which points ended."""

    texts: Texts
    points: tuple[str, ...]
    """The id of each point with a measurement."""
    lines: tuple[Array, ...]
    """Of each point: (epochs, 2), epoch and top-1 in percent."""
    states: tuple[str, ...]
    models: tuple[str, ...]
    """The family of each line; its shape stands at the end of thick ones."""
    shades: Array
    """The resolution or width of each line, told by its colour."""
    shade_title: str
    on_frontier: Mask
    """Which lines are thick: of a setting on the MACs frontier, the seed of the highest top-1."""
    drawn: Mask
    """Which lines are drawn: all, or of very many those on the frontier and MOST_LINES of each state."""
    labelled: dict[int, str]
    """`width@resolution` of some of them, by their number, cheapest first."""

    def numbers(self) -> pd.DataFrame:
        """Return a table with a row per epoch."""
        each = [np.insert(line, 0, i, axis=1) for i, line in enumerate(self.lines)]
        table = pd.DataFrame(np.concatenate(each), columns=["line", "epoch", "top1"])
        line = table.pop("line").astype(int)
        return table.assign(
            epoch=table["epoch"].astype(int),
            point=np.array(self.points, dtype=object)[line],
            model=np.array(self.models, dtype=object)[line],
            state=np.array(self.states, dtype=object)[line],
            on_frontier=self.on_frontier[line],
        )


def info(results: SweepResults) -> CurvesInfo | None:
    """Return the content of the chart; None where no point was measured at two epochs, and for several datasets."""
    measured = [bool(results.curves.get(point)) for point in results.points["point"]]
    points = results.points.loc[measured].reset_index(drop=True)
    curves = [results.curves[point] for point in points["point"]]
    if len(set(points["dataset"])) > 1 or max(map(len, curves), default=0) < 2:
        return None
    column, shade_title = shade_column(results.settings)
    best = results.settings.loc[results.settings["on_frontier"], "point"]
    on_frontier = points["point"].isin(set(best)).to_numpy(dtype=bool)
    drawn = on_frontier.copy()
    for state in ("COMPLETE", *ENDS):
        of_state = np.flatnonzero(points["state"] == state)
        drawn[of_state[spaced(len(of_state), MOST_LINES)]] = True
    cheapest_first = points.loc[on_frontier].sort_values("macs", kind="stable")
    labels = dict(zip(cheapest_first.index.tolist(), cell_labels(cheapest_first), strict=True))
    return CurvesInfo(
        texts=texts_of(results, "Validation top-1 at each epoch", *_captions(points["state"].tolist(), drawn.sum())),
        points=tuple(points["point"]),
        lines=tuple(np.array([(each.epoch, each.top1) for each in curve], dtype=float) for curve in curves),
        states=tuple(points["state"]),
        models=tuple(points["model"]),
        shades=points[column].to_numpy(dtype=float),
        shade_title=shade_title,
        on_frontier=on_frontier,
        drawn=drawn,
        labelled={number: labels[number] for number in (list(labels)[i] for i in spaced(len(labels), MOST_LABELS))},
    )


def _captions(states: list[str], num_drawn: int) -> list[str]:
    counts = Counter(states)
    names = {"COMPLETE": "complete", "PRUNED": "stopped early (ring)", "FAILED": "failed (cross)"}
    parts = [f"{counts[state]} {name}" for state, name in names.items() if state in counts]
    chosen = f"the frontier, and up to {MOST_LINES} of each state, evenly chosen"
    few = f"{num_drawn} of {len(states)} lines are drawn: {chosen}"
    lines = f"A line a point: {', '.join(parts)} · thick, labelled: the frontier of MACs"
    return [lines, *([few] if num_drawn < len(states) else [])]


def draw(chart: CurvesInfo) -> Figure:
    """Draw the chart as a figure."""
    with sheet(chart.texts, fit=False) as figure:
        axes = figure.add_axes(PLOT_AREA)
        label_axes(axes, "Epoch", "Validation top-1 accuracy (%)")
        ends = np.array([line[-1] for line in chart.lines])
        # the first quarter may lie below: it begins near chance, and would squeeze all the rest into the top
        late = [line[line[:, 0] > ends[:, 0].max() / 4, 1] for line in chart.lines]
        best = [line[:, 1].max() for line in chart.lines]
        scale_percent(axes, np.concatenate([ends[:, 1], best, *late]))
        axes.set_xlim(min(line[0, 0] for line in chart.lines), ends[:, 0].max())
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _draw_lines(axes, chart, ends)
        if chart.labelled:
            label_ends(axes, ends[list(chart.labelled)], list(chart.labelled.values()))
        draw_legend(axes, shade_handles(chart.shades), title=chart.shade_title, left=1.15)
        draw_legend(axes, family_handles(chart.models), left=-0.06, top=1.12, columns=4)
        return figure


def _draw_lines(axes: Axes, chart: CurvesInfo, ends: Array) -> None:
    """The lines in a few collections, as one each would take seconds; the frontier's on top."""
    by_value = style.shades(chart.shades)
    colours = np.array([by_value[value] for value in chart.shades.tolist()], dtype=object)
    states = np.array(chart.states, dtype=object)
    width, alpha, size = (0.5, 0.35, 1.5) if len(chart.lines) > MANY else (0.9, 0.85, style.SMALLEST)
    others = (states == "COMPLETE") & ~chart.on_frontier
    for mask, look in (
        (states == "FAILED", {"linewidths": width, "alpha": alpha / 2}),
        (states == "PRUNED", {"linewidths": width, "alpha": alpha / 2}),
        (others, {"linewidths": width, "alpha": alpha}),
        (chart.on_frontier, {"linewidths": 2.4, "zorder": 4}),
    ):
        shown = mask & chart.drawn
        lines = [chart.lines[i] for i in np.flatnonzero(shown)]
        axes.add_collection(LineCollection(lines, colors=list(colours[shown]), **look), autolim=False)
    for state, marker in ENDS.items():
        at = chart.drawn & (states == state)
        face = {"facecolors": "white", "edgecolors": list(colours[at])} if marker == "o" else {"c": list(colours[at])}
        axes.scatter(*ends[at].T, s=size**2, marker=marker, linewidths=width, zorder=3, clip_on=False, **face)
    for i in np.flatnonzero(chart.on_frontier):
        shape = style.marker(chart.models[i], chart.models)
        axes.scatter(
            *ends[i], s=style.SMALL**2, marker=shape, c=colours[i], edgecolors="white", zorder=5, clip_on=False
        )
