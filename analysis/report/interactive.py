"""Interactive chart of top-1 against a cost of the reader's choice, as traces for Plotly. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis import style
from analysis.frontier.costs import ASSESSED, COSTS, Cost
from analysis.frontier.frontier import frontier_mask
from analysis.frontier.pareto import step_line
from analysis.plots.cells import shade_column
from analysis.published.comparison import PUBLISHED_COSTS, Comparison
from analysis.published.source_range import SourceRange, source_range
from analysis.published.sweep_results import SweepResults
from analysis.results.settings import with_deviation
from analysis.results.varying_settings import text_of, varying_settings
from trainers.config import network_name

BAND = "rgba(138,143,152,0.18)"
"""Colour of published figures, for light and dark pages."""
SMALLEST_PX, LARGEST_PX = 7.0, 22.0
"""Diameter of a dot; its area stands for the parameters."""
SYMBOLS = {"s": "square", "o": "circle", "^": "triangle-up", "D": "diamond", "P": "cross", "h": "hexagon",
           "<": "triangle-left", ">": "triangle-right", "p": "pentagon"}  # fmt: skip
"""Plotly's name of each matplotlib marker."""
Trace = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Axis:
    """A cost for the horizontal axis."""

    name: str
    label: str
    xs: Sequence[Sequence[float]]
    """Costs of the points of each trace, in the order of the traces."""
    ys: Sequence[Sequence[float]]
    """Top-1 of the points of each trace."""


@dataclass(frozen=True, kw_only=True)
class InteractiveChart:
    """Traces for Plotly; their coordinates are in `axes`."""

    traces: Sequence[Trace]
    axes: Sequence[Axis]
    colours_of: str
    """Name of the setting that colours stand for."""
    colours: Sequence[tuple[str, str]]
    """Values of the setting and their colours."""
    areas: tuple[str, ...]
    """Parameters of the smallest and the largest dot, millions; one entry if all are equal, none without dots."""


_Coordinates = dict[Cost, tuple[list[float], list[float]]]


@dataclass(frozen=True)
class _Part:
    """A trace, with costs and top-1 for each axis."""

    trace: Trace
    coordinates: _Coordinates


def interactive_chart(results: SweepResults) -> InteractiveChart:
    """Return the chart of all measured points: families, stopped points, frontiers, and published figures."""
    settings = results.settings
    measured = settings.loc[settings["top1"].notna() & (settings["state"] != "FAILED")]
    costs: list[Cost] = [cost for cost in COSTS if cost in PUBLISHED_COSTS or len(measured[cost].dropna())]
    parts = [*_published(results, costs), *_frontiers(measured, costs), *_families(measured, costs)]
    return InteractiveChart(
        traces=[part.trace for part in parts],
        axes=[_axis(cost, parts) for cost in costs],
        colours_of=shade_column(measured)[1],
        colours=[(f"{value:.4g}", colour) for value, colour in _shades(measured).items()],
        areas=tuple(dict.fromkeys(f"{p / 1e6:.3g}" for p in measured["num_params"].agg(["min", "max"]).dropna())),
    )


def _axis(cost: Cost, parts: Sequence[_Part]) -> Axis:
    coordinates = [part.coordinates.get(cost, ([], [])) for part in parts]
    return Axis(name=cost, label=COSTS[cost].axis, xs=[x for x, _ in coordinates], ys=[y for _, y in coordinates])


def _families(measured: pd.DataFrame, costs: Sequence[Cost]) -> list[_Part]:
    """Return a trace for each family on each dataset, and another for its points that were stopped early."""
    several, assessed = len(set(measured["dataset"])) > 1, [cost for cost in costs if cost in ASSESSED]
    (shade, _), colours = shade_column(measured), _shades(measured)
    variant = ["variant"] if "variant" in measured else []  # of published networks
    varied = [*(name for name in varying_settings(measured) if name != "seed"), *variant]
    sizes = pd.Series(
        style.diameters(measured["num_params"].to_numpy(float), SMALLEST_PX, LARGEST_PX), index=measured.index
    )
    models = sorted(set(measured["model"]))
    parts: list[_Part] = []
    for key, rows in measured.groupby(["dataset", "model", "state"], sort=True):
        dataset, model, state = cast(tuple[str, str, str], key)
        on_dataset = f" on {dataset}" if several else ""
        stopped = " (stopped early)" if state == "PRUNED" else ""
        colour = [colours[value] for value in rows[shade].astype(float)]
        symbol = SYMBOLS[style.marker(str(model), models)]
        trace = {
            "type": _kind(measured),
            "mode": "markers",
            "name": _text(f"{model}{on_dataset}{stopped}"),
            "hovertemplate": _template(varied, assessed=assessed, stopped=state == "PRUNED"),
            **_deviations(rows),
            **({} if stopped else {"meta": "dots"}),
            "customdata": [
                _hover_texts(row, varied, assessed=assessed, stopped=state == "PRUNED")
                for row in rows.to_dict("records")
            ],
            "marker": {
                "size": sizes.loc[rows.index].round(1).tolist(),
                "symbol": f"{symbol}-open" if stopped else symbol,
                "color": colour,
                "line": {"width": 1.2, "color": colour if stopped else style.INK},
            },
        }
        parts.append(_Part(trace, {cost: _points(rows, cost) for cost in costs}))
    return parts


def _deviations(rows: pd.DataFrame) -> Trace:
    """Return the bars of settings with several seeds."""
    if not len(rows["sd_top1"].dropna()):
        return {}
    return {"error_y": {"array": _plain(rows["sd_top1"].to_numpy(dtype=float)), "thickness": 1, "color": style.MUTED}}


def _shades(measured: pd.DataFrame) -> dict[float, str]:
    """Return the colour of each value of the shaded setting."""
    return style.shades(measured[shade_column(measured)[0]].to_numpy(dtype=float)) if len(measured) else {}


def _kind(measured: pd.DataFrame) -> str:
    return "scattergl" if len(measured) > style.MOST_VECTORS else "scatter"


def _points(rows: pd.DataFrame, cost: Cost) -> tuple[list[float], list[float]]:
    """Return costs and top-1 of a table's rows; an unknown cost is None."""
    return _plain(rows[cost].to_numpy(dtype=float) / COSTS[cost].per), _plain(rows["top1"].to_numpy(dtype=float))


def _plain(values: NDArray[np.float64]) -> list[float]:
    """Round values for JSON, with None for NaN: Plotly leaves out a None."""
    return cast(list[float], [None if math.isnan(value) else float(f"{value:.7g}") for value in values.tolist()])


def _text(name: str) -> str:
    """Escape a text so that Plotly reads neither tags nor templates."""
    return escape(name, quote=False).replace("%{", "% {")


def _template(varied: Sequence[str], *, assessed: Sequence[Cost], stopped: bool) -> str:
    """Return the HTML lines of a point, with gaps for the texts of `_hover_texts`."""
    lines = ["<b>{}</b> {}", "top-1 {} %", "{} M MACs, {} M params", *("{}" for _ in assessed)]
    lines += [*(f"{name} {{}}" for name in varied), *(["stopped early: {}"] if stopped else [])]
    text = "<br>".join(lines)
    return text.format(*(f"%{{customdata[{i}]}}" for i in range(text.count("{}")))) + "<extra></extra>"


def _hover_texts(row: dict[Any, Any], varied: Sequence[str], *, assessed: Sequence[Cost], stopped: bool) -> list[str]:
    """Return the texts for the gaps of the template, from a row."""
    seeds = f" ({row['num_seeds']} seeds)" if row["num_seeds"] > 1 else ""
    texts = [
        network_name(row["model"], row["width_mult"], row["resolution"]),
        str(row["point"]),
        f"{with_deviation(row)}{seeds}",
        f"{row['macs'] / 1e6:.4g}",
        f"{row['num_params'] / 1e6:.4g}",
        *(_figure(row[cost], cost) for cost in assessed),
        *(text_of(row[name]) for name in varied),
        *([str(row["reason"])] if stopped else []),
    ]
    return [_text(text) for text in texts]


def _figure(value: float, cost: Cost) -> str:
    quantity = COSTS[cost]
    return f"no {quantity.name.lower()} known" if math.isnan(value) else f"{value / quantity.per:.2f} {quantity.unit}"


def _frontiers(measured: pd.DataFrame, costs: Sequence[Cost]) -> list[_Part]:
    """Return the step line of each dataset, along each cost."""
    parts: list[_Part] = []
    for number, (dataset, rows) in enumerate(measured.groupby("dataset", sort=True)):
        line = {"color": style.INK, "width": 2, "dash": ("solid", "dot", "dashdot", "dash")[number % 4]}
        name = f"frontier of {dataset}" if len(set(measured["dataset"])) > 1 else "frontier"
        trace = {"type": "scatter", "mode": "lines", "name": _text(name), "line": line, "hoverinfo": "skip",
                 "meta": "ink"}  # fmt: skip
        coordinates: _Coordinates = {cost: _step(rows.loc[frontier_mask(rows, cost)], cost) for cost in costs}
        parts.append(_Part(trace, coordinates))
    return parts


def _step(rows: pd.DataFrame, cost: Cost) -> tuple[list[float], list[float]]:
    """Return the corners of the step line of a table's rows."""
    costs, top1 = step_line(rows[cost].to_numpy(dtype=float), rows["top1"].to_numpy(dtype=float))
    return _plain(costs / COSTS[cost].per), _plain(top1)


def _published(results: SweepResults, costs: Sequence[Cost]) -> list[_Part]:
    """Return published figures: the range of all sources, networks that share weights, the chosen source."""
    known: list[Cost] = [cost for cost in costs if cost in PUBLISHED_COSTS]
    return [*_source_range(results.comparison, known), *_weight_sharing(results.comparison, known),
            *_chosen_source(results.comparison, known)]  # fmt: skip


def _chosen_source(comparison: Comparison, known: Sequence[Cost]) -> list[_Part]:
    """Return the networks of the chosen source and their frontier."""
    cells, source = comparison.cells, comparison.source
    if source is None:
        return []
    names = [network_name(*row) for row in zip(cells["model"], cells["width_mult"], cells["resolution"], strict=True)]
    hover = [
        f"<b>{name}</b><br>published by {_text(source)} as {_text(variant)}: top-1 {top1:.2f} %"
        for name, variant, top1 in zip(names, cells["variant"], cells["top1"], strict=True)
    ]
    marker = {"symbol": "x-thin", "size": 8, "line": {"width": 1.5, "color": style.PUBLISHED}}
    group = {"name": f"published: {_text(source)}", "legendgroup": "published"}
    dots = {"type": "scatter", "mode": "markers", "hoverinfo": "text", "hovertext": hover, "marker": marker, **group}
    line = {"type": "scatter", "mode": "lines", "hoverinfo": "skip", "showlegend": False, **group,
            "line": {"color": style.PUBLISHED, "width": 1.5, "dash": "dash"}}  # fmt: skip
    return [
        _Part(line, {cost: _step(cells, cost) for cost in known}),
        _Part(dots, {cost: _points(cells, cost) for cost in known}),
    ]


def _source_range(comparison: Comparison, known: Sequence[Cost]) -> list[_Part]:
    """Return the area between the worst and the best source of the shared networks."""
    if comparison.every_source.empty:
        return []
    every = comparison.every_source
    ranges: list[tuple[Cost, SourceRange]] = [(c, area) for c in known if (area := source_range(every, c))]
    if not ranges:
        return []
    num_sources = max(area.num_sources for _, area in ranges)
    trace = {"type": "scatter", "mode": "lines", "fill": "toself", "fillcolor": BAND, "line": {"width": 0},
             "hoverinfo": "skip", "name": f"range of {num_sources} sources"}  # fmt: skip
    coordinates: _Coordinates = {}
    for axis, area in ranges:
        costs, top1 = area.outline
        coordinates[axis] = _plain(costs / COSTS[axis].per), _plain(top1)
    return [_Part(trace, coordinates)]


def _weight_sharing(comparison: Comparison, known: Sequence[Cost]) -> list[_Part]:
    """Return networks that share one set of weights; hidden until the reader clicks the legend."""
    table = comparison.weight_sharing
    if table.empty:
        return []
    hover = [f"<b>{_text(str(row['method']))}</b><br>{_text(str(row['family']))}: top-1 {row['top1']:.2f} %"
             for row in table.to_dict("records")]  # fmt: skip
    marker = {"symbol": "star", "size": 8, "color": style.PUBLISHED}
    trace = {"type": "scatter", "mode": "markers", "name": f"weight sharing ({len(table)})", "visible": "legendonly",
             "hoverinfo": "text", "hovertext": hover, "marker": marker}  # fmt: skip
    return [_Part(trace, {cost: _points(table, cost) for cost in known})]
