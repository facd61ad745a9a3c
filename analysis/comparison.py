"""Which published figures go beside a sweep, and why none do. Pure, but for reading the published tables.

Published accuracies are ImageNet's. Beside a sweep on other data they are left out unless asked for by name, and then
they are drawn as another task's and never subtracted.
"""

import math
from dataclasses import dataclass

import pandas as pd

from analysis.curve_difference import curve_difference
from analysis.published import CELL, load_cells

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
    """The published figures beside a sweep."""

    source: str | None
    """The source by name; None where no figures are shown."""
    cells: pd.DataFrame
    """Its networks of the swept models, one row each (see `published.load_cells`); empty without a source."""
    same_task: bool
    """Whether every point was trained on ImageNet, so that accuracies can be subtracted."""
    note: str
    """One sentence for the reader about figures left out or of another task; "" where there is nothing to say."""


def compare(table: pd.DataFrame, published: str | None) -> Comparison:
    """The published figures for a results table: of the source `published`, of none, or (unset) as fits the dataset.

    Raises:
        ConfigError: there is no such source.
    """
    datasets, models = sorted(set(table["dataset"].dropna())), sorted(set(table["model"]))
    same_task = datasets == [TASK]
    if published == NONE or (published is None and not datasets):
        return _nothing(same_task, "")
    if published is None and not same_task:
        where = f"this sweep is on {', '.join(datasets)}; draw them with --published {DEFAULT_SOURCE}"
        return _nothing(same_task, f"Published ImageNet figures left out: {where}")
    source = published or DEFAULT_SOURCE
    cells = load_cells(source)
    cells = cells.loc[cells["model"].isin(models)].reset_index(drop=True)
    if cells.empty:
        return _nothing(same_task, f"No published figures: {source} has none for {', '.join(models) or 'no point'}")
    another_task = (
        f"{source}'s figures are ImageNet's: another task than {', '.join(datasets)}, "
        f"and other costs where num_classes is not 1000 or total_stride not {PUBLISHED_STRIDE}"
    )
    note = "" if same_task else another_task
    return Comparison(source=source, cells=cells, same_task=same_task, note=note)


def beside_published(settings: pd.DataFrame, comparison: Comparison) -> str:
    """How a sweep's curve lies to the published one, family by family, as a sentence; "" where they are no match.

    That is, where there is no source or the task is another one.
    """
    if comparison.source is None or not comparison.same_task:
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

    They are NaN where the source has no such network, and the difference also where the task is another one. Without a
    source the copy has no new column.
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
        top1_difference=difference if comparison.same_task else float("nan"),
    )


def _nothing(same_task: bool, note: str) -> Comparison:
    return Comparison(source=None, cells=load_cells(DEFAULT_SOURCE).iloc[:0], same_task=same_task, note=note)
