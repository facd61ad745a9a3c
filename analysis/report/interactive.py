"""The chart of a page that a reader can turn: top-1 against a cost of their choice, as traces for Plotly. Pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis import style
from analysis.frontier.frontier import frontier_mask
from analysis.frontier.pareto import step_line
from analysis.frontier.quantities import ASSESSED, COSTS, Cost
from analysis.plots.cells import shade_column
from analysis.published.comparison import PUBLISHED_COSTS, Comparison
from analysis.published.source_range import SourceRange, source_range
from analysis.published.sweep_results import SweepResults
from analysis.results.settings import with_deviation
from analysis.results.varying import text_of, varying_settings
from trainers.config import network_name

BAND = "rgba(138,143,152,0.18)"
"""The colour of published figures, for light and dark pages."""
SMALLEST_PX, LARGEST_PX = 7.0, 22.0
"""Diameter of a dot; its area stands for the parameters."""
SYMBOLS = {"s": "square", "o": "circle", "^": "triangle-up", "D": "diamond", "P": "cross", "h": "hexagon",
           "<": "triangle-left", ">": "triangle-right", "p": "pentagon"}  # fmt: skip
"""Plotly's names of matplotlib's markers."""
Trace = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Axis:
    """One choice of the horizontal axis."""

    name: str
    label: str
    xs: Sequence[Sequence[float]]
    """The costs of each trace's points, in the order of the traces."""
    ys: Sequence[Sequence[float]]
    """Their top-1."""


@dataclass(frozen=True, kw_only=True)
class InteractiveChart:
    """Traces as Plotly takes them, without their coordinates, which each axis has."""

    traces: Sequence[Trace]
    axes: Sequence[Axis]
    colours_of: str
    """The setting that colours tell."""
    colours: Sequence[tuple[str, str]]
    """Its values and their colours."""
    areas: tuple[str, ...]
    """The parameters of the smallest and the largest dot, millions; one where all are equal, none without dots."""


_Coordinates = dict[Cost, tuple[list[float], list[float]]]


@dataclass(frozen=True)
class _Part:
    """A trace, and for each axis that it is on its costs and top-1."""

    trace: Trace
    coordinates: _Coordinates


def interactive_chart(results: SweepResults) -> InteractiveChart:
    """The chart of everything that was measured: families, stopped points, frontiers, and published figures."""
    settings = results.settings
    shown = settings.loc[settings["top1"].notna() & (settings["state"] != "FAILED")]
    costs: list[Cost] = [cost for cost in COSTS if cost in PUBLISHED_COSTS or len(shown[cost].dropna())]
    parts = [*_published(results, costs), *_frontiers(shown, costs), *_families(shown, costs)]
    return InteractiveChart(
        traces=[part.trace for part in parts],
        axes=[_axis(cost, parts) for cost in costs],
        colours_of=shade_column(shown)[1],
        colours=[(f"{value:.4g}", colour) for value, colour in _shades(shown).items()],
        areas=tuple(dict.fromkeys(f"{p / 1e6:.3g}" for p in shown["num_params"].agg(["min", "max"]).dropna())),
    )


def _axis(cost: Cost, parts: Sequence[_Part]) -> Axis:
    coordinates = [part.coordinates.get(cost, ([], [])) for part in parts]
    return Axis(name=cost, label=COSTS[cost].axis, xs=[x for x, _ in coordinates], ys=[y for _, y in coordinates])


def _families(shown: pd.DataFrame, costs: Sequence[Cost]) -> list[_Part]:
    """A trace for each family on each dataset, and one for those of its points that were stopped early."""
    several, assessed = len(set(shown["dataset"])) > 1, [cost for cost in costs if cost in ASSESSED]
    (shade, _), colours = shade_column(shown), _shades(shown)
    variant = ["variant"] if "variant" in shown else []  # of published networks
    varied = [*(name for name in varying_settings(shown) if name != "seed"), *variant]
    sizes = pd.Series(style.diameters(shown["num_params"].to_numpy(float), SMALLEST_PX, LARGEST_PX), index=shown.index)
    models = sorted(set(shown["model"]))
    parts: list[_Part] = []
    for key, rows in shown.groupby(["dataset", "model", "state"], sort=True):
        dataset, model, state = cast(tuple[str, str, str], key)
        on_dataset = f" on {dataset}" if several else ""
        stopped = " (stopped early)" if state == "PRUNED" else ""
        colour = [colours[value] for value in rows[shade].astype(float)]
        symbol = SYMBOLS[style.marker(str(model), models)]
        trace = {
            "type": _kind(shown),
            "mode": "markers",
            "name": _text(f"{model}{on_dataset}{stopped}"),
            "hovertemplate": _template(varied, assessed=assessed, stopped=state == "PRUNED"),
            **_deviations(rows),
            **({} if stopped else {"meta": "dots"}),
            "customdata": [
                _told(row, varied, assessed=assessed, stopped=state == "PRUNED") for row in rows.to_dict("records")
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
    """The bars of those that have several seeds."""
    if not len(rows["sd_top1"].dropna()):
        return {}
    return {"error_y": {"array": _plain(rows["sd_top1"].to_numpy(dtype=float)), "thickness": 1, "color": style.MUTED}}


def _shades(shown: pd.DataFrame) -> dict[float, str]:
    """The colour of each value of the setting that colours tell."""
    return style.shades(shown[shade_column(shown)[0]].to_numpy(dtype=float)) if len(shown) else {}


def _kind(shown: pd.DataFrame) -> str:
    return "scattergl" if len(shown) > style.MOST_VECTORS else "scatter"


def _points(rows: pd.DataFrame, cost: Cost) -> tuple[list[float], list[float]]:
    """Coordinates of a table's rows; nothing for a cost that is not known."""
    return _plain(rows[cost].to_numpy(dtype=float) / COSTS[cost].per), _plain(rows["top1"].to_numpy(dtype=float))


def _plain(values: NDArray[np.float64]) -> list[float]:
    """Values for JSON, which has no NaN: Plotly leaves out a None."""
    return cast(list[float], [None if math.isnan(value) else float(f"{value:.7g}") for value in values.tolist()])


def _text(name: str) -> str:
    """A text that Plotly shows as it is: without tags, and no template."""
    return escape(name, quote=False).replace("%{", "% {")


def _template(varied: Sequence[str], *, assessed: Sequence[Cost], stopped: bool) -> str:
    """The lines of Plotly's HTML that tell the whole point, from what `_told` says of it."""
    lines = ["<b>{}</b> {}", "top-1 {} %", "{} M MACs, {} M params", *("{}" for _ in assessed)]
    lines += [*(f"{name} {{}}" for name in varied), *(["stopped early: {}"] if stopped else [])]
    text = "<br>".join(lines)
    return text.format(*(f"%{{customdata[{i}]}}" for i in range(text.count("{}")))) + "<extra></extra>"


def _told(row: dict[Any, Any], varied: Sequence[str], *, assessed: Sequence[Cost], stopped: bool) -> list[str]:
    """What the template's gaps hold for a row."""
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


def _frontiers(shown: pd.DataFrame, costs: Sequence[Cost]) -> list[_Part]:
    """The step line of each dataset, along each cost."""
    parts: list[_Part] = []
    for number, (dataset, rows) in enumerate(shown.groupby("dataset", sort=True)):
        line = {"color": style.INK, "width": 2, "dash": ("solid", "dot", "dashdot", "dash")[number % 4]}
        name = f"frontier of {dataset}" if len(set(shown["dataset"])) > 1 else "frontier"
        trace = {"type": "scatter", "mode": "lines", "name": _text(name), "line": line, "hoverinfo": "skip",
                 "meta": "ink"}  # fmt: skip
        coordinates: _Coordinates = {cost: _step(rows.loc[frontier_mask(rows, cost)], cost) for cost in costs}
        parts.append(_Part(trace, coordinates))
    return parts


def _step(rows: pd.DataFrame, cost: Cost) -> tuple[list[float], list[float]]:
    """The corners of the frontier of a table's rows."""
    costs, top1 = step_line(rows[cost].to_numpy(dtype=float), rows["top1"].to_numpy(dtype=float))
    return _plain(costs / COSTS[cost].per), _plain(top1)


def _published(results: SweepResults, costs: Sequence[Cost]) -> list[_Part]:
    """What others published: the range of all sources, networks that share weights, the source that was chosen."""
    known: list[Cost] = [cost for cost in costs if cost in PUBLISHED_COSTS]
    return [*_source_range(results.comparison, known), *_weight_sharing(results.comparison, known),
            *_chosen_source(results.comparison, known)]  # fmt: skip


def _chosen_source(comparison: Comparison, known: Sequence[Cost]) -> list[_Part]:
    """Its networks and their frontier."""
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
    """The area between what all sources make of the same networks."""
    if comparison.every_source.empty:
        return []
    every = comparison.every_source
    found: list[tuple[Cost, SourceRange]] = [(c, each) for c in known if (each := source_range(every, c))]
    if not found:
        return []
    num_sources = max(each.num_sources for _, each in found)
    trace = {"type": "scatter", "mode": "lines", "fill": "toself", "fillcolor": BAND, "line": {"width": 0},
             "hoverinfo": "skip", "name": f"range of {num_sources} sources"}  # fmt: skip
    coordinates: _Coordinates = {}
    for axis, each in found:
        costs, top1 = each.outline
        coordinates[axis] = _plain(costs / COSTS[axis].per), _plain(top1)
    return [_Part(trace, coordinates)]


def _weight_sharing(comparison: Comparison, known: Sequence[Cost]) -> list[_Part]:
    """Networks that share one set of weights; hidden until asked for."""
    table = comparison.weight_sharing
    if table.empty:
        return []
    hover = [f"<b>{_text(str(row['method']))}</b><br>{_text(str(row['family']))}: top-1 {row['top1']:.2f} %"
             for row in table.to_dict("records")]  # fmt: skip
    marker = {"symbol": "star", "size": 8, "color": style.PUBLISHED}
    trace = {"type": "scatter", "mode": "markers", "name": f"weight sharing ({len(table)})", "visible": "legendonly",
             "hoverinfo": "text", "hovertext": hover, "marker": marker}  # fmt: skip
    return [_Part(trace, {cost: _points(table, cost) for cost in known})]
