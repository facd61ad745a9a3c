"""Markdown page of a sweep: every setting, in the column order of the published MobileNet tables."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from analysis.published.comparison import Comparison, beside_published
from analysis.report.markdown import bold, escape, table
from analysis.results.settings import count_points, is_replicated, one_seed_each, was_trained, with_deviation
from analysis.results.varying_settings import is_unset, names_repeat, text_of, varying_settings
from trainers.config import network_name
from trainers.errors import counted

Row = dict[str, Any]
"""Row of the results table: column name to value."""

SHARED = ("dropout", "lr_schedule", "epochs")
"""Fields that the page always gives: once for all points, or in a column where the values differ."""

IN_BOLD = (
    "In bold: the Pareto frontier of MACs against top-1. For a budget of N million MACs, ship the bold row with the "
    "most MACs at or below N."
)
MACS = "MACs count convolutions and linear layers of one image; top-1 and top-5 are percentages"
TRAINED = (
    f"{MACS} of the validation split at the best epoch, test top-1 is that checkpoint's on the test split, where there "
    "is one."
)
PUBLISHED = f"{MACS} as they were published."
ONE_SEED = "Every setting was trained with one seed, so small differences may be noise."
SEVERAL_SEEDS = (
    "Points that differ by their seed only are one row: top-1 is their mean ± their standard deviation, the other "
    "figures are means, and the point, where one is named, is the best of them. P(frontier) is the probability, in "
    "percent, that the row is on the frontier of the means over endless seeds, which are drawn from their posterior: "
    "a high mean of few seeds may be luck. A row of one seed is taken to be as noisy as the others are."
)


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column of the page."""

    header: str
    cell: Callable[[Row], str]
    """Returns the text of a row of the results table, not yet escaped."""
    name: str = ""
    """Name of the column in the results table; "" for a text of several columns."""
    align: str = "---"
    """Markdown's rule: `---` to the left, `---:` to the right."""


def results_page(points: pd.DataFrame, comparison: Comparison, *, sweep: str, charts: dict[str, str]) -> str:
    """Write the page of a sweep as Markdown.

    Args:
        points: table of `by_setting` with the columns of `add_frontiers` and `add_published`.
        comparison: published figures beside the sweep.
        sweep: name of the sweep.
        charts: description to file name, relative to the page.
    """
    states, trained = count_points(points), was_trained(points) or points.empty
    counts = ", ".join(f"{num} {state.lower()}" for state, num in sorted(states.items())) or "none yet"
    ended = f"Points: {counts}. Published figures: {_published(points, comparison)}.{_shared(points)}"
    datasets = ", ".join(sorted(set(points["dataset"].dropna().astype(str)))) or "no dataset yet"
    columns = page_columns(points)
    rows = map(dict, largest_first(points).to_dict("records"))
    lines = [
        f"# {'Sweep ' if trained else ''}{escape(sweep)}: {counted(states.total(), 'point' if trained else 'network')} "
        f"on {escape(datasets)}",
        *([ended] if trained else []),
        *([f"{escape(comparison.note)}."] if comparison.note else []),
        *([beside] if (beside := beside_published(points, comparison)) else []),
        f"{IN_BOLD} {explanation(points)}",
        *_about_seeds(points),
        *(f"![{escape(description)}]({name})" for description, name in charts.items()),
        table([(c.header, c.align) for c in columns], [_line(row, columns) for row in rows]),
    ]
    return "\n\n".join(lines)


def explanation(points: pd.DataFrame) -> str:
    """Return the sentence that explains the columns of the page."""
    return TRAINED if was_trained(points) or points.empty else PUBLISHED


def _about_seeds(points: pd.DataFrame) -> list[str]:
    """Return a sentence about seeds; none for published networks, whose training is unknown."""
    if is_replicated(points):
        return [SEVERAL_SEEDS]
    return [ONE_SEED] if one_seed_each(points) else []


def _published(points: pd.DataFrame, comparison: Comparison) -> str:
    if comparison.source is None:
        return "none"
    has_figures = len(points["published_top1"].dropna()) > 0
    return comparison.source if has_figures else f"{comparison.source}, which has none of these networks"


def _shared(points: pd.DataFrame) -> str:
    """Write the sentence of the SHARED fields that have one value; "" without such fields."""
    varying = varying_settings(points)
    shared = [name for name in SHARED if name not in varying and len(points[name].dropna())]
    values = [f"{name} {escape(text_of(points[name].iloc[0]))}" for name in shared]
    return f" All points: {', '.join(values)}." if values else ""


def largest_first(points: pd.DataFrame) -> pd.DataFrame:
    """Sort by dataset, family, falling width and resolution, as upstream does; the best training of a network first."""
    order = ["dataset", "model", "width_mult", "resolution", "top1"]
    return points.sort_values(order, ascending=[True, True, False, False, False], kind="stable")


def page_columns(points: pd.DataFrame) -> list[Column]:
    """Return the columns of the page; test and published figures, dataset, fields and id only where they differ."""
    figures = [
        _numbers("Test top 1", "test_top1"),
        _numbers("Published top 1", "published_top1"),
        _numbers("Difference", "top1_difference", sign="+"),
    ]
    seeds = [
        _plain("Seeds", "num_seeds"),
        Column(header="P(frontier)", cell=_probability, align="---:"),
    ]
    return [
        Column(header="Network", cell=lambda row: network_name(row["model"], row["width_mult"], row["resolution"])),
        _numbers("MACs (M)", "macs", per=1e6),
        _numbers("Parameters (M)", "num_params", per=1e6),
        Column(header="Top 1", cell=lambda row: "" if is_unset(row["top1"]) else with_deviation(row), align="---:"),
        _numbers("Top 5", "top5"),
        *(column for column in figures if column.name in points and len(points[column.name].dropna())),
        *(seeds if is_replicated(points) else []),
        *([_plain("Dataset", "dataset")] if len(set(points["dataset"])) > 1 else []),
        *(_plain(name, name) for name in varying_settings(points) if not (name == "seed" and is_replicated(points))),
        *([_plain("Published as", "variant")] if "variant" in points else []),
        *([_plain("Point", "point")] if names_repeat(points) else []),
        Column(header="State", cell=_state),
    ]


def _numbers(header: str, name: str, *, per: float = 1.0, sign: str = "") -> Column:
    def cell(row: Row) -> str:
        return "" if is_unset(row[name]) else f"{row[name] / per:{sign}.2f}"

    return Column(header=header, name=name, cell=cell, align="---:")


def _plain(header: str, name: str) -> Column:
    return Column(header=header, name=name, cell=lambda row: text_of(row[name]))


def _probability(row: Row) -> str:
    return "" if is_unset(row["frontier_probability"]) else f"{row['frontier_probability']:.0%}"


def _state(row: Row) -> str:
    return row["state"] if is_unset(row["reason"]) else f"{row['state']} ({row['reason']})"


def _line(row: Row, columns: list[Column]) -> list[str]:
    cells = [escape(column.cell(row)) for column in columns]
    return [bold(cell) for cell in cells] if row["on_frontier"] else cells
