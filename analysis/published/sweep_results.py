"""All that a report is made of: a sweep's points, settings and learning curves, and the published figures beside it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pandas as pd

from analysis.frontier.frontier import add_frontiers
from analysis.frontier.quantities import ASSESSED, Cost
from analysis.published.comparison import PUBLISHED_STRIDE, TASK, Comparison, all_sources, compare
from analysis.published.tables import load_cells
from analysis.results.read import load_assessments, load_measurements, load_table
from analysis.results.schema import COLUMNS
from analysis.results.settings import by_setting
from trainers.config import network_name
from trainers.errors import ConfigError
from trainers.trial import Measurement

Assessed = Mapping[Cost, Mapping[str, Mapping[str, float]]]
"""Figures by cost, place and point."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SweepResults:
    """What a sweep found."""

    name: str
    points: pd.DataFrame
    """The results table, a row a point, in the order in which they ended."""
    settings: pd.DataFrame
    """The table of `by_setting` with the columns of `add_frontiers` and a column for each of ASSESSED, NaN where a
    figure is unknown."""
    curves: Mapping[str, Sequence[Measurement]]
    """The measurements of each point, in the order of epochs; a point may have none."""
    places: Mapping[Cost, str]
    """The conditions under which each of ASSESSED was measured; without those that were not."""
    comparison: Comparison
    """The published figures beside it."""


def load_results(folder: Path, published: str | None = None) -> SweepResults:
    """The sweep in `folder`, beside the figures of the source `published` (see `compare`).

    Raises:
        ConfigError: there is no results log in `folder`, a log is damaged, or there is no such source.
    """
    table = load_table(folder)
    assessed: dict[Cost, dict[str, dict[str, float]]] = {}
    for row in load_assessments(folder):
        if row.metric in ASSESSED and row.batch_size == 1:
            assessed.setdefault(row.metric, {}).setdefault(row.place, {})[row.point] = row.value
    name, curves = folder.resolve().name, load_measurements(folder)
    return results_of(table, compare(table, published), name=name, curves=curves, assessed=assessed)


def published_results(source: str) -> SweepResults:
    """The networks of a published source as if they had been swept, at the costs that this project counts.

    The points have two more columns, `variant` and `citation`: which training the figures are of, and where they are.

    Raises:
        ConfigError: there is no such source, or it has no accuracies.
    """
    cells = load_cells(source)
    if cells.empty:
        raise ConfigError(f"{source} has no accuracies; `run_sweep.py list` says what each source has")
    names = [network_name(*row) for row in zip(cells["model"], cells["width_mult"], cells["resolution"], strict=True)]
    given = {"point": names, "state": "COMPLETE", "dataset": TASK, "total_stride": PUBLISHED_STRIDE}
    table = cells.assign(**given).reindex(columns=[*COLUMNS, "variant", "citation"])
    latencies: dict[str, dict[str, float]] = {}
    for name, device, milliseconds in zip(names, cells["latency_device"], cells["latency_ms"], strict=True):
        if not math.isnan(milliseconds):
            latencies.setdefault(f"{device}, as published", {})[name] = milliseconds
    comparison = all_sources(sorted(set(cells["model"])))
    assessed = {"latency_ms": latencies} if latencies else {}
    return results_of(table, comparison, name=f"{source}, as published", assessed=assessed)


def results_of(
    table: pd.DataFrame,
    comparison: Comparison,
    *,
    name: str,
    curves: Mapping[str, Sequence[Measurement]] | None = None,
    assessed: Assessed = MappingProxyType({}),
) -> SweepResults:
    """The results of a table of points, with assessed figures of one image by cost, place and point.

    Of each cost the figures of one place are kept, the place with the most points: figures of two devices are never
    mixed.
    """
    settings = add_frontiers(by_setting(table))
    places: dict[Cost, str] = {}
    columns = dict.fromkeys(ASSESSED, np.full(len(settings), math.nan))
    for cost, figures in assessed.items():
        place = places[cost] = min(figures, key=lambda place: (-len(figures[place]), place))
        columns[cost] = np.array([_of_seeds(points, figures[place]) for points in settings["points"]], dtype=float)
    return SweepResults(
        name=name,
        points=table,
        settings=settings.assign(**columns),
        curves=curves or {},
        places=places,
        comparison=comparison,
    )


def _of_seeds(points: Sequence[str], figures: Mapping[str, float]) -> float:
    """The figure of a setting: its seeds are one network, and the first assessed seed tells the figure."""
    return next((figures[point] for point in points if point in figures), math.nan)
