"""Published figures beside a sweep, or the reason for their absence. Pure, but for reading the published tables.

Published accuracies are ImageNet's, and are left out beside a sweep on other data.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pandas as pd

from analysis.frontier.curve_difference import curve_difference
from analysis.published.tables import CELL, load_cells, load_every_source, load_weight_sharing
from analysis.results.chance import candidates

TASK = "imagenet"
"""The dataset of every published figure."""
DEFAULT_SOURCE = "tf_slim"
"""Source beside an ImageNet sweep by default, with networks of every family."""
NONE = "none"
"""Name in place of a source that leaves published figures out."""
PUBLISHED_COSTS = ("macs", "num_params")
"""Costs at which published networks stand beside a sweep; published latencies are of other devices."""
PUBLISHED_STRIDE = 32
"""Input px per px of the last feature map of every published network."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The published figures beside a sweep; empty tables where none are shown."""

    source: str | None = None
    """Name of the source that the sweep is compared with; None without a comparison."""
    cells: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Networks of the source, of the swept models, a row each (see `load_cells`)."""
    every_source: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Networks of all sources, of the swept models (see `load_every_source`)."""
    weight_sharing: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Published networks that share one set of weights (see `load_weight_sharing`)."""
    note: str = ""
    """Reason for the absence of figures, for the reader; "" without a reason."""


def compare(table: pd.DataFrame, published: str | None) -> Comparison:
    """Return the published figures beside a results table: of the source `published`, by default of DEFAULT_SOURCE.

    Raises:
        ConfigError: there is no such source.
    """
    check_source(published)
    datasets, models = sorted(set(table["dataset"].dropna())), sorted(set(table["model"]))
    if published == NONE or not datasets:
        return Comparison()
    if datasets != [TASK]:
        why = f"they are ImageNet's, and this sweep is on {', '.join(datasets)}"
        return Comparison(note=f"Published figures left out: {why}")
    source = published or DEFAULT_SOURCE
    cells = load_cells(source)
    cells = cells.loc[cells["model"].isin(models)].reset_index(drop=True)
    if cells.empty:
        return Comparison(note=f"No published figures: {source} has none for {', '.join(models)}")
    return replace(all_sources(models), source=source, cells=cells)


def all_sources(models: Sequence[str]) -> Comparison:
    """Return the networks of all sources of these models, without a source for a comparison."""
    return Comparison(every_source=load_every_source(models), weight_sharing=load_weight_sharing(models))


def beside_published(settings: pd.DataFrame, comparison: Comparison) -> str:
    """Write how a sweep's curve differs from the published one in each family, as a sentence; "" without a source."""
    if comparison.source is None:
        return ""
    complete = settings.loc[candidates(settings)]
    differences: list[str] = []
    for family, rows in complete.groupby("model", sort=True):
        cells = comparison.cells.loc[comparison.cells["model"] == family]
        gain = curve_difference(rows, cells, "macs")
        if not math.isnan(gain.top1 + gain.saved):
            differences.append(
                f"{family} {gain.top1:+.2f} points of top-1 at equal MACs, {100 * gain.saved:+.1f} % MACs saved at "
                "equal top-1"
            )
    return (
        f"Against {comparison.source}, on average over the range of both: {'; '.join(differences)}."
        if differences
        else ""
    )


def check_source(published: str | None) -> None:
    """Raise a ConfigError unless `published` is a source, `none` or unset."""
    if published not in (None, NONE):
        load_cells(published)


def add_published(table: pd.DataFrame, comparison: Comparison) -> pd.DataFrame:
    """Return a copy of a results table with `published_top1`, `published_top5` and `top1_difference`.

    The difference is the top-1 of the sweep minus the published one. A figure is NaN where the source lacks the
    network. Without a source the copy has no new column.
    """
    if comparison.source is None:
        return table.copy()
    columns = ["published_top1", "published_top5"]
    cells = comparison.cells.rename(columns={"top1": columns[0], "top5": columns[1]})[[*CELL, *columns]]
    keys = table[list(CELL)].assign(width_mult=table["width_mult"].astype(float).round(6))
    figures = keys.merge(cells, how="left", on=list(CELL))[columns].set_axis(table.index)
    figures = figures.where(table["total_stride"] == PUBLISHED_STRIDE)
    difference = (table["top1"].astype(float) - figures["published_top1"]).round(6)  # not 0.30000000000000004
    return table.assign(
        published_top1=figures["published_top1"],
        published_top5=figures["published_top5"],
        top1_difference=difference,
    )
