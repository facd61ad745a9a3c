"""The content of the frontier chart: every number and text. Pure; draws nothing."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis import style
from analysis.frontier.costs import COSTS, Cost
from analysis.frontier.frontier import frontier_mask
from analysis.frontier.pareto import pareto_mask
from analysis.plots.cells import cell_labels, shade_column
from analysis.plots.texts import one_line
from analysis.plots.ticks import percent_limits
from analysis.published.comparison import PUBLISHED_COSTS, Comparison
from analysis.published.source_range import SourceRange, source_range
from analysis.results.settings import count_points, is_replicated, one_seed_each, was_trained
from trainers.errors import counted

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True)
class Series:
    """Points on the chart: costs in the axis' unit and top-1 in percent, both (n,), and which are on the frontier."""

    label: str
    costs: Array
    top1: Array
    on_frontier: Mask


@dataclass(frozen=True, kw_only=True)
class FrontierInfo:
    """Content of the frontier chart. Fields of points are (n,), in the order of all points of `points`."""

    title: str
    subtitle: str
    caption: str
    """Number of points in each state, and how to read the chart."""
    note: str
    """Why published figures are left out, or which of them are drawn; "" without a comparison."""
    x_label: str
    points: tuple[Series, ...]
    """One series per dataset: the settings of the sweep, each at the mean of its seeds."""
    published: Series | None
    source_range: SourceRange | None
    """Area between the worst and the best published training of each network; costs in the unit of the axis."""
    weight_sharing: Series | None
    """Published networks that share one set of weights; None without any."""
    models: tuple[str, ...]
    """The family of each point."""
    shade_title: str
    shades: Array
    """Resolution or width of each point, which the colour shows."""
    num_params: Array | None
    """Parameters of each point, in millions, which the area shows; None where all are equal or the cost is not MACs."""
    sizes: Array
    """Diameter of each marker, in typographic points."""
    pruned: Mask
    """Which points were stopped early; they are drawn hollow and never on the frontier."""
    below: Mask
    """Whether each point lies below the chart, and is drawn at the lower edge."""
    deviations: Array
    """Standard deviation of top-1 over the seeds of each point, in percent; NaN for one seed."""
    runs: Array
    """Cost and top-1 in percent of each training of the points with several seeds, (k, 2)."""
    labels: tuple[str, ...]
    """`width@resolution` of each point, after its family where there are several."""

    def numbers(self) -> pd.DataFrame:
        """Return a row per point of the sweep, then per published network, then per corner of the sources' range."""
        swept = {"label": self.labels, "model": self.models, "stopped_early": self.pruned, "sd_top1": self.deviations}
        datasets = [series.label for series in self.points for _ in range(len(series.costs))]
        axis = {self.x_label: self.costs, "top1": self.top1, "on_frontier": self.on_frontier}
        areas = {} if self.num_params is None else {"num_params_m": self.num_params}
        tables = [pd.DataFrame({"series": datasets, **swept, **axis, **areas})]
        for of in (self.published, self.weight_sharing):
            if of is not None:
                published = {self.x_label: of.costs, "top1": of.top1, "on_frontier": of.on_frontier}
                tables.append(pd.DataFrame({"series": of.label, **published}))
        if self.source_range is not None:
            costs, top1 = self.source_range.outline
            series = f"outline of the range of {self.source_range.num_sources} sources"
            tables.append(pd.DataFrame({"series": series, self.x_label: costs, "top1": top1}))
        return pd.concat(tables, ignore_index=True)

    @property
    def as_pixels(self) -> bool:
        """Whether SVG and PDF hold the dots as pixels, as there are too many for shapes."""
        return len(self.labels) > style.MOST_VECTORS

    @property
    def costs(self) -> Array:
        """Costs of all points, in the unit of the axis."""
        return np.concatenate([np.empty(0), *(series.costs for series in self.points)])

    @property
    def top1(self) -> Array:
        """Top-1 of all points, in percent."""
        return np.concatenate([np.empty(0), *(series.top1 for series in self.points)])

    @property
    def on_frontier(self) -> Mask:
        """Which of all points are on the frontier of their dataset."""
        return np.concatenate([np.empty(0, dtype=bool), *(series.on_frontier for series in self.points)])

    @property
    def frontiers(self) -> tuple[Series, ...]:
        """The series with a step line: one per dataset, then the published series."""
        return (*self.points, *([self.published] if self.published is not None else []))


def info(table: pd.DataFrame, comparison: Comparison, cost: Cost, *, sweep: str, on: str = "") -> FrontierInfo:
    """Return the content for a table of `by_setting`; `on` says where an assessed cost was measured.

    FAILED rows and rows without a top-1 are counted but not shown. Points that were stopped so early that they lie far
    below all others are shown at the lower edge: where they are they would press the frontier flat.
    """
    on_frontier = pd.Series(frontier_mask(table, cost), index=table.index)
    known = table.loc[table[cost].notna()]
    measured = table["top1"].notna() & table[cost].notna() & (table["state"] != "FAILED")
    edge = _lower_edge(table.loc[measured])
    top1 = table.loc[measured, "top1"].astype(float)
    shown = table.loc[measured].assign(top1=top1.clip(lower=edge), below=top1 < edge)
    shown = shown.sort_values(["dataset", cost, "top1"], kind="stable")
    shade, shade_title = shade_column(table)
    pruned = (shown["state"] == "PRUNED").to_numpy(dtype=bool)
    params = shown["num_params"].to_numpy(dtype=float) / 1e6
    num_params = params if cost == "macs" and len(np.unique(params)) > 1 else None
    on_line = on_frontier.loc[shown.index].to_numpy(dtype=bool)
    sources, sharing = _source_range(comparison, cost), _weight_sharing(comparison, cost)
    band = "band: networks of these families, from the worst to the best source's training" if sources else ""
    stars = "stars: parts of supernets, which share weights" if sharing else ""
    return FrontierInfo(
        title=one_line(sweep, 70),
        subtitle=one_line(" · ".join(part for part in (_subtitle(known, comparison), on) if part), 110),
        caption=_caption(known, shown, cost, num_unknown=len(table) - len(known)),
        note=one_line(" · ".join(filter(None, (comparison.note, band, stars))), 130),
        x_label=f"{COSTS[cost].axis}, log scale",
        points=_series(shown, on_frontier, cost),
        published=_published(comparison, cost),
        source_range=sources,
        weight_sharing=sharing,
        models=tuple(shown["model"]),
        shade_title=shade_title,
        shades=shown[shade].to_numpy(dtype=float),
        num_params=num_params,
        sizes=_sizes(num_params, pruned, on_line),
        pruned=pruned,
        below=shown["below"].to_numpy(dtype=bool),
        deviations=shown["sd_top1"].to_numpy(dtype=float),
        runs=_runs(shown, cost),
        labels=cell_labels(shown),
    )


def _sizes(num_params: Array | None, pruned: Mask, on_frontier: Mask) -> Array:
    if num_params is not None:
        return style.diameters(num_params, style.SMALLEST, style.LARGEST)
    return np.where(pruned, style.SMALLEST, np.where(on_frontier, style.LARGE, style.SMALL))


def _lower_edge(measured: pd.DataFrame) -> float:
    """Return the lower limit of an axis that fits the COMPLETE rows, in percent; 0 without COMPLETE rows."""
    complete = measured.loc[measured["state"] == "COMPLETE", "top1"].to_numpy(dtype=float)
    return percent_limits(complete)[0] if len(complete) else 0.0


def _runs(shown: pd.DataFrame, cost: Cost) -> Array:
    repeated = shown.loc[shown["num_seeds"] > 1]
    runs = [
        (each / COSTS[cost].per, top1)
        for each, top1s in zip(repeated[cost], repeated["top1s"], strict=True)
        for top1 in top1s
    ]
    return np.array(runs, dtype=float).reshape(-1, 2)


def _series(shown: pd.DataFrame, on_frontier: pd.Series, cost: Cost) -> tuple[Series, ...]:
    return tuple(
        Series(
            label=str(dataset),
            costs=rows[cost].to_numpy(dtype=float) / COSTS[cost].per,
            top1=rows["top1"].to_numpy(dtype=float),
            on_frontier=on_frontier.loc[rows.index].to_numpy(dtype=bool),
        )
        for dataset, rows in shown.groupby("dataset", sort=True)
    )


def _published(comparison: Comparison, cost: Cost) -> Series | None:
    if comparison.source is None or cost not in PUBLISHED_COSTS:
        return None
    return _series_of(comparison.cells, cost, comparison.source)


def _weight_sharing(comparison: Comparison, cost: Cost) -> Series | None:
    if cost not in PUBLISHED_COSTS or comparison.weight_sharing.empty:
        return None
    known = comparison.weight_sharing.dropna(subset=[cost])
    return _series_of(known, cost, f"weight sharing ({len(known)})") if len(known) else None


def _series_of(cells: pd.DataFrame, cost: Cost, label: str) -> Series:
    """Return published networks as a series."""
    costs, top1 = cells[cost].to_numpy(dtype=float) / COSTS[cost].per, cells["top1"].to_numpy(dtype=float)
    return Series(label=label, costs=costs, top1=top1, on_frontier=pareto_mask(costs, top1))


def _source_range(comparison: Comparison, cost: Cost) -> SourceRange | None:
    if cost not in PUBLISHED_COSTS or comparison.every_source.empty:
        return None
    found = source_range(comparison.every_source, cost)
    return found and replace(found, outline=found.outline / np.array([[COSTS[cost].per], [1.0]]))


def _subtitle(table: pd.DataFrame, comparison: Comparison) -> str:
    parts: list[str] = []
    if len(table):
        parts += sorted(set(table["model"])) if len(set(table["model"])) == 1 else []  # else the legend names them
        parts.append(", ".join(sorted(set(table["dataset"].dropna().astype(str)))))
    epochs = table["epochs"].dropna()
    if len(epochs):  # published networks may not say
        low, high = min(epochs), max(epochs)
        parts.append(f"{low} to {high} epochs" if low != high else counted(low, "epoch"))
    if comparison.source is not None:
        parts.append(f"published figures: {comparison.source} (ImageNet)")
    return " · ".join(part for part in parts if part)


def _caption(table: pd.DataFrame, shown: pd.DataFrame, cost: Cost, *, num_unknown: int) -> str:
    states, num_below = count_points(table), np.count_nonzero(shown["below"])
    parts = [f"{states['COMPLETE']} complete"]
    if "PRUNED" in states:
        below = f"; triangles: {num_below} that lie below" if num_below else ""
        parts.append(f"{states['PRUNED']} stopped early (hollow{below})")
    if "FAILED" in states:
        parts.append(f"{states['FAILED']} failed (not drawn)")
    counts = f"{counted(states.total(), 'point')}: {', '.join(parts)}"
    if len(table) and not was_trained(table):
        figures = f"{COSTS[cost].unit} as printed" if COSTS[cost].is_assessed else "costs that this project counts"
        counts = f"{len(table)} published networks, at {figures}"
    seed = ["one seed each"] if one_seed_each(table) else ["means over seeds"] if is_replicated(table) else []
    family = "family " if len(set(shown["model"])) > 1 else ""
    labels = [f"labels: {family}width@resolution"] if "COMPLETE" in states else []
    unknown = [f"of {counted(num_unknown, 'other')} no figure of this device"] if num_unknown else []
    return " · ".join([counts, *unknown, *seed, *labels])
