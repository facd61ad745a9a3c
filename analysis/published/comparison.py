"""Which published figures go beside a sweep, and why none do. Pure, but for reading the published tables.

Published accuracies are ImageNet's: beside a sweep on other data they are left out.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pandas as pd

from analysis.frontier.curve_difference import curve_difference
from analysis.published.tables import CELL, load_cells, load_every_source, load_weight_sharing

TASK = "imagenet"
"""The dataset of every published figure."""
DEFAULT_SOURCE = "tf_slim"
"""The source beside an ImageNet sweep unless another is named: it has every family."""
NONE = "none"
"""The name that leaves published figures out."""
PUBLISHED_COSTS = ("macs", "num_params")
"""The costs at which published networks stand beside a sweep; their latencies are of other devices."""
PUBLISHED_STRIDE = 32
"""Input px per px of the last feature map of every published network."""


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """The published figures beside a sweep; empty tables where none are shown."""

    source: str | None = None
    """The source that the sweep is compared with, by name; None where it is with none."""
    cells: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Its networks of the swept models, one row each (see `published.load_cells`)."""
    every_source: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Those of all sources (see `published.load_every_source`)."""
    weight_sharing: pd.DataFrame = field(default_factory=pd.DataFrame)
    """Those that share one set of weights (see `published.load_weight_sharing`)."""
    note: str = ""
    """Why figures are left out, for the reader; "" where there is nothing to say."""


def compare(table: pd.DataFrame, published: str | None) -> Comparison:
    """The published figures for a results table: of the source `published`, unset that of DEFAULT_SOURCE, or of none.

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
    """What all sources have of these models, with none that a sweep is compared with."""
    return Comparison(every_source=load_every_source(models), weight_sharing=load_weight_sharing(models))


def beside_published(settings: pd.DataFrame, comparison: Comparison) -> str:
    """How a sweep's curve lies to the published one, family by family, as a sentence; "" without a source."""
    if comparison.source is None:
        return ""
    complete = settings.loc[settings["state"] == "COMPLETE"]
    said: list[str] = []
    for family, rows in complete.groupby("model", sort=True):
        cells = comparison.cells.loc[comparison.cells["model"] == family]
        found = curve_difference(rows, cells, "macs")
        if not math.isnan(found.top1 + found.saved):
            said.append(
                f"{family} {found.top1:+.2f} points of top-1 at equal MACs, {100 * found.saved:+.1f} % MACs saved at "
                "equal top-1"
            )
    return f"Against {comparison.source}, on average over the range of both: {'; '.join(said)}." if said else ""


def check_source(published: str | None) -> None:
    """Raise a ConfigError unless `published` is a source, `none` or unset."""
    if published not in (None, NONE):
        load_cells(published)


def add_published(table: pd.DataFrame, comparison: Comparison) -> pd.DataFrame:
    """A copy of a results table with `published_top1`, `published_top5` and `top1_difference` (points minus published).

    They are NaN where the source has no such network. Without a source the copy has no new column.
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
