"""Top-1 and top-5 of every network as lines, the cheapest network first, beside the published ones."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from analysis import style
from analysis.plots.cells import Array, best_cells, cell_labels, complete_settings, spaced
from analysis.plots.sheet import Texts, draw_legend, family_handles, label_axes, scale_percent, sheet, texts_of
from analysis.published.comparison import add_published
from analysis.published.sweep_results import SweepResults
from trainers.errors import counted

MOST_NAMES = 42
"""Most networks that the axis names."""
MANY = 150
"""Lines of more networks than these have no markers."""
TOP1: Mapping[str, Any] = MappingProxyType({"color": style.SINGLE, "linewidth": 1.4, "markersize": style.SMALLEST})
TOP5: Mapping[str, Any] = MappingProxyType({**TOP1, "color": style.INK, "markerfacecolor": "white"})
"""Filled and hollow, so that they are told apart in grey."""


@dataclass(frozen=True, kw_only=True)
class TopInfo:
    """Content of the chart. Fields of networks are in the order of MACs; accuracies in percent, NaN: unknown."""

    texts: Texts
    labels: tuple[str, ...]
    """`width@resolution` of each network."""
    models: tuple[str, ...]
    top1: Array
    top5: Array
    source: str
    """Of the published figures; "" where it has none of these networks."""
    published_top1: Array
    published_top5: Array

    def numbers(self) -> pd.DataFrame:
        """Return a table with a row per network."""
        return pd.DataFrame(
            {
                "network": self.labels,
                "model": self.models,
                "top1": self.top1,
                "top5": self.top5,
                "published_top1": self.published_top1,
                "published_top5": self.published_top5,
            }
        )


def info(results: SweepResults) -> TopInfo | None:
    """Return the content of the chart: the best COMPLETE settings; None without any, and for several datasets."""
    cells = best_cells(complete_settings(results))
    if cells.empty:
        return None
    published_columns = ["published_top1", "published_top5"]
    beside = add_published(cells, results.comparison).reindex(columns=[*cells.columns, *published_columns])
    published = beside["published_top1"].to_numpy(dtype=float)
    num_published = int((~np.isnan(published)).sum())
    source = results.comparison.source if num_published else None
    figures = [f"dashed: {num_published} of them as published by {source} (ImageNet)"] if source else []
    caption = " · ".join(
        [
            f"{counted(len(cells), 'network')} in the order of their MACs, in their best settings",
            *figures,
        ]
    )
    return TopInfo(
        texts=texts_of(results, "Top-1 and top-5 of each network", caption),
        labels=cell_labels(cells),
        models=tuple(cells["model"]),
        top1=cells["top1"].to_numpy(dtype=float),
        top5=cells["top5"].to_numpy(dtype=float),
        source=source or "",
        published_top1=published,
        published_top5=beside["published_top5"].to_numpy(dtype=float),
    )


def draw(chart: TopInfo) -> Figure:
    """Draw the chart as a figure."""
    with sheet(chart.texts) as figure:
        axes = figure.add_subplot()
        label_axes(axes, "Network (width@resolution), in the order of its multiply-accumulates", "Accuracy (%)")
        axes.grid(visible=False, axis="x")
        _draw_lines(axes, chart)
        scale_percent(axes, np.r_[chart.top1, chart.top5, chart.published_top1, chart.published_top5])
        named = spaced(len(chart.labels), MOST_NAMES)
        axes.set_xticks(named, [chart.labels[i] for i in named], fontsize=style.LABEL)
        axes.tick_params(axis="x", labelrotation=90 if len(named) > 8 else 0)
        axes.set_xlim(-0.6, len(chart.labels) - 0.4)
        draw_legend(axes, _line_handles(chart))
        draw_legend(axes, family_handles(chart.models), title="Network", top=0.62)
        return figure


def _draw_lines(axes: Axes, chart: TopInfo) -> None:
    """A line of top-1 and one of top-5 for each family, over its own networks."""
    models = np.array(chart.models, dtype=object)
    for model in sorted(set(chart.models)):
        at = np.flatnonzero(models == model)
        shape = style.marker(model, chart.models) if len(at) <= MANY else ""
        for published in (chart.published_top1[at], chart.published_top5[at]):
            known = ~np.isnan(published)
            axes.plot(at[known], published[known], marker=style.PUBLISHED_MARKER, markersize=5, **style.PUBLISHED_LINE)
        axes.plot(at, chart.top5[at], marker=shape, **TOP5)
        axes.plot(at, chart.top1[at], marker=shape, **TOP1)


def _line_handles(chart: TopInfo) -> list[Line2D]:
    shape = style.marker(chart.models[0], chart.models)
    handles = [Line2D([], [], marker=shape, label=name, **look) for name, look in (("top-5", TOP5), ("top-1", TOP1))]
    if chart.source:
        line = Line2D([], [], marker=style.PUBLISHED_MARKER, markersize=5, label=f"published: {chart.source}")
        line.set(**style.PUBLISHED_LINE)
        handles.append(line)
    return handles
